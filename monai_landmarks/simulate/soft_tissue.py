"""Soft tissue of the pelvis view, from formulas: trunk, thighs, fat, folds, organs, gas, calcifications."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from monai_landmarks.simulate.anatomy import Anatomy, Range
from monai_landmarks.simulate.projection import Projection
from monai_landmarks.simulate.texture import smooth_noise, upsample

# Linear attenuation in 1/mm near 55 keV.
MUSCLE = 0.0205
FAT = 0.0182
STEP = 2
GAS_STEP = 4


@dataclass(frozen=True)
class Habitus:
    """A patient's build: scale of the trunk, subcutaneous fat in mm, overlap of the thighs in mm."""

    scale: float
    fat: float
    contact: float

    @classmethod
    def draw(cls, rng: np.random.Generator, scale: Range = (0.90, 1.16)) -> Habitus:
        """A build: larger patients carry more fat."""
        size = rng.uniform(*scale)
        fat = rng.uniform(9, 20) + 90 * max(0.0, size - 0.98)
        return cls(size, fat, float(np.clip(rng.normal(16, 10), -3, 34)))


def superellipse(x: np.ndarray, half_width: np.ndarray, half_depth: np.ndarray, exponent: float) -> np.ndarray:
    """Thickness along the beam of a superelliptic cylinder at distance x from its axis."""
    inside = np.clip(1 - np.abs(x / np.maximum(half_width, 1.0)) ** exponent, 0, 1)
    thickness: np.ndarray = 2 * np.maximum(half_depth, 0) * inside ** (1 / exponent)
    return thickness


def _trunk(x: np.ndarray, z: np.ndarray, habitus: Habitus, inset: float) -> np.ndarray:
    """Thickness of trunk and thighs, `inset` mm under the skin."""
    scale = habitus.scale
    width = scale * (178 - 14 * np.exp(-(((z - 150) / 65) ** 2)) + 5 * np.exp(-(((z + 10) / 45) ** 2))) - inset
    depth = scale * (106 + 9 * np.exp(-(((z - 10) / 70) ** 2))) - 0.8 * inset
    trunk = superellipse(x, width, depth, 2.5)
    thigh_width = scale * (92 + 0.05 * np.clip(z + 60, -120, 60)) - inset
    centre = 92 * scale - habitus.contact + 0.05 * np.clip(-60 - z, 0, None)
    thigh_depth = np.broadcast_to(scale * 88 - 0.8 * inset, z.shape)
    legs = [superellipse(x - side * centre, thigh_width, thigh_depth, 2.2) for side in (-1, 1)]
    # Below the crotch the trunk gives way to the thighs; near the midline sooner, as the crotch is an arch.
    change = 1 / (1 + np.exp((z + 52 + 0.10 * np.abs(x)) / (9.0 + 0.14 * np.abs(x))))
    return trunk * (1 - change) + np.maximum(*legs) * change


def soft_tissue_attenuation(
    projection: Projection, anatomy: Anatomy, habitus: Habitus, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Attenuation (rows, columns) of skin, fat and muscle, and the body's thickness in mm."""
    middle = np.mean(list(anatomy.head_centres.values()), axis=0)
    x, z = projection.plane_coordinates(float(middle[1]), STEP)
    x = x - middle[0]
    body = _trunk(x, z, habitus, 0.0)
    muscle = ndimage.gaussian_filter(_trunk(x, z, habitus, habitus.fat), 3.0)
    body = ndimage.gaussian_filter(body, 0.7)
    lean = np.minimum(muscle, body)
    attenuation = MUSCLE * lean + FAT * (body - lean)
    attenuation = attenuation + _folds(x, z, habitus, rng) + _organs(x, z, anatomy, middle, rng)
    attenuation *= body > 0
    shape = projection.shape
    slow = (
        0.013 * smooth_noise(shape, 70, rng)
        + 0.014 * smooth_noise(shape, 200, rng)
        + 0.006 * smooth_noise(shape, 22, rng)
    )
    return np.maximum(upsample(attenuation, shape), 0) * (1 + slow), np.maximum(upsample(body, shape), 0)


def _folds(x: np.ndarray, z: np.ndarray, habitus: Habitus, rng: np.random.Generator) -> np.ndarray:
    """Steps of thickness at the gluteal folds and, in large patients, under the abdominal apron."""
    extra = np.zeros(np.broadcast_shapes(x.shape, z.shape))
    for side in (-1, 1):
        sag = -58 + rng.normal(0, 8) - 16 * np.exp(-(((x - side * 80) / 50) ** 2))
        distance = z - sag
        bulge = np.where(distance > 0, np.sqrt(np.clip(distance, 0, 30)) * np.exp(-np.clip(distance, 0, None) / 40), 0)
        extra += rng.uniform(0.6, 1.8) * bulge * np.exp(-(((x - side * 85) / 55) ** 2))
    apron = max(0.0, habitus.scale - 1.02) * 130
    line = 10 + rng.normal(0, 12) + 0.0024 * x**2
    distance = np.clip(z - line, 0, 60)
    extra += apron * np.sqrt(distance / 60)
    return FAT * extra


def _organs(x: np.ndarray, z: np.ndarray, anatomy: Anatomy, middle: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """What bladder and psoas muscles add over fat, and the soft tissue below the symphysis."""
    filling = rng.uniform(0.6, 1.3)
    bladder = np.clip(1 - (x / (40 * filling)) ** 2 - ((z - 38) / (26 * filling)) ** 2, 0, None)
    extra = 34 * filling * np.sqrt(bladder)
    for side, head in anatomy.head_centres.items():
        sign = 1 if side == "left" else -1
        fraction = np.clip((z - head[2]) / 150, 0, 1)
        axis = sign * ((1 - fraction) * abs(head[0] - middle[0]) * 0.92 + fraction * 36)
        extra += 16 * np.sqrt(np.clip(1 - ((x - axis) / (15 + 8 * fraction)) ** 2, 0, None)) * (z > head[2] - 20)
    extra = ndimage.gaussian_filter((MUSCLE - FAT) * extra, 1.5)
    genital = rng.uniform(0, 30) * np.exp(-((x / 24) ** 2) - ((z + 55) / 32) ** 2)
    return extra + MUSCLE * genital


def bowel_gas(
    projection: Projection, anatomy: Anatomy, rng: np.random.Generator, cover: np.ndarray | None = None
) -> np.ndarray:
    """Path length in mm (rows, columns) of bowel gas.

    Loops are chains of soft balls; where the sum of the balls passes a threshold there is gas, as thick as
    the sum is high.

    Args:
        projection: the view.
        anatomy: the patient.
        rng: random numbers.
        cover: a point (3,) that rectal gas and stool are put over.
    """
    middle = np.mean(list(anatomy.head_centres.values()), axis=0)
    x, z = projection.plane_coordinates(0.0, GAS_STEP)
    shape = (z.shape[0], x.shape[1])
    warp = [4.0 * smooth_noise(shape, 9, rng) for _ in range(2)]
    x, z = x - middle[0] + warp[0], z + warp[1]
    balls = [ball for start in _loops(rng) for ball in _chain(start, rng)]
    if cover is not None:
        near = (cover[0] - middle[0], cover[2] + 2)
        balls += [(near[0] + rng.normal(0, 9), near[1] + rng.normal(0, 9), rng.uniform(8, 14)) for _ in range(7)]
    height = np.zeros(shape)
    for ball_x, ball_z, radius in balls:
        height += np.exp(-((x - ball_x) ** 2 + (z - ball_z) ** 2) / (2 * (0.62 * radius) ** 2)) * radius / 10
    gas = 17 * np.sqrt(np.clip(height - 0.32, 0, 2.0))
    mottled = gas * np.clip(0.8 + 0.45 * smooth_noise(shape, 5, rng), 0.1, 1.3)
    stool = np.clip(upsample(ndimage.gaussian_filter(rng.random((6, 7)), 0.8), shape) * 2.4 - 0.9, 0, 1)
    return np.maximum(upsample(gas * (1 - stool) + mottled * stool, projection.shape), 0)


def _loops(rng: np.random.Generator) -> list[tuple[float, float]]:
    """Where loops of gas begin: (x, z) around the colon, the rectum and the small bowel."""
    anchors = [
        (-105.0, 110.0),
        (-100.0, 145.0),
        (105.0, 120.0),
        (95.0, 75.0),
        (40.0, 70.0),
        (5.0, 62.0),
        (-30.0, 120.0),
        (30.0, 160.0),
    ]
    chosen = rng.random(len(anchors)) < rng.uniform(0.25, 0.85)
    return [(ax + rng.normal(0, 14), az + rng.normal(0, 14)) for (ax, az), take in zip(anchors, chosen) if take]


def _chain(start: tuple[float, float], rng: np.random.Generator) -> list[tuple[float, float, float]]:
    """A loop of gas: balls (x, z, radius) along a winding path, kept inside the abdomen."""
    balls = []
    position, heading = np.array(start), rng.uniform(0, 2 * np.pi)
    radius = rng.uniform(6, 14)
    for _ in range(int(rng.integers(2, 9))):
        balls.append((float(position[0]), float(position[1]), radius * rng.uniform(0.75, 1.2)))
        heading += rng.normal(0, 0.5)
        position = position + radius * np.array([np.cos(heading), np.sin(heading)])
        position = np.clip(position, (-112.0, 52.0), (112.0, 200.0))
    return balls


def calcifications(projection: Projection, anatomy: Anatomy, rng: np.random.Generator) -> np.ndarray:
    """Attenuation (rows, columns) of phleboliths: a few round specks in half of the patients."""
    total = np.zeros(projection.shape, dtype=np.float32)
    middle = np.mean(list(anatomy.head_centres.values()), axis=0)
    for _ in range(int(rng.integers(-3, 4))):
        side = rng.choice([-1, 1])
        place = np.array([middle[0] + side * rng.uniform(28, 58), 40.0, rng.uniform(5, 45)])
        row, column = projection.project(place)
        size = rng.uniform(1.0, 2.2) / projection.spacing
        rows, columns = np.arange(projection.shape[0])[:, None], np.arange(projection.shape[1])[None, :]
        squared = ((rows - row) ** 2 + (columns - column) ** 2) / size**2
        total += (0.16 * np.sqrt(np.clip(1 - squared, 0, None))).astype(np.float32)
    return total
