"""What an evaluation leaves behind: metrics.json, cases.csv, measurements.csv, evaluation.json, terminal tables."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch.distributed as dist
from ignite.engine import Events
from monai.engines.workflow import Workflow
from rich.console import Console

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.metrics import (
    LandmarkErrors,
    Results,
    measurement_errors,
    measurement_table,
    results_from_arrays,
    rich_table,
    summarise,
    summarise_measurements,
    write_measurements,
    write_metrics,
)

RECORD = "evaluation.json"


class EvaluationWriter:
    """Writes the files of an evaluated split when the evaluator completes.

    Args:
        directory: where metrics.json, cases.csv and evaluation.json go; the last says which data set it was. A scheme
            with measurements adds them to metrics.json and leaves measurements.csv.
        metric: the metric attached to the evaluator; it has collected every point.
        dataset: gives names, groups and cases.
        split: which of its splits was evaluated, in the order of `dataset.select(split)`.
        thresholds_mm: of the detection rate.
        title: of the table.
    """

    def __init__(
        self,
        directory: str | Path,
        metric: LandmarkErrors,
        dataset: LandmarkDataset,
        split: str,
        thresholds_mm: Sequence[float] = (2.0, 2.5, 3.0, 4.0),
        title: str = "this model",
    ) -> None:
        self.directory = Path(directory)
        self.metric = metric
        self.dataset = dataset
        self.split = split
        self.thresholds_mm = tuple(thresholds_mm)
        self.title = title
        self.planes: dict[int, str] = {}
        self.summary: dict[str, Any] = {}

    def attach(self, engine: Workflow) -> None:
        """Register on an evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.iteration_completed)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.epoch_completed)

    def iteration_completed(self, engine: Workflow) -> None:
        """Note the plane each case's spacing holds in."""
        for item in engine.state.batch:
            self.planes[int(item["index"])] = str(item["spacing_plane"])

    def epoch_completed(self, engine: Workflow) -> None:
        """Write and print."""
        self.gather_planes()
        if engine.state.rank != 0:
            return
        results = self.results()
        self.summary = summarise(results, self.split, thresholds_mm=self.thresholds_mm)
        self.add_measurements(results)
        write_metrics(self.summary, self.directory / "metrics.json")
        results.write_csv(self.directory / "cases.csv")
        record = {"dataset": self.dataset.scheme.name, "digest": self.dataset.digest(), "split": self.split}
        (self.directory / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        console = Console()
        console.print(rich_table({self.title: self.summary}, title=f"{self.split}: {len(results.case_ids)} images"))
        if measured := self.summary.get("measurements"):
            console.print(measurement_table(measured))
        console.print(f"{self.directory / 'metrics.json'}, {self.directory / 'cases.csv'}", soft_wrap=True)

    def add_measurements(self, results: Results) -> None:
        """What the scheme measures, into the summary and a file; nothing where it measures nothing."""
        errors = measurement_errors(results, self.dataset.scheme)
        if errors.measurements:
            self.summary["measurements"] = summarise_measurements(errors, self.summary["spacing_plane"])
            write_measurements(errors, results, self.directory / "measurements.csv")

    def gather_planes(self) -> None:
        """Share what each rank has seen."""
        if dist.is_available() and dist.is_initialized():
            seen: list[dict[int, str]] = [{} for _ in range(dist.get_world_size())]
            dist.all_gather_object(seen, self.planes)
            self.planes = {number: plane for planes in seen for number, plane in planes.items()}

    def results(self) -> Results:
        """Every point of the split."""
        cases = self.dataset.select(self.split)
        planes = [self.planes.get(number, "unknown") for number in range(len(cases))]
        return results_from_arrays(self.metric.arrays(), self.dataset, cases, planes)

    def flat_metrics(self) -> dict[str, float]:
        """Numbers for tracking, such as `mm.mre`, `landmarks.sella.mm.mre` and `measurements.SNA.bias`."""
        flat: dict[str, float] = {}
        for unit in ("mm", "px", "network_px"):
            flat.update(_numbers(self.summary.get(unit) or {}, unit))
        for name, entry in self.summary.get("landmarks", {}).items():
            for unit in ("mm", "px"):
                values = entry.get(unit) or {}
                flat.update(_numbers({key: values.get(key) for key in ("mre", "median")}, f"landmarks.{name}.{unit}"))
        for name, entry in self.summary.get("measurements", {}).items():
            flat.update(_numbers({key: entry[key] for key in ("bias", "sd", "mae")}, f"measurements.{name}"))
        return flat


def _numbers(values: dict[str, Any], prefix: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found.update(_numbers(value, f"{prefix}.{key}"))
        elif isinstance(value, (int, float)) and np.isfinite(value):
            found[f"{prefix}.{key}"] = float(value)
    return found
