"""Attenuation of a posed knee's bones: thin shells at the joint, thick ones along the shafts, directed strands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from monai_landmarks.simulate.anatomy import Bone
from monai_landmarks.simulate.knee_anatomy import Knee
from monai_landmarks.simulate.projection import Projection
from monai_landmarks.simulate.skeleton import SPONGIOSA, Texture, bone_attenuation
from monai_landmarks.simulate.solids import ellipsoid
from monai_landmarks.simulate.texture import smooth_noise

FABELLA_SHARE = 0.12


@dataclass(frozen=True)
class LongBone:
    """How one long bone is built, by the distance from its joint in mm.

    Attributes:
        facing: 1 if the joint's surface looks up, -1 if down.
        change: distances between which the end's build becomes the shaft's.
        shell: thickness of the cortex at the end and in the shaft, and what the joint's plate adds.
        scar: distance of the closed growth plate's scar.
        load: excess of spongiosa under the joint's surface, and what the medial side has more than the lateral.
        reach: how deep that excess goes.
    """

    facing: int
    change: tuple[float, float]
    shell: tuple[float, float, float]
    scar: float
    load: tuple[float, float]
    reach: float

    def rise(self, distance: np.ndarray) -> np.ndarray:
        """0 at the end, 1 in the shaft."""
        t = np.clip((distance - self.change[0]) / (self.change[1] - self.change[0]), 0, 1)
        smooth: np.ndarray = t * t * (3 - 2 * t)
        return smooth


FEMUR = LongBone(-1, (30.0, 105.0), (0.80, 4.6, 0.7), 29.0, (0.35, 0.0), 10.0)
TIBIA = LongBone(1, (24.0, 100.0), (0.75, 4.8, 1.1), 15.0, (0.40, 0.25), 8.0)
FIBULA = LongBone(1, (12.0, 70.0), (0.60, 2.6, 0.2), 12.0, (0.10, 0.0), 8.0)


def knee_attenuation(
    projection: Projection,
    knee: Knee,
    texture: Texture,
    rng: np.random.Generator,
    femur: LongBone = FEMUR,
    tibia: LongBone = TIBIA,
) -> np.ndarray:
    """Attenuation (rows, columns) of femur, tibia, fibula, patella and, in some, a fabella."""
    total = np.zeros(projection.shape, dtype=np.float32)
    strength = rng.uniform(0.8, 1.2)
    wander = smooth_noise(projection.shape, 60, rng)
    for bone, build in ((knee.femur, femur), (knee.tibia, tibia), (knee.fibula, FIBULA)):
        _add_long_bone(total, projection, bone, build, knee.lateral, strength, texture, wander)
    window = projection.window(knee.patella.surface)
    strands = texture.strands(window, (0.07, (0.2, 1.0)), (0.05, (1.0, 0.3))) - 0.2
    total[window] += bone_attenuation(projection, knee.patella.surface, window, 0.7 * strength, strands, texture.mottle)
    if rng.random() < FABELLA_SHARE:
        back = knee.femur.surface.vertices[:, 1].max()
        centre = np.array([knee.lateral * rng.uniform(18, 26), back + 6.0, rng.uniform(0, 14)])
        fabella = ellipsoid(centre, rng.uniform(2.6, 5.0) * np.array([1.0, 0.8, 1.2]))
        total += 2.6 * SPONGIOSA * projection.path_length(fabella)
    return total


def _add_long_bone(
    total: np.ndarray,
    projection: Projection,
    bone: Bone,
    build: LongBone,
    lateral: int,
    strength: float,
    texture: Texture,
    wander: np.ndarray,
) -> None:
    """One of the long bones.

    Args:
        total: attenuation it is added to.
        projection: the view.
        bone: the posed bone.
        build: how it is made.
        lateral: sign of x towards the lateral side.
        strength: factor on the thickness of the cortex.
        texture: grain and mottle.
        wander: smooth noise of unit variance that bends the growth plate's scar.
    """
    points, facing = bone.surface.vertices, bone.surface.normals[:, 2]
    height = float((build.facing * points[:, 2]).max())
    distance = height - build.facing * points[:, 2]
    end, shaft, plate = build.shell
    change = build.rise(distance)
    bearing = np.clip(build.facing * facing, 0, 1) ** 2 * (distance < 22)
    cortex = strength * (end + (shaft - end) * change**1.2 + plate * bearing)
    window = projection.window(bone.surface)
    near = points[distance < 60]
    x, z = projection.plane_coordinates(float(near[:, 1].mean()))
    x, z = x[:, window[1]], z[window[0]]
    depth = height - build.facing * z
    medial = np.clip(-lateral * (x - near[:, 0].mean()) / 30, -1, 1)
    under = np.exp(-((np.clip(depth - 6, 0, None) / build.reach) ** 2))
    scar = np.exp(-(((depth - build.scar - 2.2 * wander[window]) / 1.1) ** 2))
    marrow = build.rise(depth)
    excess = (build.load[0] + 0.5 * build.load[1] * medial) * under + 0.16 * scar - 0.85 * marrow
    # Compressive strands run the length of the end; the grain's own are too short for it.
    upright = ndimage.gaussian_filter1d(texture.strands(window, (1.0, (0.05, 1.0))), 0.8 / projection.spacing, axis=0)
    crossing = texture.strands(window, (0.05, (1.0, 0.1)), (0.03, (0.7, 0.7)), (0.03, (-0.7, 0.7)))
    excess = (excess + (0.18 * upright + crossing) * (1 - 0.6 * marrow)).astype(np.float32)
    total[window] += bone_attenuation(projection, bone.surface, window, cortex, excess, texture.mottle)
