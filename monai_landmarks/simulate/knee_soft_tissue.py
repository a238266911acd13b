"""Soft tissue of the knee view, from formulas: skin, fat, the muscles of thigh and calf, fat pads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from monai_landmarks.simulate.anatomy import Range
from monai_landmarks.simulate.knee_anatomy import Knee
from monai_landmarks.simulate.projection import Projection
from monai_landmarks.simulate.soft_tissue import FAT, MUSCLE, STEP, superellipse
from monai_landmarks.simulate.texture import smooth_noise, upsample

# Height above the joint in mm; half widths to the medial and to the lateral side, half depth; muscle's share of
# what the fat leaves: thigh above, tendons and fat pads at the joint, calf below.
HEIGHT = (-190.0, -130.0, -85.0, -45.0, -15.0, 10.0, 40.0, 75.0, 120.0, 180.0)
MEDIAL = (50.0, 55.0, 54.0, 50.0, 51.0, 54.0, 58.0, 64.0, 70.0, 76.0)
LATERAL = (48.0, 53.0, 53.0, 50.0, 50.0, 52.0, 54.0, 59.0, 66.0, 72.0)
DEPTH = (50.0, 56.0, 57.0, 55.0, 56.0, 60.0, 62.0, 65.0, 71.0, 78.0)
LEAN = (0.98, 0.97, 0.95, 0.90, 0.86, 0.86, 0.90, 0.95, 0.97, 0.98)
SKIN = 1.6


@dataclass(frozen=True)
class LimbBuild:
    """Scale of the limb beyond the skeleton's own, and its subcutaneous fat in mm."""

    scale: float
    fat: float

    @classmethod
    def draw(cls, rng: np.random.Generator, scale: Range) -> LimbBuild:
        """A build: larger limbs carry more fat."""
        size = rng.uniform(*scale)
        return cls(size, rng.uniform(3.0, 8.0) + 45 * max(0.0, size - 0.98))


def limb_attenuation(
    projection: Projection, knee: Knee, build: LimbBuild, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Attenuation (rows, columns) of skin, fat and muscle, and the limb's thickness in mm."""
    x, z = projection.plane_coordinates(0.0, STEP)
    lateral, height = _limb_coordinates(x, z, knee)
    wide = float(np.ptp(knee.femur.surface.vertices[knee.femur.surface.vertices[:, 2] < 40, 0])) / 82
    profile = [
        wide * build.scale * _along(height, values) * (1 + 0.02 * rng.standard_normal())
        for values in (MEDIAL, LATERAL, DEPTH)
    ]
    body = _limb(lateral, profile, 0.0)
    flesh = _limb(lateral, profile, SKIN)
    fat = build.fat * (1 + 0.25 * np.clip(height / 100, -1, 1.5))
    muscle = ndimage.gaussian_filter(_limb(lateral, profile, SKIN + fat) * _along(height, LEAN), 1.2)
    lean = np.minimum(muscle * (1 + 0.05 * smooth_noise(body.shape, 14, rng)), flesh)
    lean = lean + _muscle_bellies(lateral, height, rng) * (lean > 0)
    attenuation = MUSCLE * (body - flesh) + FAT * flesh + (MUSCLE - FAT) * np.minimum(lean, flesh)
    shape = projection.shape
    slow = 0.012 * smooth_noise(shape, 50, rng) + 0.010 * smooth_noise(shape, 160, rng)
    return np.maximum(upsample(attenuation, shape), 0) * (1 + slow), np.maximum(upsample(body, shape), 0)


def _limb_coordinates(x: np.ndarray, z: np.ndarray, knee: Knee) -> tuple[np.ndarray, np.ndarray]:
    """Distance to the lateral side of the limb's axis and height above the joint, both (rows, columns)."""
    femur, tibia = knee.femur.surface.vertices, knee.tibia.surface.vertices
    joint = float(tibia[:, 2].max())
    shaft, shank = (
        femur[np.abs(femur[:, 2] - joint - 130) < 15].mean(0),
        tibia[np.abs(tibia[:, 2] - joint + 130) < 15].mean(0),
    )
    height = z - joint + np.zeros_like(x)
    # Muscle hangs on the medial side of the femur's shaft and behind the tibia's.
    axis = np.interp(height, (-130.0, 0.0, 130.0), (shank[0] + knee.lateral * 6, 0.0, shaft[0] - knee.lateral * 6))
    smoothed = ndimage.gaussian_filter1d(axis, 12, axis=0, mode="nearest")
    return knee.lateral * (x - smoothed), height


def _along(height: np.ndarray, values: tuple[float, ...]) -> np.ndarray:
    """A profile at every height, without corners."""
    column = np.interp(height[:, 0], HEIGHT, values)
    smoothed: np.ndarray = ndimage.gaussian_filter1d(column, 14, mode="nearest")[:, None]
    return smoothed


def _limb(lateral: np.ndarray, profile: list[np.ndarray], inset: np.ndarray | float) -> np.ndarray:
    """Thickness of the limb, `inset` mm under the skin."""
    inner, outer, depth = profile
    centre, width = (outer - inner) / 2, (outer + inner) / 2
    return superellipse(lateral - centre, width - inset, depth - inset, 2.15)


def _muscle_bellies(lateral: np.ndarray, height: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Thickness in mm that muscle has more (or less) than the smooth limb: vasti, heads of the calf, fat pads."""
    total = np.zeros_like(lateral)
    # Place (lateral, height), half width and half height, thickness: vastus medialis and lateralis, both heads
    # of gastrocnemius, patellar tendon, popliteal fat, infrapatellar fat pad.
    parts = (
        (-34.0, 62.0, 20.0, 55.0, 14.0),
        (34.0, 90.0, 18.0, 60.0, 10.0),
        (-22.0, -70.0, 17.0, 80.0, 16.0),
        (22.0, -65.0, 15.0, 70.0, 12.0),
        (3.0, -18.0, 12.0, 34.0, 7.0),
        (0.0, 25.0, 11.0, 40.0, -16.0),
        (-2.0, -6.0, 24.0, 18.0, -12.0),
    )
    for across, up, width, reach, thickness in parts:
        x0, z0 = across + rng.normal(0, 2), up + rng.normal(0, 5)
        inside = np.clip(1 - ((lateral - x0) / width) ** 2 - ((height - z0) / reach) ** 2, 0, None)
        total += rng.uniform(0.6, 1.3) * thickness * np.sqrt(inside)
    belly: np.ndarray = ndimage.gaussian_filter(total, 1.5)
    return belly
