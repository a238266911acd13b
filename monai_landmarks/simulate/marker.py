"""The lead laterality marker: the letter L or R as strokes, at the side it names."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from monai_landmarks.simulate.anatomy import Range
from monai_landmarks.simulate.film import Field

# Strokes in a box 0..1 wide, 0 (top)..1.4 (bottom): ((x, y), (x, y)).
BOW = [(0.45 + 0.40 * float(np.sin(a)), 0.36 - 0.36 * float(np.cos(a))) for a in np.linspace(0, np.pi, 9)]
STROKES = {
    "L": [((0.1, 0.0), (0.1, 1.4)), ((0.1, 1.4), (0.85, 1.4))],
    "R": [
        ((0.1, 0.0), (0.1, 1.4)),
        ((0.1, 0.0), BOW[0]),
        *pairwise(BOW),
        (BOW[-1], (0.1, 0.72)),
        ((0.42, 0.72), (0.88, 1.4)),
    ],
}
LEAD = 2.6


@dataclass(frozen=True)
class MarkerStyle:
    """Ranges of a hospital's lead letters, each drawn uniformly.

    Attributes:
        height: of the letter in mm.
        stroke: thickness of the strokes, in letter heights.
        plate: attenuation of the plate the letter sits on.
        along, across: where it lies, in half heights and half widths of the visible field.
    """

    height: Range = (11.0, 17.0)
    stroke: Range = (0.10, 0.13)
    plate: float = 0.05
    along: Range = (0.68, 0.86)
    across: Range = (0.84, 0.91)


def draw_marker(
    field: Field,
    shape: tuple[int, int],
    spacing: float,
    rng: np.random.Generator,
    style: MarkerStyle,
    letters: str = "LR",
) -> np.ndarray:
    """Attenuation (rows, columns) of one of the letters near the edge of the field.

    The patient's left is on the image's right: an L lies there, which is lateral of a left limb.
    """
    letter = letters[int(rng.integers(len(letters)))]
    visible = Field(
        ((max(field.point(-1, 0)[0], 0) + min(field.point(1, 0)[0], shape[0])) / 2, field.centre[1]),
        (min(field.half[0], shape[0] / 2), min(field.half[1], shape[1] / 2)),
        field.angle,
    )
    row, column = visible.point(
        rng.choice([-1, 1]) * rng.uniform(*style.along), (1 if letter == "L" else -1) * rng.uniform(*style.across)
    )
    height = rng.uniform(*style.height) / spacing
    angle = np.deg2rad(rng.normal(0, 7))
    scale, thickness = height / 1.4, height * rng.uniform(*style.stroke)
    reach = int(1.2 * height)
    top, left = max(int(row) - reach, 0), max(int(column) - reach, 0)
    bottom, right = min(int(row) + reach, shape[0]), min(int(column) + reach, shape[1])
    rows, columns = np.arange(top, bottom)[:, None] - row, np.arange(left, right)[None, :] - column
    x = (np.cos(angle) * columns + np.sin(angle) * rows) / scale + 0.5
    y = (np.cos(angle) * rows - np.sin(angle) * columns) / scale + 0.7
    distance = np.min([_distance(x, y, *stroke) for stroke in STROKES[letter]], axis=0) * scale
    lead = LEAD * np.clip(thickness / 2 - distance + 0.5, 0, 1)
    plate = style.plate * np.clip(0.62 * height - np.maximum(np.abs(x - 0.5), 0.8 * np.abs(y - 0.7)) * scale, 0, 1)
    marker = np.zeros(shape, dtype=np.float32)
    marker[top:bottom, left:right] = np.maximum(lead, plate)
    return marker


def _distance(x: np.ndarray, y: np.ndarray, start: tuple[float, float], end: tuple[float, float]) -> np.ndarray:
    """Distance of points to a line segment."""
    along = np.array(end) - np.array(start)
    t = np.clip(((x - start[0]) * along[0] + (y - start[1]) * along[1]) / (along @ along), 0, 1)
    return np.hypot(x - start[0] - t * along[0], y - start[1] - t * along[1])
