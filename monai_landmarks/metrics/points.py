"""Point-error statistics as plain numpy functions.

`errors` is (N, K): N images, K landmarks, one Euclidean distance each in whatever unit the caller chose. NaN
means "no error exists" (not annotated, absent, or no pixel spacing) and never counts; infinity means
"annotated but not predicted" and counts as a miss. Functions return NaN where nothing is left to average.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from monai_landmarks.data.dataset import State


def _known(errors: np.ndarray) -> np.ndarray:
    flat = np.asarray(errors, dtype=np.float64).ravel()
    return flat[~np.isnan(flat)]


def _axis_mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean along an axis over what is not NaN; NaN (without numpy's warning) where nothing is."""
    known = ~np.isnan(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def distances(predicted: np.ndarray, truth: np.ndarray, state: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """Euclidean distances (N, K) in the unit that `scale` leads to.

    Args:
        predicted: (N, K, 2) (row, column).
        truth: (N, K, 2) (row, column).
        state: (N, K) of `State`; only `present` landmarks have a distance.
        scale: (N, 2) units per pixel (row, column); NaN where unknown.

    Returns:
        NaN where the landmark is not present or the scale is unknown; infinity where a present landmark has
        no finite prediction.
    """
    difference = (predicted - truth) * scale[:, None, :]
    found = np.isfinite(predicted).all(axis=2)
    measured = np.where(found, np.hypot(difference[..., 0], difference[..., 1]), np.inf)
    present = (state == State.PRESENT) & np.isfinite(truth).all(axis=2)
    return np.where(present & np.isfinite(scale).all(axis=1)[:, None], measured, np.nan)


def mre(errors: np.ndarray) -> float:
    """Mean radial error, the mean of d, pooled over points."""
    known = _known(errors)
    return float(known.mean()) if known.size else float("nan")


def rmse(errors: np.ndarray) -> float:
    """Root mean square of the distance, sqrt(mean d^2), pooled over points."""
    known = _known(errors)
    return float(np.sqrt(np.mean(known**2))) if known.size else float("nan")


def sd(errors: np.ndarray) -> float:
    """Standard deviation of d with ddof 0, pooled over points; NaN if a point was not predicted."""
    known = _known(errors)
    return float(known.std()) if known.size and np.isfinite(known).all() else float("nan")


def median(errors: np.ndarray) -> float:
    """Median of d, pooled over points."""
    known = np.sort(_known(errors))
    middle = known.size // 2
    if not known.size:
        return float("nan")
    return float(known[middle] if known.size % 2 else (known[middle - 1] + known[middle]) / 2)


def maximum(errors: np.ndarray) -> float:
    """The largest d."""
    known = _known(errors)
    return float(known.max()) if known.size else float("nan")


def sdr(errors: np.ndarray, thresholds: Iterable[float]) -> dict[float, float]:
    """Successful detection rate: for each threshold r the share (0 to 1) of points with d < r, strictly."""
    known = _known(errors)
    return {float(r): float(np.mean(known < r)) if known.size else float("nan") for r in thresholds}


def outliers(errors: np.ndarray, threshold: float) -> int:
    """How many points are further off than the threshold (d > threshold)."""
    return int(np.sum(_known(errors) > threshold))


def box_diagonal(truth: np.ndarray) -> np.ndarray:
    """Diagonal of the box around each image's annotated points: PCK's reference length.

    Args:
        truth: (N, K, 2), NaN where not annotated.

    Returns:
        (N,) in the unit of `truth`; NaN with fewer than two annotated points.
    """
    known = ~np.isnan(truth).any(axis=2, keepdims=True)
    low = np.where(known, truth, np.inf).min(axis=1)
    high = np.where(known, truth, -np.inf).max(axis=1)
    enough = known[..., 0].sum(axis=1) > 1
    return np.where(enough, np.hypot(*np.where(enough[:, None], high - low, 0.0).T), np.nan)


def pck(errors: np.ndarray, reference: np.ndarray, alphas: Iterable[float]) -> dict[float, float]:
    """Percentage of correct keypoints as a share: d < alpha * the image's reference length, strictly.

    Args:
        errors: (N, K).
        reference: (N,) lengths in the unit of the errors; an image with NaN does not count.
        alphas: fractions of the reference length.
    """
    reference = np.asarray(reference, dtype=np.float64)
    # Annotations that all coincide give no length to measure against: the image drops out.
    usable = np.where(reference > 0, reference, np.nan)
    return sdr(np.asarray(errors) / usable[:, None], alphas)


def rmse_published(errors: np.ndarray) -> float:
    """What arXiv 2309.16066 prints as RMSE: d / sqrt(2), mean over images, then over landmarks.

    Args:
        errors: (N, K); a landmark without any point drops out of the second mean.
    """
    return mre(_axis_mean(np.asarray(errors, dtype=np.float64), axis=0)) / float(np.sqrt(2.0))


def image_means(errors: np.ndarray) -> np.ndarray:
    """(N,) mean error of each image; NaN where an image has no point."""
    return _axis_mean(np.asarray(errors, dtype=np.float64), axis=1)


def mean_of_image_means(errors: np.ndarray) -> float:
    """Mean over images of the image's mean error: every image counts the same, however many points it has."""
    return mre(image_means(errors))


def sensitivity(presence: np.ndarray, state: np.ndarray, threshold: float = 0.5) -> float:
    """Share of the landmarks annotated as present whose presence is >= threshold."""
    chosen = presence[(state == State.PRESENT) & ~np.isnan(presence)]
    return float(np.mean(chosen >= threshold)) if chosen.size else float("nan")


def specificity(presence: np.ndarray, state: np.ndarray, threshold: float = 0.5) -> float:
    """Share of the landmarks annotated as absent whose presence is < threshold."""
    chosen = presence[(state == State.ABSENT) & ~np.isnan(presence)]
    return float(np.mean(chosen < threshold)) if chosen.size else float("nan")


class PatientBootstrap:
    """Percentile bootstrap over patients: a patient's images stay together, as they are not independent.

    The resamples are drawn once, so that every statistic of a report is computed on the same ones.

    Args:
        patients: (N,) patient of each image.
        replicates: number of resamples; 0 switches the intervals off.
        seed: of numpy's generator.
        level: coverage of the interval.
    """

    def __init__(self, patients: Sequence[str], replicates: int = 1000, seed: int = 0, level: float = 0.95) -> None:
        names, self._member = np.unique(np.asarray(patients, dtype=str), return_inverse=True)
        self._count = len(names)
        self._percentiles = (50 * (1 - level), 50 * (1 + level))
        shape = (replicates if self._count > 1 else 0, self._count)
        draws = np.random.default_rng(seed).integers(0, max(self._count, 1), size=shape)
        counts = [np.bincount(draw, minlength=self._count) for draw in draws]
        self._weights = np.stack(counts) if counts else None

    def mean(self, values: np.ndarray) -> tuple[float, float]:
        """Interval of the pooled mean of (N, K) values, NaN left out.

        It is (NaN, NaN) with fewer than two patients, without resamples, or if a point was not predicted. A
        patient without any value is resampled like the others and adds nothing.
        """
        return self.interval(self.means(values))

    def difference(self, values: np.ndarray, other: PatientBootstrap, others: np.ndarray) -> tuple[float, float]:
        """Interval of the pooled mean of `others` less that of `values`, the patients of both being different ones."""
        mine, theirs = self.means(values), other.means(others)
        count = min(mine.size, theirs.size)
        return self.interval(theirs[:count] - mine[:count])

    def interval(self, replicates: np.ndarray) -> tuple[float, float]:
        """Percentiles of the replicates; (NaN, NaN) of none."""
        if not replicates.size:
            return float("nan"), float("nan")
        low, high = np.percentile(replicates, self._percentiles)
        return float(low), float(high)

    def means(self, values: np.ndarray) -> np.ndarray:
        """The pooled mean of (N, K) values in each resample that holds a value; empty where `mean` has no interval."""
        values = np.asarray(values, dtype=np.float64)
        known = ~np.isnan(values)
        if self._weights is None or not known.any() or np.isinf(values).any():
            return np.zeros(0)
        total = self._weights @ self._per_patient(np.where(known, values, 0.0).sum(axis=1))
        count = self._weights @ self._per_patient(known.sum(axis=1).astype(np.float64))
        return total[count > 0] / count[count > 0]

    def mre(self, errors: np.ndarray) -> tuple[float, float]:
        """Interval of the MRE."""
        return self.mean(errors)

    def sdr(self, errors: np.ndarray, thresholds: Iterable[float]) -> dict[float, tuple[float, float]]:
        """Interval of the SDR at each threshold."""
        errors = np.asarray(errors, dtype=np.float64)
        return {float(r): self.mean(np.where(np.isnan(errors), np.nan, errors < r)) for r in thresholds}

    def _per_patient(self, per_image: np.ndarray) -> np.ndarray:
        return np.bincount(self._member, weights=per_image, minlength=self._count)
