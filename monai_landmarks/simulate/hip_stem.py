"""The stem of a hip replacement in its femur."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from monai_landmarks.simulate.anatomy import Bone, Range
from monai_landmarks.simulate.mesh import Surface
from monai_landmarks.simulate.projection import Projection
from monai_landmarks.simulate.solids import along, tube

# Slope of the cut and of the stem's upper end, downward to the medial side; height of the shoulder.
SLOPE, SHOULDER = 0.95, 32.0
# Height of the cut above the body's seat; radii about the neck's axis within which bone goes and beyond which it stays.
CUT, GONE, KEPT = 18.0, 18.0, 27.0


@dataclass(frozen=True)
class Stem:
    """A stem in place.

    Attributes:
        body, neck: closed surfaces.
        tip: (3,) lower end.
        head: (3,) centre of the head on the neck.
        origin: (3,) where the axes of neck and shaft meet.
        seat: (3,) where the body sits on the shaft's axis.
        frame: (3, 3) columns medial, in the plane of the neck; backward or forward; up the shaft.
    """

    body: Surface
    neck: Surface
    tip: np.ndarray
    head: np.ndarray
    origin: np.ndarray
    seat: np.ndarray
    frame: np.ndarray

    def shoulder(self, projection: Projection) -> np.ndarray:
        """(row, column) of the upper lateral corner: the body's furthest point, 45 degrees above lateral."""
        pixels = projection.project(self.body.vertices)
        lateral = -np.sign(self.frame[0, 0])
        best: np.ndarray = pixels[np.argmax(lateral * pixels[:, 1] - pixels[:, 0])]
        return best


def slice_centre(femur: Bone, level: float) -> np.ndarray:
    """Middle (3,) of the extent of a horizontal slice of the bone, 10 mm thick."""
    vertices = femur.surface.vertices
    ring = vertices[np.abs(vertices[:, 2] - level) < 5]
    middle: np.ndarray = (ring.min(axis=0) + ring.max(axis=0)) / 2
    return middle


def shaft_axis(femur: Bone, head: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A point on the axis of the upper shaft, level with the head, and its upward direction (unit).

    A line is fitted to the middles of slices 90 to 160 mm below the head.
    """
    levels = head[2] - np.arange(90.0, 161.0, 10.0)
    points = np.array([slice_centre(femur, level) for level in levels])
    height = levels - levels.mean()
    slope = (height[:, None] * (points - points.mean(axis=0))).sum(axis=0) / (height**2).sum()
    slope[2] = 1.0
    start = np.array([*points[:, :2].mean(axis=0), levels.mean()])
    return start + slope * (head[2] - levels.mean()), slope / np.linalg.norm(slope)


def draw_stem(femur: Bone, head: np.ndarray, length: Range, neck_shaft: Range, rng: np.random.Generator) -> Stem:
    """A tapered stem along the shaft's axis whose neck ends in the middle of the head."""
    point, up = shaft_axis(femur, head)
    offset = head - point
    offset = offset - up * (offset @ up)
    reach = float(np.linalg.norm(offset))
    medial = offset / reach
    frame = np.stack([medial, np.cross(up, medial), up], axis=1)
    angle = np.deg2rad(180.0 - rng.uniform(*neck_shaft))
    foot = head - offset
    origin = foot - up * (reach / np.tan(angle))
    size = rng.uniform(0.92, 1.06) * np.clip(reach / 40.0, 0.85, 1.1)
    # A long neck would leave the body deep in the shaft: part of the length goes into the body's seat.
    seat = origin + up * 0.45 * max(0.0, reach - 40.0)
    body = _body(size, rng.uniform(*length)).moved(frame, np.zeros(3), seat)
    neck_axis = head - origin
    z = np.linspace(0.0, float(np.linalg.norm(neck_axis)), 24)
    width = size * (6.0 + 4.0 * np.clip(1 - z / 22.0, 0, 1))
    neck = tube(z, width, 0.92 * width, segments=40).moved(along(neck_axis), np.zeros(3), origin)
    return Stem(body, neck, body.vertices[-2], head, origin, seat, frame)


def _body(size: float, length: float) -> Surface:
    """The body in its own frame: x medial, z up, origin where the neck's axis starts; first cap the tip."""
    z = np.concatenate([-length + np.array([0.0, 0.8, 2.2, 4.5]), np.linspace(8.0 - length, SHOULDER * size, 60)])
    height = (z + length) / (length + SHOULDER * size)
    taper = np.interp(z + length, [0.0, 0.8, 2.2, 4.5], [0.25, 0.6, 0.85, 1.0])
    lateral = size * (4.6 + 4.0 * height + 1.6 * height**6) * taper
    flare = np.clip((z + 62.0 * size) / (72.0 * size), 0, 1.05)
    medial = size * ((4.6 + 3.0 * height) * taper + 11.5 * flare**2.6)
    depth = size * (4.6 + 2.6 * height) * taper
    straight = tube(z, (lateral + medial) / 2, depth, exponent=3.2, segments=64)
    middle = np.append(np.repeat((medial - lateral) / 2, 64), [0.0, (medial - lateral)[-1] / 2])
    vertices = straight.vertices + np.stack([middle, 0 * middle, 0 * middle], axis=1)
    # The upper end slopes down from the shoulder to the medial cut.
    edge = np.append(np.repeat(-lateral, 64), [0.0, -lateral[-1]])
    share = np.clip((vertices[:, 2] + 40 * size) / ((40 + SHOULDER) * size), 0, 1) ** 1.5
    vertices[:, 2] -= share * SLOPE * (vertices[:, 0] - edge)
    return Surface(vertices, straight.faces)


def resect(femur: Bone, stem: Stem) -> Bone:
    """The femur without head and neck: what lies above the cut is laid flat onto it, the trochanter stays."""
    local = np.einsum("ji,nj->ni", stem.frame, femur.surface.vertices - stem.origin)
    normal = np.array([SLOPE, 0.0, 1.0]) / np.hypot(SLOPE, 1.0)
    height = np.linalg.norm(stem.seat - stem.origin) + CUT
    above = np.einsum("nj,j->n", local - np.array([0.0, 0.0, height]), normal)
    neck = np.einsum("ji,j->i", stem.frame, stem.head - stem.origin)
    neck /= np.linalg.norm(neck)
    reach = np.einsum("nj,j->n", local, neck)
    # The head is wider than the neck.
    radius = np.linalg.norm(local - reach[:, None] * neck, axis=1) - 0.5 * np.clip(reach - 25.0, 0, None)
    share = np.clip((KEPT - radius) / (KEPT - GONE), 0, 1)
    local = local - (share * np.maximum(above, 0.0))[:, None] * normal
    vertices = np.einsum("ij,nj->ni", stem.frame, local) + stem.origin
    return replace(femur, surface=Surface(vertices, femur.surface.faces))
