"""From attenuation to the stored image: collimation, scatter, blur, noise, and the detector's processing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from monai_landmarks.simulate.anatomy import Range
from monai_landmarks.simulate.texture import wide_blur

LEVELS = 4096


@dataclass(frozen=True)
class Field:
    """A rectangular collimated field, turned by a small angle.

    Attributes:
        centre: (row, column).
        half: half height and half width in pixels.
        angle: degrees, counter-clockwise on the screen.
    """

    centre: tuple[float, float]
    half: tuple[float, float]
    angle: float

    def local(self, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Coordinates along the field's own axes, from its centre."""
        cosine, sine = np.cos(np.deg2rad(self.angle)), np.sin(np.deg2rad(self.angle))
        down, across = rows - self.centre[0], columns - self.centre[1]
        return cosine * down + sine * across, cosine * across - sine * down

    def depth(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Distance in pixels to the nearest edge; negative outside."""
        down, across = self.local(rows, columns)
        return np.minimum(self.half[0] - np.abs(down), self.half[1] - np.abs(across))

    def point(self, down: float, across: float) -> tuple[float, float]:
        """(row, column) of a point given by its fraction (-1 to 1) of the half height and half width."""
        cosine, sine = np.cos(np.deg2rad(self.angle)), np.sin(np.deg2rad(self.angle))
        y, x = down * self.half[0], across * self.half[1]
        return self.centre[0] + cosine * y - sine * x, self.centre[1] + sine * y + cosine * x

    @classmethod
    def draw(cls, shape: tuple[int, int], rng: np.random.Generator, open_share: float, tightest: Range) -> Field:
        """A field that is open (larger than the detector) in a share of the images, else cuts every side.

        Args:
            shape: (rows, columns) of the detector.
            rng: random numbers.
            open_share: share of images without visible collimation.
            tightest: the largest cut of (top and bottom, left and right), as fractions of rows and columns.
        """
        open_field = rng.random() < open_share
        cuts = rng.beta(1.1, 2.2, size=4) * np.array([tightest[0], tightest[0], tightest[1], tightest[1]])
        if open_field:
            cuts = np.full(4, -0.1)
        top, bottom = cuts[0] * shape[0], (1 - cuts[1]) * shape[0]
        left, right = cuts[2] * shape[1], (1 - cuts[3]) * shape[1]
        angle = 0.0 if open_field else rng.normal(0, 0.5)
        return cls(((top + bottom) / 2, (left + right) / 2), ((bottom - top) / 2, (right - left) / 2), angle)


@dataclass(frozen=True)
class FilmRanges:
    """Ranges the imaging chain is drawn from, each uniformly.

    Attributes:
        quanta: detected quanta of a pixel behind the body.
        scatter: scattered over primary intensity behind the body.
        blur: sigma in pixels of focus, motion and detector.
        base_gain, detail_gain: gains of the slow part of the density and of what is finer than about 2 cm.
        sharpening: gain added to what is finer than about 1 mm.
        contrast: steepness of the look-up curve.
        toe: place of the curve's middle, in units of the density range of the body.
        black_border: share of images in which the area outside the field is black (a shutter); else it is
            white.
    """

    quanta: Range = (1500.0, 12000.0)
    scatter: Range = (0.25, 0.8)
    blur: Range = (0.5, 1.0)
    base_gain: Range = (0.42, 0.75)
    detail_gain: Range = (1.1, 1.6)
    sharpening: Range = (0.2, 1.0)
    contrast: Range = (1.0, 1.9)
    toe: Range = (0.40, 0.60)
    black_border: float = 0.7


def expose(
    attenuation: np.ndarray,
    body: np.ndarray,
    field: np.ndarray,
    spacing: float,
    ranges: FilmRanges,
    rng: np.random.Generator,
) -> np.ndarray:
    """Detected density, minus the logarithm of the noisy intensity, 0 behind the body's median.

    Args:
        attenuation: (rows, columns) line integrals.
        body: thickness of the body in mm, to find its pixels.
        field: 1 inside the collimated field, 0 outside.
        spacing: pixel in mm.
        ranges: see `FilmRanges`.
        rng: random numbers.
    """
    intensity = np.exp(-np.maximum(attenuation, 0))
    seen = (body > 30) & (field > 0.5)
    level = float(np.median(intensity[seen]))
    intensity = np.minimum(intensity / level, 60.0) * (field + 0.003 * (1 - field))
    scattered = wide_blur(np.minimum(intensity, 3.0), 32.0 / spacing)
    intensity = intensity + rng.uniform(*ranges.scatter) * scattered
    intensity = ndimage.gaussian_filter(intensity.astype(np.float32), rng.uniform(*ranges.blur), truncate=3.0)
    quanta = rng.uniform(*ranges.quanta)
    # Poisson statistics; hundreds of quanta are normal enough, and the normal draw is ten times faster.
    noise = rng.standard_normal(intensity.shape, dtype=np.float32)
    intensity = intensity + noise * np.sqrt(np.maximum(intensity, 1e-4) / quanta).astype(np.float32)
    density: np.ndarray = -np.log(np.maximum(intensity, 5e-3))
    return density


def develop(
    density: np.ndarray,
    body: np.ndarray,
    inside: np.ndarray,
    spacing: float,
    ranges: FilmRanges,
    rng: np.random.Generator,
) -> np.ndarray:
    """Stored values (rows, columns) uint16 in 0..4095, bone bright, from the density.

    As a radiography unit does: the slow part is compressed, detail amplified, an S-shaped curve maps the
    body's density range to the values. What is not `inside` the shown field (boolean) gets the border's
    value.
    """
    seen = inside & (body > 30)
    filled = np.where(inside, density, float(density[inside].mean())).astype(np.float32)
    floor = float(np.percentile(filled[seen][::7], 1.0)) - 1.2
    filled = np.maximum(filled, floor)
    base = wide_blur(filled, 22.0 / spacing)
    detail = filled - base
    fine = filled - ndimage.gaussian_filter(filled, 0.8 / spacing, truncate=2.5)
    enhanced = (
        rng.uniform(*ranges.base_gain) * base
        + rng.uniform(*ranges.detail_gain) * detail
        + rng.uniform(*ranges.sharpening) * fine
    )
    low, high = np.percentile(enhanced[seen][::7], [1.5, 99.6])
    position = (enhanced - low) / max(float(high - low), 1e-3)
    steepness, middle = rng.uniform(*ranges.contrast), rng.uniform(*ranges.toe)
    curve = np.tanh(steepness * (position - middle))
    bottom, top = np.tanh(steepness * (-0.06 - middle)), np.tanh(steepness * (1.12 - middle))
    value = np.clip((curve - bottom) / (top - bottom), 0, 1)
    border = 0.0 if rng.random() < ranges.black_border else rng.uniform(0.94, 1.0)
    return np.round(np.where(inside, value, border) * (LEVELS - 1)).astype(np.uint16)
