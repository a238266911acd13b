"""Where the landmarks of a view are: projected points of the anatomy, and extrema of projected contours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from monai_landmarks.measure.library import fitting
from monai_landmarks.measurements import AnyElement
from monai_landmarks.scheme import Landmark, Scheme
from monai_landmarks.simulate.anatomy import SIDES, Anatomy, Bone
from monai_landmarks.simulate.projection import Projection

Locate = Callable[[Anatomy, Projection], np.ndarray]
AnatomyT = TypeVar("AnatomyT")


@dataclass(frozen=True)
class LandmarkRule(Generic[AnatomyT]):
    """A landmark (or, if `paired`, the landmarks of both sides) and how to find it in a view.

    Attributes:
        name: snake_case, without the side.
        definition: what it is, for readers of the data set.
        colour: #rrggbb.
        group: the group it belongs to.
        locate: side ("right" or "left"; "" for a single landmark) -> function of anatomy and projection that
            gives (row, column).
        paired: whether there is one on each side.
    """

    name: str
    definition: str
    colour: str
    group: str
    locate: Callable[[str], Callable[[AnatomyT, Projection], np.ndarray]]
    paired: bool = True

    def sides(self) -> tuple[str, ...]:
        """The sides it exists on; ("",) for a single landmark."""
        return ("left", "right") if self.paired else ("",)

    def full_name(self, side: str) -> str:
        """Name with the patient's side as suffix."""
        return f"{self.name}_{side}" if side else self.name


def build_scheme(name: str, rules: tuple[LandmarkRule[AnatomyT], ...], measured: tuple[AnyElement, ...]) -> Scheme:
    """The scheme of a data set with these landmarks, in their order, and what of `measured` they allow."""
    landmarks: list[Landmark] = []
    groups: dict[str, list[str]] = {}
    for rule in rules:
        for side in rule.sides():
            pair = rule.full_name({"left": "right", "right": "left"}[side]) if side else None
            landmarks.append(
                Landmark(name=rule.full_name(side), pair=pair, description=rule.definition, colour=rule.colour)
            )
            groups.setdefault(rule.group, []).append(rule.full_name(side))
    return Scheme(
        name=name,
        landmarks=tuple(landmarks),
        groups={group: tuple(members) for group, members in groups.items()},
        measurements=fitting(measured, {landmark.name for landmark in landmarks}),
    )


def locate_all(
    rules: tuple[LandmarkRule[AnatomyT], ...], anatomy: AnatomyT, projection: Projection
) -> dict[str, np.ndarray]:
    """(row, column) of every landmark by full name, in the scheme's order, wherever it falls."""
    return {rule.full_name(side): rule.locate(side)(anatomy, projection) for rule in rules for side in rule.sides()}


def locate_side(
    rules: tuple[LandmarkRule, ...], anatomy: Anatomy, projection: Projection, side: str
) -> dict[str, np.ndarray]:
    """(row, column) of every landmark by name in a view of one side, whose landmarks carry no side in their names."""
    return {rule.name: rule.locate(side)(anatomy, projection) for rule in rules}


def pick(rules: tuple[LandmarkRule, ...], *names: str) -> tuple[LandmarkRule, ...]:
    """The rules of these names, in this order."""
    known = {rule.name: rule for rule in rules}
    return tuple(known[name] for name in names)


def bone_of(anatomy: Anatomy, name: str, side: str) -> Bone:
    """The pelvis, or the femur of a side."""
    return anatomy.pelvis if name == "pelvis" else anatomy.femurs[side]


def head_centre(side: str) -> Locate:
    """Projected centre of the sphere fitted to the femoral head."""
    return lambda anatomy, projection: projection.project(anatomy.head_centres[side])


def midline_nodes(*nodes: int) -> Callable[[str], Locate]:
    """Projection of the mean of atlas nodes of the pelvis, for a single landmark."""
    return lambda side: lambda anatomy, projection: projection.project(anatomy.pelvis.nodes[list(nodes)].mean(axis=0))


def pelvic_nodes(right: tuple[int, ...], left: tuple[int, ...]) -> Callable[[str], Locate]:
    """Projection of the mean of the side's atlas nodes of the pelvis."""
    return lambda side: midline_nodes(*(left if side == "left" else right))(side)


def extremum(bone: str, nodes: tuple[int, int], radius: float, up: float, medial: float) -> Callable[[str], Locate]:
    """Extremum of the projected contour near an atlas node.

    Args:
        bone: "pelvis" or "femur".
        nodes: atlas node (right, left) the search is centred on.
        radius: vertices within this many mm of the node take part.
        up: weight of the upward direction in the image (negative: downward).
        medial: weight of the direction towards the patient's midline.
    """

    def locate(side: str) -> Locate:
        node = dict(zip(SIDES, nodes))[side]
        # The patient's left is on the image's right: medial is towards smaller columns there.
        direction = np.array([-up, -medial if side == "left" else medial])
        return lambda anatomy, projection: contour_extremum(
            bone_of(anatomy, bone, side), projection, node, radius, direction
        )

    return locate


def contour_extremum(bone: Bone, projection: Projection, node: int, radius: float, direction: np.ndarray) -> np.ndarray:
    """The vertex (row, column) that lies furthest in a direction among a bone's contour vertices near a node.

    A contour vertex is one with faces that look towards the source and faces that look away: there the rays
    graze the surface and the image shows an edge. Extrema of the whole silhouette are always among them.
    """
    surface = bone.surface
    near = np.linalg.norm(surface.vertices - bone.nodes[node], axis=1) < radius
    faces = surface.faces[near[surface.faces].any(axis=1)]
    candidates = np.flatnonzero(near & contour_vertices(surface.vertices, faces, projection.source))
    pixels = projection.project(surface.vertices[candidates])
    best: np.ndarray = pixels[np.argmax(np.einsum("ij,j->i", pixels, direction))]
    return best


def contour_vertices(vertices: np.ndarray, faces: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Which vertices (N,) have faces (of M, 3) that look to the source and faces that look away."""
    corners = vertices[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    away = np.einsum("ij,ij->i", normal, corners[:, 0] - source) > 0
    leaving = np.bincount(faces.ravel(), np.repeat(away, 3), minlength=len(vertices))
    total = np.bincount(faces.ravel(), minlength=len(vertices))
    return (leaving > 0) & (leaving < total)
