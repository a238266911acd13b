"""Cross-validation of any bundle: a training and an evaluation a fold, and what all folds say together.

The held-out fold is its training's test split and selects nothing: the bundle's refit.yaml trains on the rest without a
validation and keeps the last epoch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from monai.utils import path_to_sqlite_uri

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.data.evaluated import evaluated_part
from monai_landmarks.data.splits import held_out_fold, save_folds
from monai_landmarks.engines.claim import LOCK, claim_folder, keep_bundle, recipe
from monai_landmarks.engines.processes import in_own_process
from monai_landmarks.engines.workflow import run_bundle
from monai_landmarks.errors import ConfigError
from monai_landmarks.locks import alone
from monai_landmarks.metrics import Results
from monai_landmarks.metrics.attributes import Grouping
from monai_landmarks.metrics.evaluation import CASES, METRICS, RECORD, EvaluationOptions, write_evaluation

SPLIT = "out-of-fold"
SETTINGS = "crossvalidation.json"
FOLDS = "folds.json"
DONE = "fold.json"
# Set for each fold; other entries of the configs may be overridden.
OWN = ("bundle_root", "dataset_file", "dataset_dir", "ckpt_dir", "output_dir", "run_name", "checkpoint")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is trained on every fold.

    Attributes:
        folder: of the cross-validation; holds bundle/, folds.json and a folder a fold.
        configs: names of config files merged between train.yaml and refit.yaml, and before evaluate.yaml.
        overrides: config entries; in a text `{fold}` stands for the fold's number.
        progress: whether bars are drawn.
    """

    folder: Path
    configs: tuple[str, ...] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)
    progress: bool = False

    @property
    def bundle(self) -> Path:
        """The copy of the bundle that is run."""
        return self.folder / "bundle"

    def fold(self, index: int) -> Path:
        """Folder of a fold: its data set file, models/ and evaluation."""
        return self.folder / f"fold-{index}"

    def models(self, index: int) -> Path:
        """Folder of a fold's model."""
        return self.fold(index) / "models"

    def is_done(self, index: int) -> bool:
        """Whether a fold is trained and evaluated."""
        return (self.fold(index) / DONE).is_file()

    def expressions(self, index: int) -> dict[str, Any]:
        """The config entries that may be chosen, for a fold."""
        store = path_to_sqlite_uri((self.folder / "mlflow.db").resolve())
        chosen = {key: _numbered(value, index) for key, value in self.overrides.items()}
        return {"progress": self.progress, "tracking_uri": store, **chosen}

    def options(self, index: int) -> dict[str, Any]:
        """The config entries that are a fold's own."""
        return {
            "dataset_file": str(self.fold(index) / "dataset.json"),
            "ckpt_dir": str(self.models(index)),
            "output_dir": str(self.fold(index)),
            "run_name": f"{self.folder.resolve().name} fold {index}",
        }

    def check(self, bundle: Path) -> None:
        """Refuse, before anything is trained, what cannot be cross-validated.

        Raises:
            ConfigError: a config file is missing, or an override is of what a fold sets itself.
        """
        for name in ("train", *self.configs, "refit", "evaluate"):
            if not (bundle / "configs" / f"{name}.yaml").is_file():
                told = ": training without a validation, as cross-validation needs it" if name == "refit" else ""
                raise ConfigError(f"{bundle} has no configs/{name}.yaml{told}")
        if taken := [key for key in self.overrides if key in OWN]:
            raise ConfigError(f"{', '.join(taken)}: set for each fold by the cross-validation; leave it out")


def _numbered(value: Any, index: int) -> Any:
    return value.replace("{fold}", str(index)) if isinstance(value, str) else value


def claim(plan: Plan, bundle: Path, dataset: LandmarkDataset, folds: Mapping[str, Any]) -> None:
    """Make the folder this cross-validation's, with its folds, their data set files and the bundle, or find that it is.

    Raises:
        ConfigError: the folder is another cross-validation's; what differs is named.
    """
    settings = {
        "recipe": recipe(bundle),
        "dataset": dataset.digest(),
        "folds": folds["folds"],
        "configs": list(plan.configs),
        "overrides": {key: str(value) for key, value in plan.overrides.items()},
    }
    claim_folder(plan.folder / SETTINGS, settings, "a cross-validation")
    with alone(plan.folder / LOCK):
        save_folds(folds, plan.folder / FOLDS)
        for index in range(len(folds["folds"])):
            file = plan.fold(index) / "dataset.json"
            if not file.is_file():
                held_out_fold(dataset, folds, index).relocated(file.parent).save(file)
    keep_bundle(bundle, plan.bundle)


def run_fold(plan: Plan, index: int) -> None:
    """Train and evaluate a fold in a process of its own; an interrupted training goes on after its last epoch.

    Raises:
        ConfigError: another command is training this fold.
    """
    with alone(plan.fold(index) / LOCK, "training"):
        in_own_process(f"fold {index}", _train_and_evaluate, plan, index)


def _train_and_evaluate(plan: Plan, index: int) -> None:
    options, chosen = plan.options(index), plan.expressions(index)
    run_bundle(plan.bundle, "training", ("train", *plan.configs, "refit"), chosen, **options)
    run_bundle(plan.bundle, "evaluate", ("train", *plan.configs, "evaluate"), chosen, **options, title=f"fold {index}")
    done = {"fold": index, "run_name": options["run_name"]}
    (plan.fold(index) / DONE).write_text(json.dumps(done) + "\n", encoding="utf-8")


def fold_metrics(plan: Plan, index: int) -> dict[str, Any]:
    """metrics.json of a finished fold."""
    metrics: dict[str, Any] = json.loads((plan.fold(index) / METRICS).read_text(encoding="utf-8"))
    return metrics


def join_folds(plan: Plan, dataset: LandmarkDataset, count: int, stratify: str | None = None) -> dict[str, Any]:
    """Every case, predicted by the model that has not seen it, as one evaluation in the plan's folder.

    Args:
        plan: all of whose folds are done.
        dataset: that was divided.
        count: of folds.
        stratify: an attribute whose values are told apart, beside those the bundle's evaluation tells apart.

    Returns:
        The content of metrics.json.
    """
    parts = [Results.read_csv(plan.fold(index) / CASES) for index in range(count)]
    own = evaluated_part(dataset, parts[0].names)
    joined = Results.joined(parts)
    joined.groups = own.scheme.group_indices()
    order = {case.id: number for number, case in enumerate(dataset.cases)}
    joined = joined.take(sorted(range(len(joined.case_ids)), key=lambda i: order[joined.case_ids[i]]))
    record = json.loads((plan.fold(0) / RECORD).read_text(encoding="utf-8"))
    options = EvaluationOptions.from_record(record)
    if stratify is not None:
        options = _told_apart(options, stratify, dataset)
    return write_evaluation(plan.folder, joined, own, SPLIT, options, digest=dataset.digest())


def _told_apart(options: EvaluationOptions, attribute: str, dataset: LandmarkDataset) -> EvaluationOptions:
    try:
        Grouping(attribute).check(dataset.cases)
    except ConfigError:
        # An age has too many values for a table, though it can be spread evenly.
        return options
    return EvaluationOptions(**{**asdict(options), "group_by": tuple(dict.fromkeys((*options.group_by, attribute)))})
