"""One row an epoch: history.csv, a log line, and the numbers MLflow gets."""

from __future__ import annotations

import csv
import logging
import math
import time
from pathlib import Path
from typing import Any, Protocol

import torch
from ignite.engine import Events
from monai.engines import Evaluator
from monai.engines.workflow import Workflow
from monai.utils import CommonKeys
from torch import Tensor
from torch.optim import Optimizer

logger = logging.getLogger(__name__)
FIELDS = ("epoch", "loss", "radius", "shape", "field_of_view", "learning_rate", "val_mre", "seconds")
TEXTS = ("shape",)
# Of the settings, not of the training: tracking does not plot them.
SETTINGS = ("epoch", "shape", "field_of_view")


class HasRadius(Protocol):
    """A transform whose region radius changes."""

    @property
    def radius(self) -> float:
        """Radius of the current epoch."""


class HistoryHandler:
    """Writes history.csv as the training goes; a resumed run continues the file after its last completed epoch.

    Args:
        path: the CSV file.
        evaluator: gives `val_mre`, empty in an epoch without validation.
        optimizer: gives the learning rate.
        regions: gives the region `radius`, at a longer side of 512; None where there are no regions.
        shape: the region's shape, such as Diamond, for a figure of the schedule.
        field_of_view: share of the image's longer side the network sees, to which `radius` refers.
    """

    def __init__(
        self,
        path: str | Path,
        evaluator: Evaluator,
        optimizer: Optimizer,
        regions: HasRadius | None = None,
        shape: str = "",
        field_of_view: float = 1.0,
    ) -> None:
        self.path = Path(path)
        self.evaluator = evaluator
        self.optimizer = optimizer
        self.regions = regions
        self.shape = shape
        self.field_of_view = float(field_of_view)
        self.rows: list[dict[str, Any]] = []
        self._losses: list[Tensor] = []
        self._began = 0.0

    def attach(self, engine: Workflow) -> None:
        """Register on a trainer, after validation and before tracking and checkpoint."""
        engine.add_event_handler(Events.STARTED, self.started)
        engine.add_event_handler(Events.EPOCH_STARTED, self.epoch_started)
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.iteration_completed)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.epoch_completed)

    def started(self, engine: Workflow) -> None:
        """Take up the rows of a resumed run's completed epochs."""
        rows = read_history(self.path) if self.path.is_file() else []
        self.rows = [row for row in rows if row["epoch"] <= engine.state.epoch]

    def epoch_started(self, engine: Workflow) -> None:
        """Start the clock."""
        self._losses = []
        self._began = time.perf_counter()

    def iteration_completed(self, engine: Workflow) -> None:
        """Collect the loss, where it is: to read it now would make a GPU wait."""
        self._losses.append(engine.state.output[CommonKeys.LOSS].detach())

    def epoch_completed(self, engine: Workflow) -> None:
        """Write the row and say it."""
        state = self.evaluator.state
        validated = state.epoch == engine.state.epoch and state.key_metric_name in state.metrics
        row = {
            "epoch": engine.state.epoch,
            "loss": float(torch.stack(self._losses).double().mean()),
            "radius": math.nan if self.regions is None else self.regions.radius,
            "shape": self.shape,
            "field_of_view": self.field_of_view,
            "learning_rate": self.optimizer.param_groups[0]["lr"],
            "val_mre": float(state.metrics[state.key_metric_name]) if validated else math.nan,
            "seconds": time.perf_counter() - self._began,
        }
        self.rows.append(row)
        if engine.state.rank != 0:
            return
        write_history(self.rows, self.path)
        best = f"(best {state.best_metric:.2f} in epoch {state.best_metric_epoch})"
        error = f"val MRE {row['val_mre']:.2f} {best}  " if validated else ""
        radius = "" if self.regions is None else f"radius {row['radius']:.1f}  "
        logger.info(
            f"epoch {row['epoch']}/{engine.state.max_epochs}  loss {row['loss']:.4f}  {radius}{error}"
            f"{row['seconds']:.0f} s"
        )


def write_history(rows: list[dict[str, Any]], path: Path) -> None:
    """Replace the CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows)
    temporary.replace(path)


def read_history(path: str | Path) -> list[dict[str, Any]]:
    """Rows of a history.csv, numbers as numbers; `field_of_view` is 1 in files from before it was recorded."""
    kinds = {"epoch": int, **dict.fromkeys(TEXTS, str)}
    with Path(path).open(newline="", encoding="utf-8") as file:
        rows = [{key: kinds.get(key, float)(value) for key, value in row.items()} for row in csv.DictReader(file)]
    return [{"field_of_view": 1.0, **row} for row in rows]


def last_metrics(path: str | Path) -> dict[str, float]:
    """The last epoch's finite numbers, for tracking."""
    row = read_history(path)[-1]
    return {key: float(value) for key, value in row.items() if key not in SETTINGS and math.isfinite(value)}
