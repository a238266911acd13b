"""Simple closed surfaces."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from monai_landmarks.simulate.mesh import Surface


@lru_cache(maxsize=8)
def _sphere_faces(rings: int, segments: int) -> np.ndarray:
    """Faces of `rings` rings of `segments` vertices in ascending z, then a vertex closing either end."""
    i, j = np.meshgrid(np.arange(rings - 1), np.arange(segments), indexing="ij")
    here, beside = i * segments + j, i * segments + (j + 1) % segments
    above, across = here + segments, beside + segments
    sides = np.concatenate(
        [
            np.stack([here, beside, across], -1).reshape(-1, 3),
            np.stack([here, across, above], -1).reshape(-1, 3),
        ]
    )
    ring = np.arange(segments)
    following, bottom, top = (ring + 1) % segments, rings * segments, rings * segments + 1
    last = (rings - 1) * segments
    caps = np.concatenate(
        [
            np.stack([np.full(segments, bottom), following, ring], -1),
            np.stack([np.full(segments, top), last + ring, last + following], -1),
        ]
    )
    return np.concatenate([sides, caps])


def tube(
    z: np.ndarray, half_width: np.ndarray, half_depth: np.ndarray, exponent: float = 2.0, segments: int = 48
) -> Surface:
    """A closed tube around the z axis with superelliptic cross-sections at ascending z (R,)."""
    angle = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    cosine, sine = np.cos(angle), np.sin(angle)
    radius = (np.abs(cosine) ** exponent + np.abs(sine) ** exponent) ** (-1 / exponent)
    x = half_width[:, None] * radius * cosine
    y = half_depth[:, None] * radius * sine
    rings = np.stack([x, y, np.broadcast_to(z[:, None], x.shape)], axis=-1).reshape(-1, 3)
    caps = np.array([[0.0, 0.0, z[0]], [0.0, 0.0, z[-1]]])
    return Surface(np.concatenate([rings, caps]), _sphere_faces(len(z), segments))


def ellipsoid(centre: np.ndarray, radii: np.ndarray, rings: int = 15, segments: int = 32) -> Surface:
    """An ellipsoid with its axes along the coordinate axes."""
    polar = np.linspace(0, np.pi, rings + 2)[1:-1]
    angle = np.linspace(0, 2 * np.pi, segments, endpoint=False)
    unit = np.stack(
        [
            np.outer(np.sin(polar), np.cos(angle)),
            np.outer(np.sin(polar), np.sin(angle)),
            np.repeat(-np.cos(polar)[:, None], segments, axis=1),
        ],
        axis=-1,
    ).reshape(-1, 3)
    points = np.concatenate([unit, [[0.0, 0.0, -1.0], [0.0, 0.0, 1.0]]])
    return Surface(points * radii + centre, _sphere_faces(rings, segments))


def joined(surfaces: list[Surface]) -> Surface:
    """Several closed surfaces as one; where they overlap, path lengths add."""
    offsets = np.cumsum([0, *(len(s.vertices) for s in surfaces[:-1])])
    faces = np.concatenate([s.faces + offset for s, offset in zip(surfaces, offsets)])
    return Surface(np.concatenate([s.vertices for s in surfaces]), faces)


def along(direction: np.ndarray) -> np.ndarray:
    """A rotation (3, 3) that turns the z axis into a direction (3,)."""
    z = direction / np.linalg.norm(direction)
    # The coordinate axis furthest from it spans the rest of the frame.
    x = np.cross(z, np.eye(3)[np.argmin(np.abs(z))])
    x /= np.linalg.norm(x)
    return np.stack([np.cross(x, z), x, z], axis=1)
