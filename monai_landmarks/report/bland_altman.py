"""Bland-Altman figures: a small panel for everything that two sources have measured."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from monai_landmarks.metrics.agreement import agreement
from monai_landmarks.report.figures import COLOURS, GRID, INK, MUTED, STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 4
WIDTH, HEIGHT = 2.7, 2.15
# Characters of a title line that fit a panel.
TITLE = 36
# From this many dots on they are drawn faintly.
CROWD = 1000


@dataclass(frozen=True)
class Panel:
    """One thing measured twice.

    Attributes:
        title: what it is.
        unit: of both axes.
        middle: (n,) mean of the two values of each image.
        difference: (n,) the second less the first.
    """

    title: str
    unit: str
    middle: np.ndarray
    difference: np.ndarray


def bland_altman_figure(panels: Sequence[Panel], label: str) -> Figure:
    """Difference over mean of every panel, with the bias (line) and the limits of agreement (dashed).

    Args:
        panels: at least one.
        label: of the difference, such as "predicted − annotated".
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    columns = min(COLUMNS, len(panels))
    rows = -(-len(panels) // columns)
    with mpl.rc_context({**STYLE, "font.size": 8}):
        figure = Figure(figsize=(WIDTH * columns, HEIGHT * rows + 0.3), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes, panel in zip(grid, panels):
            _draw(axes, panel)
        for axes in grid[len(panels) :]:
            axes.set_axis_off()
        figure.supxlabel("mean of the two", fontsize=8.5, color=MUTED)
        figure.supylabel(label, fontsize=8.5, color=MUTED)
        # Lays the panels out while the style holds.
        figure.draw_without_rendering()
        return figure


def _draw(axes: Axes, panel: Panel) -> None:
    known = np.isfinite(panel.middle) & np.isfinite(panel.difference)
    found = agreement(panel.difference[known])
    axes.axhline(0.0, color=GRID, linewidth=1.2)
    alpha = 0.65 if found.n < CROWD else 0.12
    axes.plot(panel.middle[known], panel.difference[known], "o", markersize=2.6, color=COLOURS[0], alpha=alpha, mew=0)
    if found.n:
        axes.axhline(found.bias, color=COLOURS[1], linewidth=1.3)
    if found.n > 1:
        for limit in (found.low, found.high):
            axes.axhline(limit, color=COLOURS[1], linewidth=1.0, linestyle=(0, (4, 3)))
        reach = 1.15 * max(abs(found.low), abs(found.high), float(np.abs(panel.difference[known]).max()), 1e-9)
        axes.set_ylim(-reach, reach)
    title = ", ".join(filter(None, (panel.title, panel.unit)))
    axes.set_title(textwrap.fill(title, TITLE), fontsize=8, loc="left", color=INK)
    axes.tick_params(labelsize=7)
