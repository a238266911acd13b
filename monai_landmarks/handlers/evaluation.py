"""What an evaluation leaves behind: metrics.json, cases.csv, measurements.csv, evaluation.json, terminal tables."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch.distributed as dist
from ignite.engine import Events
from monai.engines import SupervisedEvaluator
from monai.engines.workflow import Workflow
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.handlers.checkpoint import MODEL, ROI, state_digest
from monai_landmarks.metrics import LandmarkErrors, Results, results_from_arrays
from monai_landmarks.metrics.attributes import Grouping
from monai_landmarks.metrics.evaluation import EvaluationOptions, print_evaluation, write_evaluation


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
        group_by: case attributes whose values are told apart: "kl_grade", "kl_grade < 2"; one or several.
        limb_corners: landmarks of a limb, by the mean of whose errors a knee counts (`metrics.knees`); none: no such
            numbers.
        digest: of the data set file, where `dataset` is not what it holds but made of it; its own where None.
        region: the network of a first stage, if any.

    Raises:
        ConfigError: an attribute or a landmark that the split does not have.
    """

    def __init__(
        self,
        directory: str | Path,
        metric: LandmarkErrors,
        dataset: LandmarkDataset,
        split: str,
        thresholds_mm: Sequence[float] = (2.0, 2.5, 3.0, 4.0),
        title: str = "this model",
        group_by: str | Sequence[str] | None = None,
        limb_corners: Sequence[str] | None = None,
        digest: str | None = None,
        region: nn.Module | None = None,
    ) -> None:
        self.directory = Path(directory)
        self.metric = metric
        self.dataset = dataset
        self.split = split
        self.options = EvaluationOptions(
            thresholds_mm=tuple(thresholds_mm),
            group_by=(group_by,) if isinstance(group_by, str) else tuple(group_by or ()),
            limb_corners=tuple(limb_corners or ()),
        )
        self.options.check(dataset, split)
        self.title = title
        self.digest = digest
        self.region = region
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
        if engine.state.rank == 0:
            about = (self.dataset, self.split, self.options, self.digest)
            weights = self.weights(cast(SupervisedEvaluator, engine).network)
            self.summary = write_evaluation(self.directory, self.results(), *about, weights)
            print_evaluation(self.summary, self.directory, self.title)

    def weights(self, network: nn.Module) -> dict[str, str]:
        """Digests of what was evaluated, by the names of a model's files."""
        own = network.module if isinstance(network, DistributedDataParallel) else network
        parts = {MODEL: own} if self.region is None else {MODEL: own, ROI: self.region}
        return {name: state_digest(part.state_dict()) for name, part in parts.items()}

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
        for text, parts in self.summary.get("attributes", {}).items():
            for label, part in parts.items():
                pooled = part["mm"] or part["px"] or {}
                name = f"{Grouping(text).attribute} {label}"
                flat.update(_numbers({key: pooled.get(key) for key in ("mre", "median")}, f"attributes.{_plain(name)}"))
        flat.update(_numbers(self.summary.get("knees", {}).get("published", {}), "knees"))
        for name, entry in self.summary.get("measurements", {}).items():
            flat.update(_numbers({key: entry[key] for key in ("bias", "sd", "mae")}, f"measurements.{name}"))
        return flat


def _plain(name: str) -> str:
    """What MLflow takes as a part of a metric's name."""
    return re.sub(r"[^\w. -]", "_", name.replace("< ", "below ").replace(">= ", "from "))


def _numbers(values: dict[str, Any], prefix: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found.update(_numbers(value, f"{prefix}.{key}"))
        elif isinstance(value, (int, float)) and np.isfinite(value):
            found[f"{prefix}.{key}"] = float(value)
    return found
