"""What a run folder holds: metrics.json, cases.csv, provenance.json, and compared models below it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.data.evaluated import evaluated_part
from monai_landmarks.errors import ConfigError, LandmarksError
from monai_landmarks.metrics import Results
from monai_landmarks.metrics.evaluation import CASES, RECORD
from monai_landmarks.metrics.summary import FORMAT, VERSION

Evaluation = tuple[dict[str, Any], Results]


def load_evaluation(folder: Path, dataset: LandmarkDataset) -> Evaluation:
    """metrics.json and cases.csv of a folder.

    Raises:
        LandmarksError: a file is missing or damaged, or belongs to another data set.
    """
    metrics = _read_json(folder / "metrics.json", "evaluate the model to write it")
    if (metrics.get("format"), metrics.get("version")) != (FORMAT, VERSION):
        raise LandmarksError(f"{folder / 'metrics.json'}: is no {FORMAT} file of version {VERSION}; evaluate again")
    results = Results.read_csv(folder / "cases.csv", groups=dataset.scheme.group_indices())
    if results.names != dataset.names:
        raise LandmarksError(
            f"{folder / 'cases.csv'}: its landmarks are not those of the data set ({dataset.scheme.name}); "
            "name the data set the model was evaluated on; only evaluations of the same landmarks can be compared"
        )
    if list(metrics["images"]) != results.case_ids:
        raise LandmarksError(f"{folder}: metrics.json and cases.csv hold different cases; evaluate again")
    return metrics, results


def evaluated_dataset(folder: Path, dataset: LandmarkDataset) -> LandmarkDataset:
    """The data set in the landmarks a folder's evaluation is of; as it is where they are not of it.

    Raises:
        LandmarksError: cases.csv is missing or damaged.
    """
    try:
        return evaluated_part(dataset, Results.read_csv(folder / CASES).names)
    except ConfigError:
        return dataset


def find_compared(folder: Path) -> dict[str, Path]:
    """Sub-folders that hold an evaluation of their own, by their name."""
    return {
        child.name: child
        for child in sorted(folder.iterdir())
        if (child / "metrics.json").is_file() and (child / "cases.csv").is_file()
    }


def load_provenance(folder: Path) -> dict[str, str]:
    """provenance.json, which a run may leave: texts by their heading. Empty where there is none."""
    path = folder / "provenance.json"
    if not path.is_file():
        return {}
    return {str(key): str(text) for key, text in _read_json(path, "delete it").items()}


def load_record(folder: Path) -> dict[str, str]:
    """evaluation.json: dataset (the name of its scheme), digest and split. Empty where an evaluation left none."""
    path = folder / RECORD
    if not path.is_file():
        return {}
    return {str(key): str(text) for key, text in _read_json(path, "evaluate again").items()}


def _read_json(path: Path, remedy: str) -> dict[str, Any]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LandmarksError(f"{path}: no such file; {remedy}") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise LandmarksError(f"{path}: not a readable JSON file: {error}; {remedy}") from None
    if not isinstance(document, dict):
        raise LandmarksError(f"{path}: not a JSON object; {remedy}")
    return document
