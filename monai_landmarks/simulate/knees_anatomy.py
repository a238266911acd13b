"""Both knees of one standing patient: alike but not the same, each with a disease of its own."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from monai_landmarks.simulate.anatomy import Bone, Range
from monai_landmarks.simulate.knee_anatomy import (
    Knee,
    KneeRanges,
    KneeSide,
    framed_bones,
    knee_of,
    posed_bones,
    seated,
)
from monai_landmarks.simulate.knees_arthritis import GRADES, Arthritis
from monai_landmarks.simulate.mesh import Surface
from monai_landmarks.simulate.shape_model import ShapeModel

# The patient's right is on the image's left, towards smaller x.
OUTWARD: dict[KneeSide, int] = {"R": -1, "L": 1}
# Share of the shape's variance that both knees have in common.
IN_COMMON = 0.85


@dataclass(frozen=True)
class StandingRanges:
    """How a standing patient's knees are drawn.

    Attributes:
        knee: anatomy and position of either knee.
        stance: distance of the knees' centres in mm.
        unequal: spread of what both knees differ in: flexion and tilt in degrees, height in mm.
    """

    knee: KneeRanges = field(default_factory=KneeRanges)
    stance: Range = (185.0, 225.0)
    unequal: float = 1.5


@dataclass(frozen=True)
class Limb:
    """A knee around its own origin between the epicondyles, and where that lies.

    Attributes:
        knee: the posed bones.
        disease: its osteoarthritis.
        offset: (3,) mm.
    """

    knee: Knee
    disease: Arthritis
    offset: np.ndarray


def draw_limbs(model: ShapeModel, ranges: StandingRanges, rng: np.random.Generator) -> list[Limb]:
    """The right and the left limb."""
    common = model.draw(rng, ranges.knee.spread)
    size, half = rng.uniform(*ranges.knee.size), rng.uniform(*ranges.stance) / 2
    flexion, tilt = rng.uniform(*ranges.knee.flexion), rng.uniform(*ranges.knee.tilt)
    limbs = []
    for side, outward in OUTWARD.items():
        own = np.sqrt(1 - IN_COMMON) * model.draw(rng, ranges.knee.spread)
        bend, lean, height = ranges.unequal * rng.standard_normal(3)
        position = replace(
            ranges.knee,
            flexion=(max(flexion + bend, 0.0),) * 2,
            tilt=(tilt + lean,) * 2,
        )
        disease = Arthritis.draw(int(rng.choice(GRADES)), position, rng)
        scale = size * rng.uniform(0.985, 1.015)
        knee = _knee(model, side, np.sqrt(IN_COMMON) * common + own, scale, disease, position, rng)
        limbs.append(Limb(knee, disease, np.array([outward * half + rng.normal(0, 3), 0.0, height])))
    return limbs


def _knee(
    model: ShapeModel,
    side: KneeSide,
    coefficients: np.ndarray,
    size: float,
    disease: Arthritis,
    ranges: KneeRanges,
    rng: np.random.Generator,
) -> Knee:
    """A knee of that shape and disease, in position."""
    femur, shank, patella = framed_bones(model, coefficients, size, disease.prominence)
    shank = _with_dish(shank, rng.uniform(1.5, 3.5))
    # Osteophytes grow around the joint: they do not hold it apart.
    shank = disease.deform_shank(seated(shank, femur, disease.spaces))
    return knee_of(side, posed_bones(disease.deform_femur(femur), shank, patella, ranges, rng))


def _with_dish(shank: Bone, rise: float) -> Bone:
    """The shank with a raised medial margin, in mm: the atlas lets the plateau fall off there without a hollow."""
    x, _, z = shank.surface.vertices.T
    outward = np.clip((-x - 16) / 18, 0, 1)
    raised = rise * np.clip((z + 16) / 8, 0, 1) * outward**2 * (3 - 2 * outward)
    vertices = shank.surface.vertices + raised[:, None] * np.array([0.0, 0.0, 1.0])
    return Bone(Surface(vertices, shank.surface.faces), shank.nodes, shank.elements)
