"""Attenuation of the posed bones: cortex, spongiosa with its strands, sacral foramina."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from monai_landmarks.simulate.anatomy import ACETABULUM, SACRUM, SIDES, Anatomy, Bone
from monai_landmarks.simulate.mesh import Surface
from monai_landmarks.simulate.projection import Projection
from monai_landmarks.simulate.solids import ellipsoid, joined
from monai_landmarks.simulate.texture import directed_grain, smooth_noise

# Linear attenuation in 1/mm near 55 keV, less that of the soft tissue bone takes the place of.
CORTEX = 0.043
SPONGIOSA = 0.0115
Window = tuple[slice, slice]


@dataclass(frozen=True)
class Texture:
    """Random fields: grain (orientations, rows, columns) of trabeculae, mottle (rows, columns)."""

    grain: np.ndarray
    mottle: np.ndarray

    def strands(self, window: Window, *groups: tuple[float, tuple[float, float]]) -> np.ndarray:
        """Sum over groups of strength times grain along a direction (column, row), within a window."""
        grain = self.grain[(slice(None), *window)]
        total: np.ndarray = np.sum([strength * directed_grain(grain, d) for strength, d in groups], axis=0)
        return total


def bone_attenuation(
    projection: Projection,
    surface: Surface,
    window: Window,
    cortex: np.ndarray | float,
    strands: np.ndarray,
    mottle: np.ndarray,
) -> np.ndarray:
    """Attenuation of one bone: a shell `cortex` mm thick around textured spongiosa.

    Args:
        projection: the view.
        surface: the bone's.
        window: rows and columns to compute; must hold the bone's projection.
        cortex: thickness of the shell, a number or one a vertex.
        strands: (rows, columns of the window) relative excess of spongiosa.
        mottle: (rows, columns of the image) slow variation.
    """
    outer = projection.path_length(surface)[window]
    inner = np.clip(projection.path_length(surface.inset(cortex))[window], 0, np.maximum(outer - 0.7, 0))
    spots = mottle[window]
    shell = CORTEX * (outer - inner) * (1 + 0.05 * spots)
    attenuation: np.ndarray = shell + SPONGIOSA * inner * (1 + strands + 0.07 * spots)
    return attenuation


def skeleton_attenuation(
    projection: Projection, anatomy: Anatomy, texture: Texture, rng: np.random.Generator
) -> np.ndarray:
    """Attenuation (rows, columns) of pelvis, sacrum and femurs."""
    total = np.zeros(projection.shape, dtype=np.float32)
    _add_pelvis(total, projection, anatomy.pelvis, texture, rng)
    for side in SIDES:
        _add_femur(total, projection, anatomy, side, texture, rng)
    return total


def _add_pelvis(
    total: np.ndarray, projection: Projection, pelvis: Bone, texture: Texture, rng: np.random.Generator
) -> None:
    """Pelvis and sacrum, with dense acetabular roofs and sacral foramina."""
    vertices = pelvis.surface.vertices
    cortex = np.full(len(vertices), rng.uniform(0.9, 1.35))
    for elements in ACETABULUM:
        roof = np.isin(pelvis.elements, elements)
        cortex[roof] += rng.uniform(0.6, 1.8) * np.clip(-pelvis.surface.normals[roof, 2], 0, 1)
    cortex[np.isin(pelvis.elements, SACRUM)] *= 0.75
    window = projection.window(pelvis.surface)
    strands = texture.strands(window, (0.13, (0.3, 1.0)), (0.09, (1.0, 0.2)))
    attenuation = bone_attenuation(projection, pelvis.surface, window, cortex, strands, texture.mottle)
    total[window] += attenuation
    holes = _foramina(pelvis, rng)
    window = projection.window(holes, margin=8)
    missing = SPONGIOSA * ndimage.gaussian_filter(projection.path_length(holes)[window], 2.2)
    total[window] -= np.minimum(missing, 0.45 * total[window])


def _foramina(pelvis: Bone, rng: np.random.Generator) -> Surface:
    """Four pairs of holes along the sacrum."""
    sacrum = pelvis.vertices_of(SACRUM)
    top, bottom = pelvis.nodes[1300], sacrum[np.argmin(sacrum[:, 2])]
    holes = []
    for number, along in enumerate((0.30, 0.47, 0.62, 0.75)):
        for side in (-1, 1):
            spread = side * (19.0 - 2.4 * number) + rng.normal(0, 1)
            centre = top + along * (bottom - top) + np.array([spread, 0, rng.normal(0, 1.2)])
            holes.append(ellipsoid(centre, np.array([6.4 - 0.6 * number, 9.0, 4.6 - 0.4 * number])))
    return joined(holes)


def _add_femur(
    total: np.ndarray,
    projection: Projection,
    anatomy: Anatomy,
    side: str,
    texture: Texture,
    rng: np.random.Generator,
) -> None:
    """A proximal femur: thick shaft, dense calcar, strands along the lines of load."""
    femur, head = anatomy.femurs[side], anatomy.head_centres[side]
    vertices = femur.surface.vertices
    lateral = 1 if side == "left" else -1
    depth = np.clip((head[2] - 42 - vertices[:, 2]) / 75, 0, 1)
    calcar = head + np.array([lateral * 12.0, 8.0, -34.0])
    near = np.exp(-((vertices - calcar) ** 2).sum(axis=1) / (2 * 13.0**2))
    cortex = rng.uniform(0.85, 1.25) + rng.uniform(3.6, 5.6) * depth**1.1 + 1.8 * near
    window = projection.window(femur.surface)
    x, z = projection.plane_coordinates(float(head[1]))
    x, z = x[:, window[1]], z[window[0]]
    load = np.exp(-(((x - head[0] - lateral * 6) / 22) ** 2 + ((z - head[2] + 4) / 30) ** 2)).astype(np.float32)
    # The compressive group runs from the head's dome to the calcar, the tensile group arches from the lateral
    # cortex to the head. Ward's triangle and the greater trochanter hold little bone, the head much.
    compressive = texture.strands(window, (1.0, (lateral * 0.38, 1.0)))
    tensile = texture.strands(window, (0.10, (lateral * 1.0, 0.45)))
    excess = (0.10 + 0.14 * load) * compressive + tensile + 0.75 * load - 0.28
    total[window] += bone_attenuation(projection, femur.surface, window, cortex, excess, texture.mottle)


def uneven_density(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Factor (rows, columns) on all bone: a patient's mineral density and its slow variation."""
    density: np.ndarray = rng.uniform(0.78, 1.15) * (1 + 0.06 * smooth_noise(shape, 90, rng))
    return density
