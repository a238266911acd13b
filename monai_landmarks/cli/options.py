"""What several verbs do with their options."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from monai_landmarks.errors import ConfigError

if TYPE_CHECKING:
    from monai_landmarks.data.dataset import LandmarkDataset


class Origin(StrEnum):
    """Where a file's (0, 0) lies."""

    CENTRE = "centre"
    CORNER = "corner"


class ImageSide(StrEnum):
    """The patient's sides an image shows."""

    L = "L"
    R = "R"
    BOTH = "both"


def numbers(text: str, option: str) -> tuple[float, float]:
    """One number, or two with a comma between them: (row, column)."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in (1, 2):
        raise ConfigError(f"{option}: {text!r} must be one number, or two with a comma: rows,columns")
    return values[0], values[-1]


def refuse_overwriting(path: Path, force: bool) -> None:
    """Stop before any work if a file is there already."""
    if path.exists() and not force:
        raise ConfigError(f"{path} exists already; name another file or add --force")


def refuse_filled(folder: Path, force: bool) -> None:
    """Stop before any work if a folder to write to holds something, or is a file."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())) and not force:
        raise ConfigError(f"{folder} exists and is not empty; name another folder or add --force")


def refuse_faults(dataset: LandmarkDataset, source: object) -> None:
    """Stop at a data set whose content contradicts itself, naming where it comes from and every fault."""
    from monai_landmarks.data.dataset import find_faults
    from monai_landmarks.errors import DatasetError

    faults = find_faults(dataset)
    if faults:
        raise DatasetError(source, faults)


def report_left_out(skipped: Sequence[tuple[Path, str]], failed: Sequence[tuple[Path, str]]) -> None:
    """Print which files were not used, and why."""
    for path, reason in skipped:
        typer.echo(f"skipped {path}: {reason}")
    for path, reason in failed:
        typer.echo(f"failed  {path}: {reason}", err=True)


def splits_line(dataset: LandmarkDataset) -> str:
    """Cases and patients of every split that has some."""
    from monai_landmarks.data.dataset import SPLITS

    texts = []
    for split, name in [(split, split) for split in SPLITS] + [(None, "no split")]:
        patients = [case.patient_key for case in dataset.cases if case.split == split]
        if patients:
            texts.append(f"{name} {len(patients)} ({len(set(patients))} patients)")
    return ", ".join(texts)
