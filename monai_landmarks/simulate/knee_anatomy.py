"""One patient's knee: distal femur, patella, tibia and fibula drawn from the shape model, seated and posed.

Everything is built as a left knee, x lateral, and mirrored for a right one. The origin lies between the
epicondyles; z follows the femur's mechanical axis before the limb is posed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.spatial import cKDTree

from monai_landmarks.simulate.anatomy import HEAD_ELEMENTS, Bone, Range
from monai_landmarks.simulate.mesh import Surface, fit_sphere, rotation
from monai_landmarks.simulate.shape_model import ShapeModel

# Node numbers in the LLP26 atlas (medial, lateral) and elements of its bones.
EPICONDYLE = (630, 550)
PLATEAU_EDGE = (239, 221)
TIBIA = range(0, 46)
FIBULA = range(46, 88)
ANKLE_ELEMENTS = range(16, 24)
BONES = ("femur", "patella", "tibia")
# The epicondyles' axis is turned out against the condyles' back, the plateau's corners against its width.
EPICONDYLE_TURN = 4.0
PLATEAU_TURN = -2.6
# From the middle between the plateau's corners to its centre, mm.
PLATEAU_CENTRE = np.array([1.0, 9.5, 3.5])
# The atlas smooths the eminence to one dome: what makes two tubercles of it. x, y, width, length, height in mm.
TUBERCLES = ((-6.5, 1.0, 2.6, 6.5, 3.4), (6.5, 3.0, 2.6, 6.0, 2.4), (0.4, 2.0, 3.0, 8.0, -2.6))
KneeSide = Literal["L", "R"]


@dataclass(frozen=True)
class KneeRanges:
    """Ranges, in degrees and mm, that a knee's anatomy and position are drawn from, each uniformly.

    Attributes:
        spread: of the shape model's coefficients, in standard deviations.
        size: scale of all bones.
        medial_space, lateral_space: narrowest distance between femur and tibia in either compartment.
        flexion: of the knee.
        rotation: of the limb about its length, outward positive.
        tilt: of the limb against the detector, seen from the side.
        obliquity: of the limb in the image.
        patella_height: of the patella's lower pole above the femur's lowest point.
        patella_shift: of the patella to the lateral side.
    """

    spread: float = 0.9
    size: Range = (0.92, 1.08)
    medial_space: Range = (3.2, 5.6)
    lateral_space: Range = (3.8, 6.4)
    flexion: Range = (0.0, 7.0)
    rotation: Range = (-7.0, 7.0)
    tilt: Range = (-4.0, 6.0)
    obliquity: Range = (-4.0, 4.0)
    patella_height: Range = (8.0, 22.0)
    patella_shift: Range = (0.0, 6.0)


@dataclass(frozen=True)
class Knee:
    """A posed knee of one side; `tibia` keeps the atlas nodes of tibia and fibula both."""

    side: KneeSide
    femur: Bone
    tibia: Bone
    fibula: Bone
    patella: Bone

    @property
    def lateral(self) -> int:
        """Sign of x towards the lateral side."""
        return 1 if self.side == "L" else -1

    @property
    def bones(self) -> tuple[Bone, ...]:
        """Every bone."""
        return self.femur, self.tibia, self.fibula, self.patella


def draw_knee(model: ShapeModel, ranges: KneeRanges, rng: np.random.Generator) -> Knee:
    """Draw a knee: shape, size, joint space, flexion, position and side.

    In raw samples the bones overlap by centimetres. The tibia is put under the femur, tilted and moved along
    its axis until both compartments have the joint space drawn; the patella is put before the groove.
    """
    femur, shank, patella = framed_bones(
        model, model.draw(rng, ranges.spread), rng.uniform(*ranges.size), rng.uniform(0.7, 1.2)
    )
    shank = seated(shank, femur, (rng.uniform(*ranges.medial_space), rng.uniform(*ranges.lateral_space)))
    posed = posed_bones(femur, shank, patella, ranges, rng)
    return knee_of("L" if rng.random() < 0.5 else "R", posed)


def framed_bones(
    model: ShapeModel, coefficients: np.ndarray, size: float, prominence: float
) -> tuple[Bone, Bone, Bone]:
    """Femur, tibia with fibula, and patella of a left knee, before they are put together.

    The femur's origin lies between the epicondyles, the tibia's in the plateau's centre; x is lateral, z up.

    Args:
        model: the shape model.
        coefficients: of its modes.
        size: scale of all bones.
        prominence: of the tubercles of the intercondylar eminence.
    """
    raw = {name: _raw(model, name, coefficients, size) for name in BONES}
    return _framed_femur(raw["femur"]), _with_tubercles(_framed_tibia(raw["tibia"]), prominence), raw["patella"]


def posed_bones(femur: Bone, shank: Bone, patella: Bone, ranges: KneeRanges, rng: np.random.Generator) -> list[Bone]:
    """Femur, tibia, fibula and patella of a left knee, flexed and in position; the shank is seated already."""
    shank = shank.moved(rotation(0, rng.uniform(*ranges.flexion)), np.zeros(3), np.zeros(3))
    patella = _placed_patella(patella, femur, rng.uniform(*ranges.patella_shift), rng.uniform(*ranges.patella_height))
    posed = [femur, _part(shank, TIBIA), _part(shank, FIBULA), patella]
    for axis, bounds in ((2, ranges.rotation), (0, ranges.tilt), (1, ranges.obliquity)):
        turn = rotation(axis, rng.uniform(*bounds))
        posed = [bone.moved(turn, np.zeros(3), np.zeros(3)) for bone in posed]
    return posed


def knee_of(side: KneeSide, bones: list[Bone]) -> Knee:
    """The knee of a side from the posed bones of a left one."""
    return Knee(side, *(bones if side == "L" else [mirrored(bone) for bone in bones]))


def mirrored(bone: Bone) -> Bone:
    """Mirror image in x = 0."""
    return Bone(bone.surface.mirrored(), bone.nodes * np.array([-1.0, 1.0, 1.0]), bone.elements)


def _raw(model: ShapeModel, name: str, coefficients: np.ndarray, size: float) -> Bone:
    nodes = size * model.nodes(name, coefficients)
    return Bone(model.templates[name].surface(nodes), nodes, model.templates[name].elements)


def _axes(z: np.ndarray, across: np.ndarray, turn: float) -> np.ndarray:
    """Rotation (3, 3) into the frame with that z axis and x near `across`, turned by degrees about z."""
    z = z / np.linalg.norm(z)
    x = across - z * (z @ across)
    x /= np.linalg.norm(x)
    return np.einsum("ij,jk->ik", rotation(2, turn), np.stack([x, np.cross(z, x), z]))


def _framed_femur(bone: Bone) -> Bone:
    """Origin between the epicondyles, z towards the head, x lateral along the condyles' back."""
    medial, lateral = (bone.nodes[node] for node in EPICONDYLE)
    middle = (medial + lateral) / 2
    head = fit_sphere(bone.vertices_of(HEAD_ELEMENTS))[0]
    return bone.moved(_axes(head - middle, lateral - medial, EPICONDYLE_TURN), middle, np.zeros(3))


def _framed_tibia(bone: Bone) -> Bone:
    """Origin at the plateau's centre, z away from the ankle, x lateral."""
    medial, lateral = (bone.nodes[node] for node in PLATEAU_EDGE)
    middle = (medial + lateral) / 2
    ankle = bone.vertices_of(ANKLE_ELEMENTS).mean(axis=0)
    return bone.moved(_axes(middle - ankle, lateral - medial, PLATEAU_TURN), middle, -PLATEAU_CENTRE)


def _with_tubercles(shank: Bone, prominence: float) -> Bone:
    """The plateau's eminence with a medial and a lateral tubercle and a groove between them."""

    def raised(points: np.ndarray) -> np.ndarray:
        x, y, z = points.T
        top = np.clip((z + 6) / 6, 0, 1)
        rise = sum(
            height * np.exp(-(((x - place) / width) ** 2) / 2 - (((y - behind) / length) ** 2) / 2)
            for place, behind, width, length, height in TUBERCLES
        )
        return points + np.stack([np.zeros_like(x), np.zeros_like(x), prominence * top * rise], axis=1)

    return Bone(Surface(raised(shank.surface.vertices), shank.surface.faces), raised(shank.nodes), shank.elements)


def compartment_gaps(femur: Bone, shank: Bone) -> np.ndarray:
    """Narrowest vertical distance (medial, lateral) in mm between femur and plateau in the frame of a left knee."""
    upper = femur.surface.vertices
    upper = upper[(upper[:, 2] < 5) & (femur.surface.normals[:, 2] < -0.3)]
    facing = np.isin(shank.elements, TIBIA) & (shank.surface.normals[:, 2] > 0.3)
    lower = shank.surface.vertices[facing]
    lower = lower[lower[:, 2] > lower[:, 2].max() - 30]
    apart, nearest = cKDTree(lower[:, :2]).query(upper[:, :2])
    gap = upper[:, 2] - lower[nearest, 2]
    x = upper[:, 0] - np.mean([lower[:, 0].min(), lower[:, 0].max()])
    touching = (apart < 2.5) & (np.abs(x) > 12)
    return np.array([np.percentile(gap[touching & (np.sign(x) == sign)], 2) for sign in (-1, 1)])


def seated(shank: Bone, femur: Bone, spaces: tuple[float, float]) -> Bone:
    """The shank under the condyles of a left femur with those joint spaces (medial, lateral) in mm."""
    lowest = femur.surface.vertices[:, 2].min()
    shank = shank.moved(np.eye(3), np.zeros(3), np.array([0.0, 2.0, lowest - 5.0]))
    for _ in range(4):
        medial, lateral = compartment_gaps(femur, shank) - spaces
        # The compartments' contacts lie about 46 mm apart; x to z is a turn about -y.
        tilt = rotation(1, -np.rad2deg(np.arctan2(lateral - medial, 46.0)))
        centre = np.array([0.0, 0.0, lowest])
        shank = shank.moved(tilt, centre, centre + np.array([0.0, 0.0, (medial + lateral) / 2]))
    return shank


def _placed_patella(bone: Bone, femur: Bone, shift: float, height: float) -> Bone:
    """The patella before the femoral groove, 3 mm of cartilage between them."""
    points = bone.surface.vertices
    centre = np.array([points[:, 0].mean(), points[:, 1].max(), points[:, 2].min()])
    lower_pole = femur.surface.vertices[:, 2].min() + height
    before = femur.surface.vertices
    before = before[(np.abs(before[:, 2] - lower_pole - 18) < 15) & (np.abs(before[:, 0] - shift) < 10)]
    return bone.moved(
        rotation(2, EPICONDYLE_TURN - 14.0), centre, np.array([shift, before[:, 1].min() - 3.0, lower_pole])
    )


def _part(bone: Bone, elements: range) -> Bone:
    """Some elements that are a closed surface of their own, with the nodes of the whole."""
    chosen = np.isin(bone.elements, elements)
    number = np.cumsum(chosen) - 1
    faces = bone.surface.faces[chosen[bone.surface.faces].all(axis=1)]
    return Bone(Surface(bone.surface.vertices[chosen], number[faces]), bone.nodes, bone.elements[chosen])
