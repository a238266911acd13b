"""One row: as many epochs as fit into the time, trained in a process of its own, each split scored once."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from accuracy_rows import DEFAULT, ONE_SHOT, ROWS, TPL
from experiments import Experiment, Held, parameters, run_experiment

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.data.one_shot import template_case
from monai_landmarks.engines.footprint import peak_memory
from monai_landmarks.engines.processes import in_own_process
from monai_landmarks.engines.propose import Proposer, pseudo_training_set
from monai_landmarks.handlers.history import read_history
from monai_landmarks.metrics import Results
from monai_landmarks.report.run import load_evaluation

# The first of these epochs warms up, the last one validates; the others say how long one takes.
TIMED_EPOCHS = 4
MEASURED = "measured.json"
# A row's time may be so many times longer or shorter than it should.
UNEVEN = 1.07


@dataclass(frozen=True, kw_only=True)
class Task:
    """A data set and a budget.

    Attributes:
        folder: of all rows on these data.
        file: trains and validates.
        evaluations: what is scored, by label.
        longer_side: of the input.
        minutes: of training; 0 for two epochs, however long they take.
        seed: of the training.
        refit: the validation images are trained on too.
    """

    folder: Path
    file: Path
    evaluations: Mapping[str, Held]
    longer_side: int
    minutes: float
    seed: int = 0
    refit: bool = False


def run_row(task: Task, name: str) -> dict[str, Any]:
    """Train and score a row; a finished one is read back, an interrupted one goes on."""
    return _pseudo_labels(task) if name == TPL else _timed(task, name, name)


def _timed(task: Task, name: str, key: str) -> dict[str, Any]:
    epochs = 2
    if task.minutes:
        unscored = replace(task, evaluations={})
        timing = in_own_process(name, measure, unscored, f"{name}, timing", key, TIMED_EPOCHS)
        epochs = max(2, int(60 * task.minutes / timing["epoch_seconds"]))
    result: dict[str, Any] = in_own_process(name, measure, task, name, key, epochs)
    if task.minutes and not 1 / UNEVEN < result["minutes"] / task.minutes < UNEVEN:
        print(
            f"{name}: {result['minutes']:.1f} minutes in place of {task.minutes:g}: the machine was not idle; delete "
            f"{task.folder / name} and {name}, timing to run it again"
        )
    return result


def measure(task: Task, name: str, key: str, epochs: int) -> dict[str, Any]:
    """Train `ROWS[key]` for so many epochs into the folder `name`.

    Returns:
        metrics by label, errors (`errors_of`) by label, epochs, minutes, epoch_seconds, peak_mb, parameters.
    """
    row = ROWS[key]
    overrides = dict(row.overrides(epochs, task.longer_side))
    if not task.refit:
        overrides["val_interval"] = epochs
    configs = (*row.configs, "refit") if task.refit else row.configs
    experiment = Experiment(name=name, configs=configs, overrides=overrides, last=True, bundle=row.bundle)
    common = {"max_epochs": epochs, "longer_side": task.longer_side, "seed": task.seed}
    result = run_experiment(
        experiment, task.folder, dataset_file=task.file, evaluations=dict(task.evaluations), **common
    )
    home = task.folder / name
    if not (home / MEASURED).is_file():
        seconds = [line["seconds"] for line in read_history(home / "history.csv")]
        measured = {
            "epochs": epochs,
            "minutes": sum(seconds) / 60,
            "epoch_seconds": statistics.mean(seconds[1:-1] or seconds),
            "peak_mb": peak_memory() / 1e6,
            "parameters": parameters(home / "bundle" / "models" / "model.pt"),
        }
        (home / MEASURED).write_text(json.dumps(measured) + "\n", encoding="utf-8")
    errors = {
        label: errors_of(load_evaluation(home / label, load_dataset(file))[1])
        for label, (file, _) in task.evaluations.items()
    }
    return {"metrics": result["metrics"], "errors": errors, **json.loads((home / MEASURED).read_text(encoding="utf-8"))}


def errors_of(results: Results) -> dict[str, Any]:
    """What pairs two rows: the patient of each image, and its errors (N, K) in mm, None where there is no point."""
    errors = [[None if np.isnan(error) else float(error) for error in image] for image in results.errors_mm()]
    return {"patients": list(results.patients), "errors": errors}


def _pseudo_labels(task: Task) -> dict[str, Any]:
    """Half of the time for one-shot's CC2D, half for our recipe on what it finds in the other training images."""
    half = replace(task, minutes=task.minutes / 2)
    name = f"{ONE_SHOT}, half the time"
    first = _timed(half, name, ONE_SHOT)
    file = task.folder / "pseudo_labels" / "dataset.json"
    if not file.is_file():
        dataset, bundle = load_dataset(task.file), task.folder / name / "bundle"
        labels = Proposer(bundle, dataset).points(dataset.select(("training", "validation")))
        file.parent.mkdir(parents=True, exist_ok=True)
        pseudo_training_set(dataset, labels, template_case(dataset).id, file.parent).save(file)
    # Scored on the annotations of the task's own file.
    second = _timed(replace(half, file=file), TPL, DEFAULT)
    return {**second, **{key: first[key] + second[key] for key in ("minutes", "epochs")}}
