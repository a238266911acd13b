"""What a reader writes down of a radiograph."""

from __future__ import annotations

from typing import Protocol

import numpy as np

# Share of the landmarks a reader leaves out by mistake.
LEFT_OUT = 0.01


class ExposedArea(Protocol):
    """The area of the detector that radiation reaches."""

    def depth(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Distance in pixels to the nearest edge; negative outside."""


def read_landmarks(
    points: dict[str, np.ndarray],
    shape: tuple[int, int],
    field: ExposedArea,
    hidden: frozenset[str],
    rng: np.random.Generator,
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """Points placed, and landmarks called absent as they lie outside the field; those in neither are unlabelled.

    Args:
        points: landmark -> (row, column).
        shape: (rows, columns) of the detector.
        field: the collimated field.
        hidden: landmarks that cannot be seen though they lie inside.
        rng: random numbers, for a few slips.
    """
    absent = tuple(name for name, point in points.items() if not _visible(point, shape, field))
    left_out = {name for name in points if rng.random() < LEFT_OUT} | hidden
    return {name: point for name, point in points.items() if name not in absent and name not in left_out}, absent


def _visible(point: np.ndarray, shape: tuple[int, int], field: ExposedArea) -> bool:
    """Whether a point lies on the detector and inside the collimated field."""
    row, column = point
    on_detector = -0.5 <= row < shape[0] - 0.5 and -0.5 <= column < shape[1] - 0.5
    return bool(on_detector and field.depth(row, column) >= 0)
