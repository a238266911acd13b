"""What the shape model lacks and a pelvis radiograph shows: the lower lumbar spine and the coccyx."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from monai_landmarks.simulate.anatomy import SACRUM, Bone
from monai_landmarks.simulate.mesh import Surface, rotation
from monai_landmarks.simulate.projection import Projection
from monai_landmarks.simulate.skeleton import SPONGIOSA, Texture, bone_attenuation
from monai_landmarks.simulate.solids import ellipsoid, joined, tube

# Where a vertebra's arch has its parts, in units of the body's (half width to the side, mm behind, height up), and
# their radii in the same units: pedicle, transverse process, upper and lower joint process, lamina.
ARCH = (
    ((0.68, 20.0, 0.14), (0.17, 9.0, 0.24)),
    ((1.32, 25.0, 0.14), (0.66, 4.5, 0.12)),
    ((0.60, 33.0, 0.45), (0.20, 6.0, 0.30)),
    ((0.64, 33.0, -0.42), (0.22, 5.0, 0.30)),
    ((0.32, 37.0, 0.02), (0.30, 3.0, 0.26)),
)


def axial_attenuation(projection: Projection, pelvis: Bone, texture: Texture, rng: np.random.Generator) -> np.ndarray:
    """Attenuation (rows, columns) of three lumbar vertebrae above the sacrum and of the coccyx below it."""
    total = np.zeros(projection.shape, dtype=np.float32)
    sacrum = pelvis.vertices_of(SACRUM)
    total += 2.2 * SPONGIOSA * projection.path_length(_coccyx(sacrum[np.argmin(sacrum[:, 2])], rng))
    width = rng.uniform(45, 54)
    # Lordosis: L5 leans with the sacral plateau, the vertebrae above straighten up.
    centre = pelvis.nodes[1300] + np.array([0.0, -14.0, 20.0])
    for number, (lean, back) in enumerate(((20.0, -6.0), (10.0, -2.0), (2.0, 0.0))):
        size = (width * (1 - 0.035 * number), 27.0 + number)
        turn = rotation(0, lean + rng.normal(0, 3))
        body = _body(*size).moved(turn, np.zeros(3), centre)
        window = projection.window(body)
        strands = texture.strands(window, (0.16, (0.05, 1.0)), (0.06, (1.0, 0.0)))
        total[window] += bone_attenuation(projection, body, window, 0.8, strands, texture.mottle)
        arch = _arch(*size, rng).moved(turn, np.zeros(3), centre)
        window = projection.window(arch, margin=4)
        total[window] += 1.7 * SPONGIOSA * ndimage.gaussian_filter(projection.path_length(arch)[window], 0.8)
        centre = centre + np.array([rng.normal(0, 1.5), back, 37.0 + number])
    return total


def _coccyx(tip: np.ndarray, rng: np.random.Generator) -> Surface:
    """Three segments below the sacrum's tip."""
    centre = tip + np.array([0.0, 0.0, -6.5])
    bend = rng.normal(0, 1.2)
    segments = []
    for number in range(3):
        segments.append(ellipsoid(centre, np.array([9.5 - 2.4 * number, 4.0, 4.8 - 0.6 * number])))
        centre = centre + np.array([bend, -3.0 - 1.5 * number, -9.0 + number])
    return joined(segments)


def _body(width: float, height: float) -> Surface:
    """A lumbar vertebra's body around the origin."""
    z = np.linspace(-height / 2, height / 2, 15)
    waist = 1 - 0.10 * np.cos(np.pi * z / height) ** 2
    # Rounded rims: flat end plates seen edge on would be hairlines.
    waist[[0, -1]] *= 0.72
    waist[[1, -2]] *= 0.985
    z[[1, -2]] = z[[0, -1]] + np.array([1.0, -1.0])
    return tube(z, width / 2 * waist, 17.0 * waist, exponent=2.6)


def _arch(width: float, height: float, rng: np.random.Generator) -> Surface:
    """Pedicles, processes and laminae behind a body around the origin."""
    unit = np.array([width / 2, 1.0, height])
    sides = [np.array([side, 1.0, 1.0]) for side in (-1, 1)]
    parts = [ellipsoid(unit * place * side, unit * radii) for place, radii in ARCH for side in sides]
    spinous = ellipsoid(unit * (0.0, 52.0, -0.18) + (rng.normal(0, 1), 0, 0), unit * (0.12, 13.0, 0.36))
    return joined([*parts, spinous])
