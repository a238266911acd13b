"""The measurements of a data set's annotated points."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from monai_landmarks.data.case_spacing import case_spacings
from monai_landmarks.data.dataset import LandmarkDataset, State
from monai_landmarks.errors import ConfigError
from monai_landmarks.measure.compute import measure_points
from monai_landmarks.measure.values import Measured

COLUMNS = ("case_id", "measurement", "kind", "value", "unit", "spacing_plane", "normal_low", "normal_high", "reason")


@dataclass(frozen=True)
class CaseValues:
    """What is measured in one case."""

    case_id: str
    measured: list[Measured]


def measure_annotated(dataset: LandmarkDataset, reader: str = "mean") -> tuple[list[CaseValues], list[str]]:
    """Every measurement of every case, and why some images gave no spacing.

    Args:
        dataset: cases and scheme.
        reader: whose points; "mean" for the mean of all.

    Raises:
        ConfigError: no such reader.
    """
    if reader != "mean" and reader not in dataset.readers:
        raise ConfigError(f"no reader is called {reader}; choose mean, {', '.join(dataset.readers)}")
    spacings, faults = case_spacings(dataset, dataset.cases)
    values = []
    for case in dataset.cases:
        points, states = case.points(dataset.scheme, reader)
        unlabelled = [name for name, state in zip(dataset.names, states) if state == State.UNLABELLED]
        spacing = spacings[case.id]
        measured = measure_points(
            dataset.scheme, points, spacing=spacing.mm, plane=spacing.plane, unlabelled=unlabelled
        )
        values.append(CaseValues(case.id, measured))
    return values, faults


def overview(values: list[CaseValues]) -> list[tuple[str, ...]]:
    """Label, unit, n, mean, SD (ddof 1), least, most, normal range and number outside it of every measurement.

    Millimetres and pixels of one measurement have a row each.
    """
    collected: dict[tuple[str, str], list[Measured]] = {}
    for case in values:
        for measured in case.measured:
            collected.setdefault((measured.name, measured.unit), []).append(measured)
    rows: list[tuple[str, ...]] = []
    for (_, unit), found in collected.items():
        numbers = np.array([m.value for m in found if m.value is not None])
        digits = 3 if unit == "1" else 2
        normal, outside = found[0].normal, sum(m.within_normal is False for m in found)
        shown: tuple[str, ...] = ("–", "–", "–")
        if numbers.size:
            shown = tuple(f"{v:.{digits}f}" for v in (numbers.mean(), numbers.min(), numbers.max()))
        spread = f"{numbers.std(ddof=1):.{digits}f}" if numbers.size > 1 else "–"
        limits = f"{normal[0]:g} to {normal[1]:g}" if normal else ""
        row = (found[0].label, unit, str(numbers.size), shown[0], spread, shown[1], shown[2], limits)
        rows.append((*row, str(outside) if normal else ""))
    return rows


def write_values(values: list[CaseValues], path: Path) -> None:
    """A row a case and measurement; a value that could not be computed is empty and has a reason."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for case in values:
            for m in case.measured:
                value = "" if m.value is None else repr(m.value)
                about = (case.case_id, m.name, m.kind, value, m.unit, m.plane)
                writer.writerow((*about, *(m.normal or ("", "")), m.reason or ""))
