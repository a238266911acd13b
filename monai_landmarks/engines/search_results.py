"""What a search of hyper-parameters leaves: a table of its trials, the best values, a note in every MLflow run."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import yaml
from mlflow import MlflowClient
from optuna.trial import FrozenTrial, Trial, TrialState

from monai_landmarks.engines.search_plan import Search
from monai_landmarks.handlers.tracking import RUN_FILE

BEST, TABLE = "best.yaml", "trials.csv"
DONE = (TrialState.COMPLETE, TrialState.PRUNED)


def folder_name(trial: Trial | FrozenTrial) -> str:
    """Of a trial: its own, or that of the interrupted one it continues."""
    return str(trial.user_attrs.get("folder", f"trial-{trial.number:03d}"))


def note_in_run(models: Path, number: int, values: Mapping[str, Any], pruned: bool) -> None:
    """Add a trial's values to the MLflow run of its training."""
    note = json.loads((models / RUN_FILE).read_text(encoding="utf-8"))
    client = MlflowClient(note["tracking_uri"])
    for key, value in values.items():
        client.log_param(note["run_id"], f"search.{key.replace('#', '.')}", value)
    client.set_tag(note["run_id"], "search.trial", number)
    client.set_tag(note["run_id"], "search.pruned", pruned)


def values_of(search: Search, trial: FrozenTrial) -> dict[str, Any]:
    """A finished trial's config entries."""
    fixed = optuna.trial.FixedTrial(trial.params)
    return {key: entry.suggest(fixed, key) for key, entry in search.space.items()}


def write_table(search: Search, study: optuna.Study) -> None:
    """trials.csv: every trial, its MRE and its values."""
    with (search.folder / TABLE).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["trial", "state", "val_mre", "folder", *search.space])
        for trial in study.get_trials(deepcopy=False, states=DONE):
            values = values_of(search, trial)
            row = [trial.number, trial.state.name.lower(), trial.value, folder_name(trial)]
            writer.writerow([*row, *(values[key] for key in search.space)])


def write_best(search: Search, study: optuna.Study) -> None:
    """best.yaml, an override of train.yaml; nothing until a trial is complete."""
    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        return
    best = study.best_trial
    head = f"# The best of {len(study.trials)} trials: {folder_name(best)}, validation MRE {best.value:.4g}.\n"
    body = yaml.safe_dump(values_of(search, best), sort_keys=False)
    (search.folder / BEST).write_text(head + body, encoding="utf-8")
