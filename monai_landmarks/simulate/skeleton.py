"""Attenuation of bone: cortex, spongiosa with its strands, and what the shape model lacks (spine, coccyx)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from monai_landmarks.simulate.anatomy import ACETABULUM, SACRUM, SIDES, Anatomy, Bone
from monai_landmarks.simulate.mesh import Surface, rotation
from monai_landmarks.simulate.projection import Projection
from monai_landmarks.simulate.solids import ellipsoid, joined, tube
from monai_landmarks.simulate.texture import directed_grain, smooth_noise

# Linear attenuation in 1/mm near 55 keV, less that of the soft tissue bone takes the place of.
CORTEX = 0.043
SPONGIOSA = 0.0115


@dataclass(frozen=True)
class Texture:
    """Random fields: grain (orientations, rows, columns) of trabeculae, mottle (rows, columns)."""

    grain: np.ndarray
    mottle: np.ndarray


def bone_attenuation(
    projection: Projection,
    surface: Surface,
    cortex: np.ndarray | float,
    strands: np.ndarray,
    mottle: np.ndarray,
) -> np.ndarray:
    """Attenuation (rows, columns) of one bone: a shell `cortex` mm thick around textured spongiosa."""
    outer = projection.path_length(surface)
    inner = np.clip(projection.path_length(surface.inset(cortex)), 0, np.maximum(outer - 0.7, 0))
    attenuation: np.ndarray = CORTEX * (outer - inner) * (1 + 0.05 * mottle) + SPONGIOSA * inner * (
        1 + strands + 0.07 * mottle
    )
    return attenuation


def pelvis_attenuation(
    projection: Projection, pelvis: Bone, texture: Texture, rng: np.random.Generator
) -> np.ndarray:
    """Attenuation of the pelvis and sacrum, with dense acetabular roofs and sacral foramina."""
    vertices = pelvis.surface.vertices
    cortex = np.full(len(vertices), rng.uniform(0.9, 1.35))
    for elements in ACETABULUM:
        roof = np.isin(pelvis.elements, elements)
        cortex[roof] += rng.uniform(0.6, 1.8) * np.clip(-pelvis.surface.normals[roof, 2], 0, 1)
    cortex[np.isin(pelvis.elements, SACRUM)] *= 0.75
    strands = 0.13 * directed_grain(texture.grain, (0.3, 1.0)) + 0.09 * directed_grain(
        texture.grain, (1.0, 0.2)
    )
    attenuation = bone_attenuation(projection, pelvis.surface, cortex, strands, texture.mottle)
    foramina = _foramina(projection, pelvis, rng)
    return attenuation - SPONGIOSA * np.minimum(foramina, 0.45 * attenuation / SPONGIOSA)


def femur_attenuation(
    projection: Projection, anatomy: Anatomy, side: str, texture: Texture, rng: np.random.Generator
) -> np.ndarray:
    """Attenuation of a proximal femur: thick shaft, dense calcar, strands along the lines of load."""
    femur, head = anatomy.femurs[side], anatomy.head_centres[side]
    vertices = femur.surface.vertices
    lateral = 1 if side == "left" else -1
    depth = np.clip((head[2] - 42 - vertices[:, 2]) / 75, 0, 1)
    calcar = head + np.array([lateral * 12.0, 8.0, -34.0])
    near = np.exp(-((vertices - calcar) ** 2).sum(axis=1) / (2 * 13.0**2))
    cortex = rng.uniform(0.85, 1.25) + rng.uniform(3.6, 5.6) * depth**1.1 + 1.8 * near
    # The compressive group runs from the head's dome to the calcar, the tensile group arches from the lateral
    # cortex to the head.
    compressive = directed_grain(texture.grain, (lateral * 0.38, 1.0))
    tensile = directed_grain(texture.grain, (lateral * 1.0, 0.45))
    x, z = projection.plane_coordinates(float(head[1]))
    inside = np.exp(-(((x - head[0] - lateral * 6) / 22) ** 2 + ((z - head[2] + 4) / 30) ** 2)).astype(
        np.float32
    )
    strands = (0.10 + 0.14 * inside) * compressive + 0.10 * tensile
    # Ward's triangle and the greater trochanter hold little bone, the head much.
    richness = (0.72 + 0.75 * inside).astype(np.float32) - 1
    return bone_attenuation(projection, femur.surface, cortex, strands + richness, texture.mottle)


def _foramina(projection: Projection, pelvis: Bone, rng: np.random.Generator) -> np.ndarray:
    """Path length (rows, columns) in mm missing in the sacral foramina."""
    sacrum = pelvis.vertices_of(SACRUM)
    top, bottom = pelvis.nodes[1300], sacrum[np.argmin(sacrum[:, 2])]
    holes = []
    for number, along in enumerate((0.30, 0.47, 0.62, 0.75)):
        for side in (-1, 1):
            spread = side * (19.0 - 2.4 * number) + rng.normal(0, 1)
            centre = top + along * (bottom - top) + np.array([spread, 0, rng.normal(0, 1.2)])
            holes.append(ellipsoid(centre, np.array([6.4 - 0.6 * number, 9.0, 4.6 - 0.4 * number])))
    return ndimage.gaussian_filter(projection.path_length(joined(holes)), 2.2)


def axial_attenuation(
    projection: Projection, pelvis: Bone, texture: Texture, rng: np.random.Generator
) -> np.ndarray:
    """Attenuation of the lower lumbar spine above the sacrum and of the coccyx below it."""
    sacrum = pelvis.vertices_of(SACRUM)
    tip = sacrum[np.argmin(sacrum[:, 2])]
    attenuation = _coccyx(projection, tip, rng)
    strands = 0.16 * directed_grain(texture.grain, (0.05, 1.0)) + 0.06 * directed_grain(
        texture.grain, (1.0, 0.0)
    )
    width = rng.uniform(45, 54)
    # Lordosis: L5 leans with the sacral plateau, the vertebrae above straighten up.
    centre = pelvis.nodes[1300] + np.array([0.0, -14.0, 20.0])
    for number, lean in enumerate((20.0, 10.0, 2.0)):
        body, arch = _vertebra(
            centre, width * (1 - 0.035 * number), 27.0 + number, lean + rng.normal(0, 3), rng
        )
        attenuation = attenuation + bone_attenuation(projection, body, 0.8, strands, texture.mottle)
        attenuation = attenuation + 1.7 * SPONGIOSA * ndimage.gaussian_filter(
            projection.path_length(arch), 0.8
        )
        centre = centre + np.array([rng.normal(0, 1.5), (-6.0, -2.0, 0.0)[number], 37.0 + number])
    return attenuation


def _coccyx(projection: Projection, tip: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    centre = tip + np.array([0.0, 0.0, -6.5])
    bend = rng.normal(0, 1.2)
    segments = []
    for number in range(3):
        segments.append(ellipsoid(centre, np.array([9.5 - 2.4 * number, 4.0, 4.8 - 0.6 * number])))
        centre = centre + np.array([bend, -3.0 - 1.5 * number, -9.0 + number])
    surface = joined(segments)
    return SPONGIOSA * 2.2 * projection.path_length(surface)


def _vertebra(
    centre: np.ndarray, width: float, height: float, lean: float, rng: np.random.Generator
) -> tuple[Surface, Surface]:
    """A lumbar vertebra's body, and its arch with pedicles and processes."""
    z = np.linspace(-height / 2, height / 2, 15)
    waist = 1 - 0.10 * np.cos(np.pi * z / height) ** 2
    # Rounded rims: flat end plates seen edge on would be hairlines.
    waist[[0, -1]] *= 0.72
    waist[[1, -2]] *= 0.985
    z[[1, -2]] = z[[0, -1]] + np.array([1.0, -1.0])
    body = tube(z, width / 2 * waist, 17.0 * waist, exponent=2.6)
    parts = []
    for side in (-1, 1):
        parts += [
            ellipsoid(
                np.array([side * width * 0.34, 20.0, height * 0.14]),
                np.array([width * 0.085, 9.0, height * 0.24]),
            ),
            ellipsoid(
                np.array([side * width * 0.66, 25.0, height * 0.14]),
                np.array([width * 0.33, 4.5, height * 0.12]),
            ),
            ellipsoid(
                np.array([side * width * 0.30, 33.0, height * 0.45]),
                np.array([width * 0.10, 6.0, height * 0.30]),
            ),
            ellipsoid(
                np.array([side * width * 0.32, 33.0, -height * 0.42]),
                np.array([width * 0.11, 5.0, height * 0.30]),
            ),
            ellipsoid(
                np.array([side * width * 0.16, 37.0, height * 0.02]),
                np.array([width * 0.15, 3.0, height * 0.26]),
            ),
        ]
    parts.append(
        ellipsoid(
            np.array([rng.normal(0, 1), 52.0, -height * 0.18]), np.array([width * 0.06, 13.0, height * 0.36])
        )
    )
    turn, target = rotation(0, lean), np.asarray(centre)
    return body.moved(turn, np.zeros(3), target), joined(parts).moved(turn, np.zeros(3), target)


def skeleton_attenuation(
    projection: Projection, anatomy: Anatomy, texture: Texture, rng: np.random.Generator
) -> np.ndarray:
    """Attenuation (rows, columns) of every bone of the pelvis view."""
    total = pelvis_attenuation(projection, anatomy.pelvis, texture, rng)
    for side in SIDES:
        total = total + femur_attenuation(projection, anatomy, side, texture, rng)
    total = total + axial_attenuation(projection, anatomy.pelvis, texture, rng)
    uneven = 1 + 0.06 * smooth_noise(projection.shape, 90, rng)
    density = rng.uniform(0.78, 1.15)
    skeleton: np.ndarray = density * uneven * total
    return skeleton
