"""The report's figures as self-contained images."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID = "#1d2b36", "#61717d", "#e3e8ec"
COLOURS = ("#0b7285", "#c2410c", "#6d4fa3", "#5f7f1f", "#8a6d3b", "#9c3d6e")
STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 10,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "legend.frameon": False,
    # The same figure gives the same file.
    "svg.hashsalt": "monai_landmarks",
}


def data_uri(content: bytes, mime: str) -> str:
    """Bytes as an address that a browser shows without any other file."""
    return f"data:{mime};base64,{base64.b64encode(content).decode('ascii')}"


def svg_uri(figure: Figure) -> str:
    """A figure as the address of an SVG image."""
    stream = io.BytesIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    return data_uri(stream.getvalue(), "image/svg+xml")


def cumulative_curve(errors: Mapping[str, np.ndarray], label: str, thresholds: Sequence[float], limit: float) -> str:
    """Share of points closer than a distance, one curve a model.

    Args:
        errors: (N, K) by the model's name; NaN does not count, infinity is never reached.
        label: of the distance axis, with unit and plane.
        thresholds: marked on the axis.
        limit: right end of the distance axis.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 3.9), layout="constrained")
        axes = figure.subplots()
        for threshold in thresholds:
            axes.axvline(threshold, color=MUTED, linewidth=0.8, linestyle=(0, (2, 3)))
        for number, (name, values) in enumerate(errors.items()):
            known = np.sort(values[~np.isnan(values)])
            share = 100 * np.arange(known.size + 1) / max(known.size, 1)
            x = np.concatenate([[0.0], known])
            shown = np.isfinite(x)
            axes.step(
                np.append(x[shown], max(limit, x[shown][-1])),
                np.append(share[shown], share[shown][-1]),
                where="post",
                color=COLOURS[number % len(COLOURS)],
                linewidth=2.2 if number == 0 else 1.6,
                label=name,
            )
        axes.set(xlim=(0, limit), ylim=(0, 101), xlabel=label, ylabel="points closer than this, %")
        figure.legend(loc="outside upper left", ncols=min(len(errors), 2), fontsize=9)
        return svg_uri(figure)


PANELS = (("loss", "training loss"), ("val_mre", "validation MRE"), ("radius", "region radius, px at 512"))


def training_curves(history: Sequence[Mapping[str, Any]]) -> str | None:
    """Loss, validation error and the region radius under them, over the epochs; None if nothing was recorded.

    Args:
        history: a row an epoch; keys epoch, loss, val_mre, radius; missing keys and NaN leave gaps.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    epochs = np.array([float(row.get("epoch", number + 1)) for number, row in enumerate(history)])
    values = {key: np.array([float(row.get(key, np.nan)) for row in history]) for key, _ in PANELS}
    panels = [(key, title) for key, title in PANELS if np.isfinite(values[key]).any()]
    if not panels:
        return None
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(5.4, 0.6 + 1.3 * len(panels)), layout="constrained")
        rows = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
        for number, (axes, (key, title)) in enumerate(zip(rows, panels)):
            _panel(axes, epochs, values[key], COLOURS[number], stepped=key == "radius", best=key == "val_mre")
            axes.set_title(title, loc="left", fontsize=9.5, color=INK)
        rows[-1].set_xlabel("epoch")
        rows[-1].xaxis.get_major_locator().set_params(integer=True)
        return svg_uri(figure)


def _panel(axes: Axes, x: np.ndarray, y: np.ndarray, colour: str, *, stepped: bool, best: bool) -> None:
    known = np.isfinite(y)
    style: dict[str, Any] = {"drawstyle": "steps-post"} if stepped else {}
    marker = "o" if known.sum() < 2 else ""
    axes.plot(x[known], y[known], color=colour, linewidth=1.8, marker=marker, **style)
    if stepped:
        axes.fill_between(x[known], 0, y[known], step="post", color=colour, alpha=0.15, linewidth=0)
    if best:
        lowest = int(np.nanargmin(np.where(known, y, np.nan)))
        axes.plot(x[lowest], y[lowest], "o", color=colour, markersize=4.5)
        axes.annotate(
            f"{y[lowest]:.2f}", (x[lowest], y[lowest]), (0, 5), textcoords="offset points",
            ha="center", fontsize=8.5, color=colour,
        )  # fmt: skip
    top = float(np.max(y[known]))
    axes.set_ylim(0, 1.12 * top if top > 0 else 1.0)
