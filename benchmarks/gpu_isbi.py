"""A pass of our recipe on ISBI 2015's training images, and its one test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import isbi2015

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.handlers.history import read_history


def make_dataset(data: Path, folder: Path, count: int) -> Path:
    """Its data set file in `folder`, without images for validation; of each split `count` cases, 0 for all."""
    file = isbi2015.make_dataset(data, folder, 0.0)
    if count:
        dataset = load_dataset(file)
        cases = [case for split in ("training", "test") for case in dataset.select(split)[:count]]
        dataset.model_copy(update={"cases": cases}).save(file)
    return file


def isbi_row(
    folder: Path, file: Path, name: str, training: dict[str, Any], evaluation: dict[str, Any]
) -> dict[str, Any]:
    """Train a pass, or go on where it was interrupted, and evaluate test 1.

    - train_seconds: of its epochs, in however many goes, without their checkpoints.
    - against: the millimetre block of metrics.json by reader.

    Args:
        folder: of both passes.
        file: data set file.
        name: a pass of isbi2015.CONFIGS.
        training, evaluation: config entries.
    """
    isbi2015.train(folder, file, {name: training}, validation=False)
    results = isbi2015.evaluate(folder, file, name, "test", **evaluation)
    dataset = load_dataset(file)
    return {
        "train_seconds": sum(row["seconds"] for row in read_history(folder / name / "history.csv")),
        "against": {reader: isbi2015.against(results, dataset, "test", reader) for reader in isbi2015.READERS},
    }
