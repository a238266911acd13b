"""Two models of points in a small image: always the mean, and a linear guess from the image."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np

from monai_landmarks.errors import ConfigError

COMPONENTS = (2, 4, 8, 16, 32, 64)
# Ridge penalties, as shares of the image components' mean variance.
PENALTIES = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
KEPT_VARIANCE = 0.99


@dataclass(frozen=True)
class MeanShape:
    """The training points' mean, whatever the image shows.

    Attributes:
        mean: (K, 2); NaN for a landmark that no training image has.
    """

    mean: np.ndarray

    @classmethod
    def fit(cls, points: np.ndarray) -> MeanShape:
        """Fit on (N, K, 2), NaN where a point is not known."""
        known = np.isfinite(points)
        count = known.sum(axis=0)
        total = np.where(known, points, 0.0).sum(axis=0)
        return cls(np.where(count > 0, total / np.maximum(count, 1), np.nan))

    def predict(self, images: np.ndarray) -> np.ndarray:
        """(N, K, 2) for images (N, rows, columns)."""
        return np.repeat(self.mean[None], len(images), axis=0)


@dataclass(frozen=True)
class ShapeRegression:
    """Ridge regression from an image's principal components to those of the shape.

    Attributes:
        image_mean: (P,) of the pixels.
        weights: (P, 2K) from centred pixels to displacements from the mean shape.
        mean: (K, 2) the mean shape.
        components: how many of the image's were chosen.
        penalty: the ridge penalty chosen.
    """

    image_mean: np.ndarray
    weights: np.ndarray
    mean: np.ndarray
    components: int
    penalty: float

    @classmethod
    def fit(
        cls, images: np.ndarray, points: np.ndarray, validation_images: np.ndarray, validation_points: np.ndarray
    ) -> ShapeRegression:
        """Fit on training images (N, rows, columns) and points (N, K, 2), NaN where unknown.

        Number of components and penalty are those with the smallest mean distance on the validation images.

        Raises:
            ConfigError: fewer than three training images, or no validation point.
        """
        if len(images) < 3 or not np.isfinite(validation_points).all(axis=-1).any():
            raise ConfigError("the PCA shape needs three training images and validation images with points")
        mean = MeanShape.fit(points).mean
        pixels = _normalised(images)
        image_mean = pixels.mean(axis=0)
        left, strength, right = np.linalg.svd(pixels - image_mean, full_matrices=False)
        targets = _smoothed(_displacements(points, mean))
        candidates = []
        for count, share in product(sorted({min(c, len(images) - 1) for c in COMPONENTS}), PENALTIES):
            values = strength[:count]
            penalty = share * float(np.mean(strength**2))
            weights = right[:count].T @ ((values / (values**2 + penalty))[:, None] * (left[:, :count].T @ targets))
            model = cls(image_mean, weights, mean, count, penalty)
            candidates.append((_mean_distance(model.predict(validation_images), validation_points), count, model))
        return min(candidates, key=lambda candidate: candidate[:2])[2]

    def predict(self, images: np.ndarray) -> np.ndarray:
        """(N, K, 2) for images (N, rows, columns)."""
        moved = (_normalised(images) - self.image_mean) @ self.weights
        return self.mean + moved.reshape(len(images), -1, 2)


def _normalised(images: np.ndarray) -> np.ndarray:
    """(N, P) pixels, each image with mean 0 and standard deviation 1."""
    flat = np.asarray(images, dtype=np.float64).reshape(len(images), -1)
    centred = flat - flat.mean(axis=1, keepdims=True)
    return centred / np.maximum(centred.std(axis=1, keepdims=True), 1e-6)


def _displacements(points: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """(N, 2K) from the mean; an unknown point moves as the known ones of its image do on average."""
    apart = points - mean
    known = np.isfinite(apart)
    count = np.maximum(known.sum(axis=1, keepdims=True), 1)
    average = np.where(known, apart, 0.0).sum(axis=1, keepdims=True) / count
    filled: np.ndarray = np.where(known, apart, average).reshape(len(points), -1)
    return filled


def _smoothed(targets: np.ndarray) -> np.ndarray:
    """The displacements in the principal components that hold most of their variance."""
    left, strength, right = np.linalg.svd(targets, full_matrices=False)
    power = np.cumsum(strength**2)
    count = int(np.searchsorted(power, KEPT_VARIANCE * power[-1])) + 1
    smooth: np.ndarray = (left[:, :count] * strength[:count]) @ right[:count]
    return smooth


def _mean_distance(predicted: np.ndarray, points: np.ndarray) -> float:
    return float(np.nanmean(np.linalg.norm(predicted - points, axis=-1)))
