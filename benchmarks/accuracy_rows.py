"""What is compared: our recipe and its parts, plain heat-map regression, KNEEL's hourglass, one annotated image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ablation
from accuracy_heatmap import overrides as heatmap
from paper_tables import STAGES

# Of the number of epochs and the input's longer side.
Overrides = Callable[[int, int], dict[str, Any]]
DEFAULT = "default"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One training of a bundle.

    Attributes:
        overrides: config entries for a number of epochs and the input's longer side.
        configs: override files in the bundle's configs/.
        bundle: which one.
    """

    overrides: Overrides = lambda epochs, side: {}
    configs: tuple[str, ...] = ()
    bundle: str = "label_augmentation"


def of_ablation(name: str) -> Row:
    """A row of ablation.py, whose schedules depend on the number of epochs."""
    return Row(overrides=lambda epochs, side: ablation.rows(epochs)[name])


def paper(epochs: int, side: int) -> dict[str, Any]:
    """The paper's recipe, padded to a square, with as many images a step as ours and a learning rate for few steps."""
    schedule = ablation.steps(65.0, 10.0, max(1, epochs // STAGES), 5.0)
    return {"batch_size": 4, "learning_rate": 1.0e-3, "spatial_size": [side, side], **schedule}


def of_heatmap(radius: float, prior: bool = True) -> Row:
    return Row(overrides=lambda epochs, side: heatmap(radius, prior))


ABLATION = (
    DEFAULT,
    "one pixel",
    "fixed k = 5",
    "64 to 3",
    "paper's steps 65 to 5",
    "diamond",
    "square",
    "disk",
    "re-weighted BCE",
    "re-weighted BCE, paper's steps",
)
BEST_HEATMAP = "Gaussian heat-map, MSE, k = 20"
HOURGLASS = "KNEEL's hourglass"
ONE_SHOT = "one-shot: CC2D"
TPL = "one-shot: CC2D, then a U-Net on its pseudo-labels"
ROWS: dict[str, Row] = {
    **{name: of_ablation(name) for name in ABLATION},
    "the paper's recipe": Row(overrides=paper, configs=("paper",)),
    "Gaussian heat-map, MSE, k = 5": of_heatmap(5.0),
    "Gaussian heat-map, MSE, k = 10": of_heatmap(10.0),
    BEST_HEATMAP: of_heatmap(20.0),
    "Gaussian heat-map, MSE, k = 10, no shape prior": of_heatmap(10.0, prior=False),
    HOURGLASS: Row(configs=("hourglass",)),
    ONE_SHOT: Row(bundle="one_shot"),
}
