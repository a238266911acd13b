"""The files of an evaluation: metrics.json, cases.csv, measurements.csv, evaluation.json; and its tables."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.metrics.attributes import Grouping
from monai_landmarks.metrics.knees import check_corners, summarise_knees
from monai_landmarks.metrics.measurements import measurement_errors, summarise_measurements, write_measurements
from monai_landmarks.metrics.results import Results
from monai_landmarks.metrics.summary import summarise, summarise_part, write_metrics
from monai_landmarks.metrics.tables import attribute_table, knee_table, measurement_table, rich_table

RECORD = "evaluation.json"
METRICS = "metrics.json"
CASES = "cases.csv"


@dataclass(frozen=True, kw_only=True)
class EvaluationOptions:
    """What an evaluation tells beside the errors of points.

    Attributes:
        thresholds_mm: of the detection rate.
        group_by: case attributes whose values are told apart (`metrics.attributes.Grouping`).
        limb_corners: landmarks of a limb for KNEEL's numbers by knee (`metrics.knees`); none where empty.
    """

    thresholds_mm: tuple[float, ...] = (2.0, 2.5, 3.0, 4.0)
    group_by: tuple[str, ...] = ()
    limb_corners: tuple[str, ...] = ()

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> EvaluationOptions:
        """Those an evaluation.json notes; the defaults where it is older."""
        return cls(**{name: tuple(values) for name, values in record.get("options", {}).items()})

    def check(self, dataset: LandmarkDataset, split: str) -> None:
        """Refuse, before anything is evaluated, what could not be told of this split.

        Raises:
            ConfigError: an attribute or a landmark that is not there.
        """
        if self.limb_corners:
            check_corners(dataset.scheme, self.limb_corners)
        for text in self.group_by:
            Grouping(text).check(dataset.select(split))


def summarise_evaluation(
    results: Results, dataset: LandmarkDataset, split: str, options: EvaluationOptions
) -> dict[str, Any]:
    """The content of metrics.json: `summarise`, and the blocks measurements, knees and attributes where asked for."""
    metrics = summarise(results, split, thresholds_mm=options.thresholds_mm)
    measured = measurement_errors(results, dataset.scheme)
    if measured.measurements:
        metrics["measurements"] = summarise_measurements(measured, metrics["spacing_plane"])
    if options.limb_corners:
        metrics["knees"] = summarise_knees(results, dataset.scheme, options.limb_corners)
    if options.group_by:
        groups = {text: Grouping(text).split(results, dataset.cases) for text in options.group_by}
        metrics["attributes"] = {
            text: {label: _part(part, dataset, options) for label, part in parts.items()}
            for text, parts in groups.items()
        }
    return metrics


def _part(results: Results, dataset: LandmarkDataset, options: EvaluationOptions) -> dict[str, Any]:
    part = summarise_part(results, options.thresholds_mm)
    if options.limb_corners:
        part["knees"] = summarise_knees(results, dataset.scheme, options.limb_corners)
    return part


def write_evaluation(
    folder: Path,
    results: Results,
    dataset: LandmarkDataset,
    split: str,
    options: EvaluationOptions,
    digest: str | None = None,
    weights: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Write an evaluation's files; evaluation.json is the last, so where it is, all are.

    Args:
        folder: where they go.
        results: truth and predictions.
        dataset: of the evaluated landmarks.
        split: name of what was evaluated.
        options: what more to tell.
        digest: of the data set file, where `dataset` is a part of what it holds.
        weights: digests of the evaluated networks' (`handlers.checkpoint.state_digest`), by the names of their files;
            None where there is no such model, as of a baseline.

    Returns:
        The content of metrics.json.
    """
    metrics = summarise_evaluation(results, dataset, split, options)
    record_file = folder / RECORD
    record_file.unlink(missing_ok=True)
    write_metrics(metrics, folder / METRICS)
    results.write_csv(folder / CASES)
    if "measurements" in metrics:
        write_measurements(measurement_errors(results, dataset.scheme), results, folder / "measurements.csv")
    about = {"dataset": dataset.scheme.name, "digest": digest or dataset.digest(), "split": split}
    record = {**about, **({"weights": dict(weights)} if weights else {}), "options": asdict(options)}
    record_file.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return metrics


def print_evaluation(metrics: Mapping[str, Any], folder: Path, title: str) -> None:
    """The tables of an evaluation, on the terminal."""
    console = Console()
    console.print(rich_table({title: metrics}, title=f"{metrics['split']}: {metrics['cases']} images"))
    if measured := metrics.get("measurements"):
        console.print(measurement_table(measured))
    if knees := metrics.get("knees"):
        console.print(knee_table({title: knees}))
    for text, parts in metrics.get("attributes", {}).items():
        console.print(attribute_table(text, parts))
        if metrics.get("knees"):
            console.print(knee_table({f"{text}: {label}": part["knees"] for label, part in parts.items()}))
    console.print(f"{folder / METRICS}, {folder / CASES}", soft_wrap=True)
