"""Random fields: smooth variation, and band-limited grain with a direction, such as trabeculae."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import fft, ndimage, sparse

ORIENTATIONS = 4


@lru_cache(maxsize=64)
def _interpolation(size: int, coarse: int) -> sparse.csr_matrix:
    """Cubic (Catmull-Rom) interpolation matrix (size, coarse) between blocks' centres, edges repeated."""
    position = (np.arange(size) + 0.5) * coarse / size - 0.5
    first = np.floor(position).astype(np.int64)
    t = position - first
    weights = (
        ((-0.5 * t + 1.0) * t - 0.5) * t,
        (1.5 * t - 2.5) * t * t + 1.0,
        ((-1.5 * t + 2.0) * t + 0.5) * t,
        (0.5 * t - 0.5) * t * t,
    )
    rows = np.tile(np.arange(size), 4)
    columns = np.concatenate([np.clip(first + k - 1, 0, coarse - 1) for k in range(4)])
    return sparse.csr_matrix((np.concatenate(weights).astype(np.float32), (rows, columns)), shape=(size, coarse))


def upsample(coarse: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A coarse image enlarged to `shape` (rows, columns) by cubic interpolation, float32."""
    rows = _interpolation(shape[0], coarse.shape[0]) @ coarse.astype(np.float32)
    enlarged: np.ndarray = (_interpolation(shape[1], coarse.shape[1]) @ np.ascontiguousarray(rows.T)).T
    return np.ascontiguousarray(enlarged)


def smooth_noise(shape: tuple[int, int], scale: float, rng: np.random.Generator) -> np.ndarray:
    """Field of mean 0 and variance about 1 with blobs about `scale` (above 4) pixels wide."""
    coarse = tuple(max(4, int(np.ceil(2 * length / scale))) for length in shape)
    field = ndimage.gaussian_filter(rng.standard_normal(coarse, dtype=np.float32), 0.9, mode="wrap")
    return upsample(field / max(float(field.std()), 1e-6), shape)


def wide_blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur for sigmas of many pixels, computed on a reduced image."""
    step = max(1, int(sigma / 4))
    if step == 1:
        blurred: np.ndarray = ndimage.gaussian_filter(image, sigma, mode="nearest")
        return blurred
    rows, columns = (-(-length // step) for length in image.shape)
    padded = np.pad(image, ((0, rows * step - image.shape[0]), (0, columns * step - image.shape[1])), mode="edge")
    reduced = padded.reshape(rows, step, columns, step).mean(axis=(1, 3))
    blurred = upsample(ndimage.gaussian_filter(reduced, sigma / step, mode="nearest"), padded.shape)
    return blurred[: image.shape[0], : image.shape[1]]


@lru_cache(maxsize=16)
def _grain_filters(shape: tuple[int, int], wavelength: float) -> tuple[np.ndarray, ...]:
    """Transfer functions of band-passes around a wavelength (pixels), one an orientation of the strands."""
    row = fft.fftfreq(shape[0])[:, None]
    column = fft.rfftfreq(shape[1])[None, :]
    frequency = np.hypot(row, column)
    frequency[0, 0] = 1e-6
    band = np.exp(-(np.log(frequency * wavelength) ** 2) / (2 * 0.7**2))
    angle = np.arctan2(row, column)
    filters = []
    for k in range(ORIENTATIONS):
        # Strands at angle a vary across themselves: their energy lies at a + 90 degrees.
        across = angle - np.pi * (k / ORIENTATIONS + 0.5)
        filters.append((band * np.exp((np.cos(2 * across) - 1) * 2.2)).astype(np.float32))
    return tuple(filters)


def oriented_grain(shape: tuple[int, int], wavelength: float, rng: np.random.Generator) -> np.ndarray:
    """Grain of strands about `wavelength` pixels apart: (ORIENTATIONS, rows, columns), unit variance.

    Field k has strands along the direction (column, row) = (cos, sin)(k * 180 / ORIENTATIONS degrees).
    """
    spectrum = fft.rfft2(rng.standard_normal(shape, dtype=np.float32))
    fields = np.stack([fft.irfft2(spectrum * f, s=shape) for f in _grain_filters(shape, wavelength)])
    return (fields / fields.std(axis=(1, 2), keepdims=True)).astype(np.float32)


def directed_grain(grain: np.ndarray, direction: tuple[float, float]) -> np.ndarray:
    """Mixture (rows, columns) of oriented grain with strands along `direction` (column, row)."""
    angle = np.arctan2(direction[1], direction[0])
    weights = np.array([np.cos(angle - np.pi * k / ORIENTATIONS) ** 4 for k in range(ORIENTATIONS)])
    weights /= np.sqrt((weights**2).sum())
    mixture: np.ndarray = np.einsum("k,kij->ij", weights.astype(np.float32), grain)
    return mixture
