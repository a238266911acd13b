"""Several readers' data sets of the same images become one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_landmarks.data.dataset import Case, LandmarkDataset
from monai_landmarks.data.tables import scheme_of
from monai_landmarks.errors import DatasetError

Key = tuple[Path, int]
# What only one of two data sets need know of an image, and both must agree on.
FIELDS = ("size", "patient", "split", "side", "spacing_mm", "magnification")


def merge_datasets(
    datasets: Sequence[LandmarkDataset], names: Sequence[object], *, extend: bool = False
) -> LandmarkDataset:
    """One data set with the images and the annotations of all; its root is the first one's.

    Two cases are the same where image file and frame are. The first data set's scheme is kept; a later one's case
    whose id is taken, by an image of that name in another folder, is called by its path.

    Args:
        datasets: at least one.
        names: what messages call them.
        extend: add landmarks that only later data sets have, at the end; otherwise they are faults.

    Raises:
        DatasetError: unknown landmarks, a reader who has annotated an image in two of them, or values that differ.
    """
    first = datasets[0]
    scheme = first.scheme
    added = list(dict.fromkeys(name for d in datasets for name in d.names if name not in scheme.names))
    faults: list[str] = []
    if added and extend:
        scheme = scheme_of(scheme.name, [*scheme.names, *added])
    elif added:
        faults = [f"unknown landmark {name!r}; {names[0]} does not have it" for name in added]
    cases: dict[Key, Case] = {}
    taken: set[str] = set()
    for dataset, name in zip(datasets, names):
        for case in (dataset if dataset.root == first.root else dataset.relocated(first.root)).cases:
            key = (first.root / case.image).resolve(), case.frame
            cases[key] = _merged(cases[key], case, name, faults) if key in cases else _named(case, taken)
            taken.add(cases[key].id)
    if faults:
        raise DatasetError(" + ".join(str(name) for name in names), faults)
    return first.model_copy(update={"scheme": scheme, "cases": list(cases.values())})


def _named(case: Case, taken: set[str]) -> Case:
    if case.id not in taken:
        return case
    frame = f"_frame{case.frame}" if case.frame > 1 else ""
    return case.model_copy(update={"id": Path(case.image).with_suffix("").as_posix() + frame})


def _merged(case: Case, other: Case, name: object, faults: list[str]) -> Case:
    changes: dict[str, Any] = {}
    for field in FIELDS:
        ours, theirs = getattr(case, field), getattr(other, field)
        if ours is None:
            changes[field] = theirs
        elif theirs not in (None, ours):
            shown = "" if field == "patient" else f" ({ours} and {theirs})"
            faults.append(f"case {case.id}: {field} differs in {name}{shown}; make them equal")
    readers = {annotation.reader for annotation in case.annotations}
    for annotation in other.annotations:
        if annotation.reader in readers:
            faults.append(
                f"case {case.id}: {annotation.reader} has annotated it already, and again in {name}; "
                "say who did with --reader"
            )
    changes["annotations"] = [*case.annotations, *other.annotations]
    differing = [n for n, value in other.attributes.items() if case.attributes.get(n, value) != value]
    faults += [f"case {case.id}: attribute {n} differs in {name}; make them equal" for n in differing]
    changes["attributes"] = {**other.attributes, **case.attributes}
    return case.model_copy(update=changes)
