"""Splits and folds: patient-wise, stratified, a function of the seed alone."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from monai_landmarks.data.dataset import SPLITS, Case, LandmarkDataset
from monai_landmarks.data.faults import repeated
from monai_landmarks.errors import ConfigError, DatasetError

FOLDS_FORMAT = "monai_landmarks.folds"
FOLDS_VERSION = 1
MANY_VALUES = 10
BINS = 5


def assign_splits(
    dataset: LandmarkDataset, fractions: Mapping[str, float], seed: int, stratify: str | None = None
) -> LandmarkDataset:
    """The data set with every case in a split; earlier splits are forgotten.

    Args:
        dataset: left as it is.
        fractions: share of the cases per split, 1 in all; met to about a patient, in every stratum too.
        seed: with the patients' names the only source of chance; the order of cases does not matter.
        stratify: an attribute whose values are spread evenly. Numbers with more than ten values go into five
            bins of equal counts; cases without the attribute form a stratum of their own.

    Raises:
        ConfigError: fractions that are no shares of one, an unknown attribute, or too few patients.
    """
    _check_fractions(fractions)
    wanted = {name: share for name, share in fractions.items() if share > 0}
    split_of = _distribute(dataset.cases, wanted, seed, stratify)
    _require_all(wanted, split_of, len(split_of))
    return _with_splits(dataset, lambda case: split_of[case.patient_key])


def hold_out(
    dataset: LandmarkDataset,
    fraction: float,
    seed: int,
    *,
    source: str = "training",
    target: str = "validation",
    stratify: str | None = None,
) -> LandmarkDataset:
    """The data set with a random part of one split moved to another, patient by patient.

    Raises:
        ConfigError: a fraction outside (0, 1), too few patients, or a target that has cases already.
    """
    if not 0 < fraction < 1:
        raise ConfigError(f"the {target} fraction {fraction} must lie between 0 and 1")
    if dataset.select(target):
        raise ConfigError(f"{len(dataset.select(target))} cases are in {target} already; leave the fraction out")
    cases = dataset.select(source)
    shares = {source: 1 - fraction, target: fraction}
    split_of = _distribute(cases, shares, seed, stratify)
    _require_all(shares, split_of, len(split_of))
    moved = {case.id: split_of[case.patient_key] for case in cases}
    return _with_splits(dataset, lambda case: moved.get(case.id, case.split))


def make_folds(dataset: LandmarkDataset, k: int, seed: int, stratify: str | None = None) -> dict[str, Any]:
    """Folds for cross-validation, ready to be saved. Cases of the test split belong to no fold.

    Returns:
        {"format", "version", "dataset": digest, "folds": k sorted lists of case ids}.

    Raises:
        ConfigError: k below 2 or above the number of patients; an unknown attribute.
    """
    cases = _fold_cases(dataset)
    patients = len({case.patient_key for case in cases})
    if not 2 <= k <= patients:
        raise ConfigError(f"{k} folds: choose from 2 to {patients}, the number of patients outside test")
    fold_of = _distribute(cases, dict.fromkeys(range(k), 1 / k), seed, stratify)
    _require_all(range(k), fold_of, patients)
    folds = [sorted(case.id for case in cases if fold_of[case.patient_key] == fold) for fold in range(k)]
    return {"format": FOLDS_FORMAT, "version": FOLDS_VERSION, "dataset": dataset.digest(), "folds": folds}


def save_folds(folds: Mapping[str, Any], path: str | Path) -> None:
    """Write what `make_folds` returned."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(folds, indent=1) + "\n", encoding="utf-8")


def load_folds(path: str | Path, dataset: LandmarkDataset) -> dict[str, Any]:
    """Read a folds file and check it against the data set.

    What must hold is that every case outside test is in exactly one fold and no patient is in two. The digest
    says which file the folds were made of; a corrected point changes it and does not make the folds useless.

    Raises:
        DatasetError: with every fault at once.
    """
    try:
        folds = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DatasetError(path, [f"not a readable folds file: {error}"]) from None
    if not _is_folds(folds):
        raise DatasetError(path, [f"no {FOLDS_FORMAT} of version {FOLDS_VERSION}: folds are lists of case ids"])
    faults = _fold_faults(folds["folds"], dataset)
    if faults:
        raise DatasetError(path, faults)
    return folds


def apply_fold(dataset: LandmarkDataset, folds: Mapping[str, Any], index: int) -> LandmarkDataset:
    """The data set with fold `index` (from 0) as validation and the others as training; test stays test."""
    count = len(folds["folds"])
    if not 0 <= index < count:
        raise ConfigError(f"fold {index} does not exist; choose from 0 to {count - 1}")
    held_out = set(folds["folds"][index])
    known = {case_id for fold in folds["folds"] for case_id in fold}

    def split(case: Case) -> str | None:
        if case.id not in known:
            return case.split
        return "validation" if case.id in held_out else "training"

    return _with_splits(dataset, split)


def held_out_fold(dataset: LandmarkDataset, folds: Mapping[str, Any], index: int) -> LandmarkDataset:
    """The data set with fold `index` (from 0) as test and the others as training; cases in no fold are left out.

    For an honest cross-validation: what is evaluated selects nothing, not even the epoch.
    """
    turned = apply_fold(dataset, folds, index)
    known = {case_id for fold in folds["folds"] for case_id in fold}
    roles: Mapping[str | None, str] = {"training": "training", "validation": "test"}
    cases = [case.model_copy(update={"split": roles[case.split]}) for case in turned.cases if case.id in known]
    return dataset.model_copy(update={"cases": cases})


def _fold_cases(dataset: LandmarkDataset) -> list[Case]:
    return [case for case in dataset.cases if case.split != "test"]


def _is_folds(document: Any) -> bool:
    if not isinstance(document, dict) or document.get("format") != FOLDS_FORMAT:
        return False
    folds = document.get("folds")
    if document.get("version") != FOLDS_VERSION or not isinstance(folds, list):
        return False
    return all(isinstance(fold, list) and all(isinstance(name, str) for name in fold) for fold in folds)


def _fold_faults(folds: Sequence[Sequence[str]], dataset: LandmarkDataset) -> list[str]:
    listed = [case_id for fold in folds for case_id in fold]
    patient_of = {case.id: case.patient_key for case in _fold_cases(dataset)}
    faults = [f"fold {number}: is empty" for number, fold in enumerate(folds) if not fold]
    faults += [f"case {c}: is listed twice" for c in repeated(listed)]
    faults += [f"case {c}: is in test or not in the data set" for c in listed if c not in patient_of]
    faults += [f"case {c}: is in no fold; make the folds again" for c in patient_of if c not in set(listed)]
    folds_of: dict[str, set[int]] = {}
    for number, fold in enumerate(folds):
        for case_id in fold:
            folds_of.setdefault(patient_of.get(case_id, case_id), set()).add(number)
    return faults + [f"patient {p}: is in folds {sorted(n)}; keep one" for p, n in folds_of.items() if len(n) > 1]


def _check_fractions(fractions: Mapping[str, float]) -> None:
    unknown = sorted(set(fractions) - set(SPLITS))
    if unknown:
        raise ConfigError(f"no split is called {', '.join(unknown)}; the splits are {', '.join(SPLITS)}")
    shares = list(fractions.values())
    if not all(0 <= share <= 1 for share in shares) or not math.isclose(sum(shares), 1, abs_tol=1e-6):
        raise ConfigError(f"the fractions {shares} must be from 0 to 1 and 1 in all, not {sum(shares):g}")


def _require_all(wanted: Sequence[Hashable] | Mapping[Any, float], given: Mapping[str, Any], patients: int) -> None:
    empty = [str(name) for name in wanted if name not in set(given.values())]
    if empty:
        raise ConfigError(f"{patients} patients are too few: nothing is left for {', '.join(empty)}")


def _with_splits(dataset: LandmarkDataset, split: Callable[[Case], str | None]) -> LandmarkDataset:
    cases = [case.model_copy(update={"split": split(case)}) for case in dataset.cases]
    return dataset.model_copy(update={"cases": cases})


def _distribute(cases: Sequence[Case], shares: Mapping[Any, float], seed: int, stratify: str | None) -> dict[str, Any]:
    """Patient -> part.

    Patients queue stratum by stratum, shuffled within and among strata; each goes to the part that lacks most
    cases so far. So any run of the queue, hence any stratum, keeps the shares to about a patient.
    """
    sizes = Counter(case.patient_key for case in cases)
    stratum_of = _strata(cases, stratify)
    rng = np.random.default_rng(seed)
    strata = sorted(set(stratum_of.values()))
    queue: list[str] = []
    for number in rng.permutation(len(strata)):
        members = sorted(patient for patient in sizes if stratum_of[patient] == strata[number])
        queue += [members[i] for i in rng.permutation(len(members))]
    given = dict.fromkeys(shares, 0)
    total = 0
    part_of: dict[str, Any] = {}
    for patient in queue:
        total += sizes[patient]
        part = max(shares, key=lambda name: shares[name] * total - given[name])
        given[part] += sizes[patient]
        part_of[patient] = part
    return part_of


def _strata(cases: Sequence[Case], attribute: str | None) -> dict[str, str]:
    """Patient -> stratum: the most frequent value of the attribute, the first in order among equals."""
    if attribute is None:
        return {case.patient_key: "" for case in cases}
    values = [case.attributes.get(attribute) for case in cases]
    if all(value is None for value in values):
        known = sorted({name for case in cases for name in case.attributes})
        raise ConfigError(f"no case has the attribute {attribute}; known are {', '.join(known) or 'none'}")
    votes: dict[str, Counter[str]] = {}
    for case, label in zip(cases, _labels(values)):
        votes.setdefault(case.patient_key, Counter())[label] += 1
    return {p: min(count, key=lambda label: (-count[label], label)) for p, count in votes.items()}


def _labels(values: Sequence[Any]) -> list[str]:
    numbers = [v for v in values if v is not None]
    continuous = all(isinstance(v, int | float) and not isinstance(v, bool) for v in numbers)
    if not continuous or len(set(numbers)) <= MANY_VALUES:
        return ["missing" if v is None else f"value {float(v) if continuous else v}" for v in values]
    edges = np.quantile(numbers, np.linspace(0, 1, BINS + 1)[1:-1])
    return ["missing" if v is None else f"bin {np.searchsorted(edges, v, side='right')}" for v in values]
