"""Osteoarthritis of a knee by its Kellgren-Lawrence grade: narrowing, osteophytes, sclerosis, sharp spines."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from monai_landmarks.simulate.anatomy import Bone, Range
from monai_landmarks.simulate.knee_anatomy import TIBIA, KneeRanges
from monai_landmarks.simulate.knee_bones import LongBone
from monai_landmarks.simulate.mesh import Surface

GRADES = (0, 1, 2, 3, 4)
# By grade: what is left of the joint space on the worn side (below 0: bone is lost), length of the osteophytes in mm,
# sclerosis under the worn surface (1 about doubles the bone there), prominence of the tibial spines.
REMAINING: tuple[Range, ...] = ((1.0, 1.0), (0.85, 1.0), (0.55, 0.80), (0.18, 0.45), (-0.15, 0.08))
SPUR: tuple[Range, ...] = ((0.0, 0.0), (0.5, 1.4), (2.0, 3.4), (3.4, 5.4), (5.0, 8.0))
SCLEROSIS: tuple[Range, ...] = ((0.0, 0.0), (0.0, 0.1), (0.1, 0.5), (0.5, 1.0), (1.0, 1.7))
PROMINENCE: tuple[Range, ...] = ((0.65, 1.00), (0.75, 1.10), (0.90, 1.20), (1.00, 1.35), (1.10, 1.45))
# Share of knees worn on the medial and on the lateral side; the rest are worn on both.
MEDIAL, LATERAL = 0.76, 0.18
Sides = tuple[float, float]


@dataclass(frozen=True)
class Arthritis:
    """What the disease did to a knee; pairs are (medial, lateral).

    Attributes:
        grade: Kellgren-Lawrence grade, 0 to 4.
        spaces: narrowest joint space in mm.
        tibial, femoral: length of the osteophytes at the tibia's and the femur's margins in mm.
        sclerosis: excess of bone under the joint's surface, as a share of the spongiosa.
        prominence: of the tibial spines.
    """

    grade: int
    spaces: Sides
    tibial: Sides
    femoral: Sides
    sclerosis: Sides
    prominence: float

    @classmethod
    def draw(cls, grade: int, ranges: KneeRanges, rng: np.random.Generator) -> Arthritis:
        """A disease of that grade in a knee whose joint spaces were those of `ranges`."""
        place = rng.random()
        worn = np.array([place < MEDIAL or place >= MEDIAL + LATERAL, place >= MEDIAL])
        healthy = np.array([rng.uniform(*ranges.medial_space), rng.uniform(*ranges.lateral_space)])
        spaces = healthy * np.where(worn, rng.uniform(*REMAINING[grade]), rng.uniform(0.92, 1.0))
        # The worn side grows the longer osteophytes, each a length of its own.
        tibial, femoral = (
            rng.uniform(*SPUR[grade]) * np.where(worn, rng.uniform(0.8, 1.0, 2), rng.uniform(0.35, 0.8, 2))
            for _ in range(2)
        )
        sclerosis = rng.uniform(*SCLEROSIS[grade]) * np.where(worn, 1.0, 0.2)
        return cls(
            grade, _pair(spaces), _pair(tibial), _pair(femoral), _pair(sclerosis), rng.uniform(*PROMINENCE[grade])
        )

    def deform_femur(self, femur: Bone) -> Bone:
        """A left femur with its osteophytes."""
        everywhere = np.ones(len(femur.elements), dtype=bool)
        for sign, length in zip((-1, 1), self.femoral):
            femur = _with_spur(femur, everywhere, sign, -1, length)
        return femur

    def deform_shank(self, shank: Bone) -> Bone:
        """A left tibia (with its fibula, which has none) with its osteophytes."""
        tibia = np.isin(shank.elements, TIBIA)
        for sign, length in zip((-1, 1), self.tibial):
            shank = _with_spur(shank, tibia, sign, 1, length)
        return shank

    def densify(self, bone: LongBone) -> LongBone:
        """How a long bone is built where it bears load."""
        medial, lateral = self.sclerosis
        end, shaft, plate = bone.shell
        load = bone.load[0] + (medial + lateral) / 2, bone.load[1] + medial - lateral
        return replace(bone, load=load, shell=(end, shaft, plate * (1 + 0.7 * max(self.sclerosis))))


def _pair(values: np.ndarray) -> Sides:
    return float(values[0]), float(values[1])


def _with_spur(bone: Bone, chosen: np.ndarray, sign: int, up: int, length: float) -> Bone:
    """The bone with an osteophyte: its margin drawn out to the side and a little towards the joint.

    Args:
        bone: of a left knee, x lateral, z up.
        chosen: (N,) vertices that may move.
        sign: of x towards the margin.
        up: 1 if the joint's surface looks up, -1 if down.
        length: in mm.
    """
    points = bone.surface.vertices
    height = up * points[:, 2]
    joint = chosen & (height > height[chosen].max() - 45)
    corner = points[joint][np.argmax(sign * points[joint, 0] + height[joint])]
    outward, along, above = (points - corner)[:, 0] * sign, (points - corner)[:, 1], height - up * corner[2]
    across = np.clip((outward + 9) / 9, 0, 1) ** 2
    # A thin lip at the level of the corner, longest beside it and running out forward and backward.
    level = np.exp(-(((above + 0.5) / np.where(above < -0.5, 3.0, 4.5)) ** 2) - (along / 13) ** 2)
    weight = length * joint * across * level
    moved = points + weight[:, None] * np.array([sign * 0.95, 0.0, up * 0.30])
    return Bone(Surface(moved, bone.surface.faces), bone.nodes, bone.elements)
