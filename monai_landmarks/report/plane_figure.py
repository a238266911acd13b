"""The figure of errors in the image plane: scatter, 95 % ellipse and bias of every landmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from monai_landmarks.draw_labels import leader, place_labels
from monai_landmarks.report.boxes import STEPS
from monai_landmarks.report.figures import INK, MUTED, STYLE, svg_uri
from monai_landmarks.report.plane import PlaneErrors

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Points of 1/72 inch.
LONGER_SIDE, WIDE_SIDE, FONT, WIDTH_OF_A_LETTER = 560.0, 900.0, 8.0, 0.55
MARGIN = 0.13
# Columns for a row, from which a picture takes the page's width.
WIDE = 1.8


@dataclass(frozen=True)
class Scene:
    """What the errors are drawn on.

    Attributes:
        points: (K, 2) the landmarks' places as (row, column) in the scene's own unit; NaN for none.
        per_unit: (2,) scene units for one unit of the errors, (row, column).
        picture: (H, W) uint8, whose pixels are the scene's unit, or None. Only the landmarks' surroundings are shown.
    """

    points: np.ndarray
    per_unit: np.ndarray
    picture: np.ndarray | None = None

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Top, left, bottom and right."""
        low, high = np.nanmin(self.points, axis=0), np.nanmax(self.points, axis=0)
        edge = MARGIN * float(max(high - low))
        low, high = low - edge, high + edge
        if self.picture is not None:
            low, high = np.maximum(low, -0.5), np.minimum(high, np.array(self.picture.shape) - 0.5)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])

    @property
    def extent(self) -> float:
        """Longer side of the landmarks' box, in units of the errors."""
        return float(np.max((np.nanmax(self.points, axis=0) - np.nanmin(self.points, axis=0)) / self.per_unit))

    @property
    def gap(self) -> float:
        """Middling distance from a landmark to the nearest other, in units of the errors; infinite for one alone."""
        places = self.points[np.isfinite(self.points).all(axis=1)] / self.per_unit
        distances = np.linalg.norm(places[:, None] - places[None], axis=2)
        np.fill_diagonal(distances, np.inf)
        return float(np.median(distances.min(axis=1)))

    @property
    def wide(self) -> bool:
        """Whether the picture wants the page's whole width."""
        top, left, bottom, right = self.bounds
        return right - left > WIDE * (bottom - top)


@dataclass(frozen=True)
class Colours:
    """Of the parts, for a dark and for a white ground."""

    dots: str
    ellipse: str
    bias: str
    truth: str
    name: str
    halo: str


ON_IMAGE = Colours("#5ad1e6", "#ffd60a", "#ff4d4d", "#ffffff", "#ffffff", "#000000")
ON_PAPER = Colours("#5aa5b5", INK, "#e03131", INK, MUTED, "#ffffff")


def plane_figure(found: Sequence[PlaneErrors], scene: Scene, factor: float, unit: str) -> str:
    """Every landmark's errors around its place, as an address.

    Args:
        found: the landmarks, in the scene's order.
        scene: what they are drawn on.
        factor: how much the errors are enlarged.
        unit: of the errors, for the scale bar.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    top, left, bottom, right = scene.bounds
    points_per_unit = (WIDE_SIDE if scene.wide else LONGER_SIDE) / max(bottom - top, right - left)
    inches = ((right - left) * points_per_unit / 72, (bottom - top) * points_per_unit / 72)
    colours = ON_PAPER if scene.picture is None else ON_IMAGE
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=inches)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_axis_off()
        if scene.picture is not None:
            # Darker than it is, so that what lies on it is seen.
            axes.imshow(scene.picture, cmap="gray", vmin=0, vmax=330, interpolation="bilinear")
        axes.set(xlim=(left, right), ylim=(bottom, top), aspect="auto")
        for errors, place in zip(found, scene.points):
            if np.isfinite(place).all():
                _landmark(axes, errors, place, factor * scene.per_unit, colours)
        _names(axes, found, scene, factor, points_per_unit, colours)
        _scale_bar(axes, scene, factor, unit, colours)
        return svg_uri(figure)


def _landmark(axes: Axes, errors: PlaneErrors, place: np.ndarray, scale: np.ndarray, colours: Colours) -> None:
    dots = place + errors.vectors * scale
    axes.plot(dots[:, 1], dots[:, 0], ".", color=colours.dots, markersize=3, alpha=0.55, markeredgewidth=0)
    if np.isfinite(errors.half_axes[0]):
        turn = np.linspace(0, 2 * np.pi, 61)[:, None]
        across = np.array([-errors.direction[1], errors.direction[0]])
        rim = errors.half_axes[0] * np.cos(turn) * errors.direction + errors.half_axes[1] * np.sin(turn) * across
        rim = place + (errors.bias + rim) * scale
        axes.plot(rim[:, 1], rim[:, 0], color=colours.ellipse, linewidth=1.1)
    axes.plot(place[1], place[0], "+", color=colours.truth, markersize=6, markeredgewidth=1.2)
    if np.isfinite(errors.bias).all():
        mean = place + errors.bias * scale
        axes.plot([place[1], mean[1]], [place[0], mean[0]], color=colours.bias, linewidth=2.2, solid_capstyle="butt")


def _names(
    axes: Axes, found: Sequence[PlaneErrors], scene: Scene, factor: float, points_per_unit: float, colours: Colours
) -> None:
    """Names off the ellipses, with leaders, placed in points of the page."""
    from matplotlib.patheffects import withStroke

    top, left, bottom, right = scene.bounds
    shown = [k for k, place in enumerate(scene.points) if np.isfinite(place).all()]
    places = (scene.points[shown] - (top, left)) * points_per_unit
    axes_ = [found[k].half_axes[1] for k in shown if np.isfinite(found[k].half_axes[1])]
    gap = max(4.0, 0.8 * factor * float(scene.per_unit.mean()) * points_per_unit * float(np.median(axes_ or [0.0])))
    extents = np.array([[1.2 * FONT, WIDTH_OF_A_LETTER * FONT * len(found[k].name)] for k in shown])
    page = (round((bottom - top) * points_per_unit), round((right - left) * points_per_unit))
    style: dict[str, Any] = {"path_effects": [withStroke(linewidth=1.8, foreground=colours.halo)]}
    for k, place, corner, extent in zip(shown, places, place_labels(places, extents, page, gap), extents):
        row, column = (corner + np.array([extent[0] / 2, 0])) / points_per_unit + (top, left)
        ends = leader(place, corner, extent, gap, places)
        if ends is not None:
            ends = ends / points_per_unit + (top, left)
            axes.plot(ends[:, 1], ends[:, 0], color=colours.name, linewidth=0.6)
        axes.text(column, row, found[k].name, va="center", fontsize=FONT, color=colours.name, **style)


def _scale_bar(axes: Axes, scene: Scene, factor: float, unit: str, colours: Colours) -> None:
    """How long an error of a round number is, enlarged as the errors are."""
    from matplotlib.patheffects import withStroke

    top, left, bottom, right = scene.bounds
    wanted = 0.12 * (right - left) / (factor * scene.per_unit[1])
    power = 10.0 ** np.floor(np.log10(wanted))
    length = float(power * max(step for step in STEPS if step * power <= wanted * (1 + 1e-9)))
    start, row = left + 0.03 * (right - left), bottom - 0.035 * (bottom - top)
    style: dict[str, Any] = {"path_effects": [withStroke(linewidth=3, foreground=colours.halo)]}
    end = start + length * factor * scene.per_unit[1]
    axes.plot([start, end], [row, row], color=colours.truth, linewidth=2, solid_capstyle="butt", **style)
    text = f"error of {length:g} {unit}" + (f", enlarged {factor:g} times" if factor > 1 else "")
    axes.text(start, row - 0.012 * (bottom - top), text, fontsize=FONT + 0.5, color=colours.truth, **style)
