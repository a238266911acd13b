"""One patient's pelvis and proximal limbs: drawn from the shape model, seated in the hip joints, posed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monai_landmarks.simulate.mesh import Surface, fit_sphere, move, rotation
from monai_landmarks.simulate.shape_model import ShapeModel

# Node numbers in the LLP26 atlas (right, left) and elements of its bones.
ASIS = (466, 1004)
PUBIC_TUBERCLE = (103, 642)
ACETABULUM = ((36, 38, 39, 40, 41, 42), (109, 111, 112, 113, 114, 115))
HEMIPELVIS = (range(0, 73), range(73, 146))
SACRUM = range(146, 260)
HEAD_ELEMENTS = range(0, 8)
SIDES = ("right", "left")
Range = tuple[float, float]


@dataclass(frozen=True)
class PoseRanges:
    """Ranges, in degrees and mm, that a patient's anatomy and position are drawn from, each uniformly."""

    spread: float = 0.9
    asymmetry: float = 0.12
    size: Range = (0.94, 1.06)
    joint_space: Range = (3.0, 4.6)
    tilt: Range = (-9.0, 9.0)
    axial_rotation: Range = (-4.0, 4.0)
    obliquity: Range = (-3.0, 3.0)
    hip_rotation: Range = (-8.0, 16.0)
    hip_adduction: Range = (-6.0, 4.0)


@dataclass(frozen=True)
class Bone:
    """A posed bone.

    Attributes:
        surface: its closed surface, mm, axes x left, y posterior, z superior, origin between the pubic
            tubercles.
        nodes: (nodes, 3) positions of the atlas nodes.
        elements: (N,) the atlas element of each vertex.
    """

    surface: Surface
    nodes: np.ndarray
    elements: np.ndarray

    def moved(self, matrix: np.ndarray, centre: np.ndarray, target: np.ndarray) -> Bone:
        """Rotated about `centre`, which then comes to lie at `target`."""
        return Bone(
            self.surface.moved(matrix, centre, target),
            move(self.nodes, matrix, centre, target),
            self.elements,
        )

    def vertices_of(self, elements: range | tuple[int, ...]) -> np.ndarray:
        """Vertices (n, 3) that belong to any of the elements."""
        return self.surface.vertices[np.isin(self.elements, elements)]


@dataclass(frozen=True)
class Anatomy:
    """Pelvis with sacrum, and by side ("right", "left") femurs, head centres (3,) and head radii in mm."""

    pelvis: Bone
    femurs: dict[str, Bone]
    head_centres: dict[str, np.ndarray]
    head_radii: dict[str, float]


def draw_anatomy(model: ShapeModel, ranges: PoseRanges, rng: np.random.Generator) -> Anatomy:
    """Draw a patient: shape, size, position on the table, position of the hips.

    The atlas knows the left limb only. The right one is mirrored; each limb's coefficients are the pelvis's
    mixed with a draw of its own (variance share `asymmetry`), so that the sides differ. Raw samples have the
    heads off the sockets: each head is put on the centre of the sphere fitted to its acetabulum and scaled to
    leave the joint space.
    """
    shared = model.draw(rng, ranges.spread)
    size = rng.uniform(*ranges.size)
    pelvis = _in_pelvic_frame(_bone(model, "pelvis", shared, size))
    pose = rotation(0, rng.uniform(*ranges.tilt))
    for axis, bounds in ((2, ranges.axial_rotation), (1, ranges.obliquity)):
        pose = np.einsum("ij,jk->ik", rotation(axis, rng.uniform(*bounds)), pose)
    femurs, centres, radii = {}, {}, {}
    for number, side in enumerate(SIDES):
        own = model.draw(rng, ranges.spread)
        mixed = np.sqrt(1 - ranges.asymmetry) * shared + np.sqrt(ranges.asymmetry) * own
        socket, socket_radius = fit_sphere(pelvis.vertices_of(ACETABULUM[number]))
        femur = _femur(_bone(model, "femur", mixed, size), socket_radius - rng.uniform(*ranges.joint_space), side)
        turn = rng.uniform(*ranges.hip_rotation), rng.uniform(*ranges.hip_adduction)
        hip = np.einsum("ij,jk->ik", rotation(1, _outward(side) * turn[1]), rotation(2, _outward(side) * turn[0]))
        centres[side] = move(socket, pose, np.zeros(3), np.zeros(3))
        # The limb follows the hip's own rotation only: the legs lie on the table whatever the pelvis does.
        femurs[side] = femur.moved(hip, np.zeros(3), centres[side])
        radii[side] = fit_sphere(femurs[side].vertices_of(HEAD_ELEMENTS))[1]
    return Anatomy(pelvis.moved(pose, np.zeros(3), np.zeros(3)), femurs, centres, radii)


def _outward(side: str) -> int:
    """Sign that turns a left limb's angle into the same movement of either limb."""
    return 1 if side == "left" else -1


def _bone(model: ShapeModel, name: str, coefficients: np.ndarray, size: float) -> Bone:
    nodes = size * model.nodes(name, coefficients)
    return Bone(model.templates[name].surface(nodes), nodes, model.templates[name].elements)


def _in_pelvic_frame(pelvis: Bone) -> Bone:
    """Turned so that ASIS and pubic tubercles lie in the plane y = 0, x along the ASIS, tubercles round 0."""
    right, left = (pelvis.nodes[node] for node in ASIS)
    pubis = pelvis.nodes[list(PUBIC_TUBERCLE)].mean(axis=0)
    x = (left - right) / np.linalg.norm(left - right)
    z = (left + right) / 2 - pubis
    z = z - x * (z @ x)
    z /= np.linalg.norm(z)
    return pelvis.moved(np.stack([x, np.cross(z, x), z]), pubis, np.zeros(3))


def _femur(left: Bone, radius: float, side: str) -> Bone:
    """A left femur with its head, of that radius, centred at the origin; mirrored for the right side."""
    centre, raw = fit_sphere(left.vertices_of(HEAD_ELEMENTS))
    scale = np.clip(radius / raw, 0.9, 1.15) * np.eye(3)
    bone = left.moved(scale, centre, np.zeros(3))
    if side == "left":
        return bone
    return Bone(bone.surface.mirrored(), bone.nodes * np.array([-1.0, 1.0, 1.0]), bone.elements)
