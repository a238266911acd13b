"""Errors as vectors in the image plane: where they point, and how far they scatter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from monai_landmarks.data.dataset import State
from monai_landmarks.metrics import Results
from monai_landmarks.metrics.points import PatientBootstrap

# 95 % of a two-dimensional normal distribution: the chi-square quantile with two degrees of freedom, -2 ln 0.05.
ELLIPSE = float(np.sqrt(-2 * np.log(0.05)))
FEWEST = 3
FACTORS = (1, 2, 3, 5, 10, 20, 30, 50, 100)
# Of the shape's longer side: what a middling ellipse's larger half axis may take up.
SHARE = 0.06


@dataclass(frozen=True)
class PlaneErrors:
    """The error vectors of one landmark, (row, column), prediction less annotation.

    Attributes:
        name: of the landmark.
        vectors: (M, 2) in the report's unit, those within the outlier limit.
        beyond: how many points are further off, or have no prediction; nothing below counts them.
        bias: (2,) mean vector; NaN without points.
        interval: (2, 2) low and high of its 95 % interval, for row and column; NaN where there is none.
        half_axes: larger and smaller half axis of the ellipse that holds 95 % of a normal distribution with the
            vectors' mean and covariance; NaN with fewer than three points.
        direction: (2,) unit vector of the larger axis.
    """

    name: str
    vectors: np.ndarray
    beyond: int
    bias: np.ndarray
    interval: np.ndarray
    half_axes: tuple[float, float]
    direction: np.ndarray

    @property
    def biased(self) -> bool:
        """Whether the interval leaves out zero, along the rows or along the columns."""
        return bool(((self.interval[:, 0] > 0) | (self.interval[:, 1] < 0)).any())

    @property
    def bias_length(self) -> float:
        """Length of the mean vector."""
        return float(np.hypot(*self.bias))


def error_vectors(results: Results, unit: str) -> np.ndarray:
    """(N, K, 2) prediction less annotation as (row, column); NaN where either is missing or the unit is unknown.

    Args:
        results: of an evaluation.
        unit: "mm" or "px", the latter of the original image.
    """
    scale = results.spacing if unit == "mm" else np.ones_like(results.spacing)
    vectors = (results.predicted - results.truth) * scale[:, None]
    usable = (results.state == State.PRESENT) & np.isfinite(vectors).all(axis=2)
    return np.where(usable[..., None], vectors, np.nan)


def plane_errors(results: Results, unit: str, limit: float) -> list[PlaneErrors]:
    """Bias and scatter of every landmark.

    Args:
        results: of an evaluation.
        unit: "mm" or "px".
        limit: points further off count as `beyond`: one point at the other end of the image would be all that a
            covariance shows.
    """
    vectors = error_vectors(results, unit)
    errors = results.errors_mm() if unit == "mm" else results.errors_px()
    near = np.where((errors <= limit)[..., None], vectors, np.nan)
    resampling = PatientBootstrap(results.patients)
    found = []
    for k, name in enumerate(results.names):
        known = near[:, k][np.isfinite(near[:, k]).all(axis=1)]
        interval = np.array([resampling.mean(near[:, [k], axis]) for axis in range(2)])
        half_axes, direction = _ellipse(known)
        bias = known.mean(axis=0) if len(known) else np.full(2, np.nan)
        found.append(PlaneErrors(name, known, int((errors[:, k] > limit).sum()), bias, interval, half_axes, direction))
    return found


def _ellipse(vectors: np.ndarray) -> tuple[tuple[float, float], np.ndarray]:
    if len(vectors) < FEWEST:
        return (float("nan"), float("nan")), np.array([0.0, 1.0])
    variances, directions = np.linalg.eigh(np.cov(vectors.T))
    smaller, larger = ELLIPSE * np.sqrt(np.clip(variances, 0, None))
    return (float(larger), float(smaller)), directions[:, 1]


def mean_shape(results: Results, unit: str) -> np.ndarray:
    """(K, 2) mean place of every landmark, (row, column), at the images' mean size; NaN for one that is never present.

    Images are moved and scaled onto the one with the most landmarks, not turned.

    Args:
        results: of an evaluation.
        unit: "mm" or "px", that of the shape.
    """
    shapes = results.truth * (results.spacing if unit == "mm" else np.ones_like(results.spacing))[:, None]
    known = np.isfinite(shapes).all(axis=2)
    reference = shapes[int(np.argmax(known.sum(axis=1)))]
    moved, sizes = [], []
    for shape, present in zip(shapes, known):
        common = present & np.isfinite(reference).all(axis=1)
        if common.sum() < 2:
            continue
        centre, aim = shape[common].mean(axis=0), reference[common].mean(axis=0)
        size = np.linalg.norm(shape[common] - centre) / np.linalg.norm(reference[common] - aim)
        moved.append((shape - centre) / size + aim)
        sizes.append(size)
    if not moved:
        return reference
    stack = np.array(moved)
    count = np.isfinite(stack).all(axis=2).sum(axis=0)
    total = np.where(np.isfinite(stack), stack, 0).sum(axis=0)
    mean = np.where(count[:, None] > 0, total / np.maximum(count, 1)[:, None], np.nan)
    return mean * float(np.mean(sizes))


def enlargement(found: Sequence[PlaneErrors], extent: float, gap: float = float("inf")) -> int:
    """A round number by which errors are enlarged, so that a middling ellipse is seen beside a shape of this extent.

    It is no longer than the gap to the next landmark, if an enlargement that small is any.
    """
    axes = [errors.half_axes[0] for errors in found if np.isfinite(errors.half_axes[0])]
    typical = float(np.median(axes)) if axes else 0.0
    if not typical > 0:
        return 1
    return max((factor for factor in FACTORS if factor * typical <= min(SHARE * extent, gap)), default=1)
