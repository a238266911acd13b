"""The 16 landmarks of a knee in the anteroposterior view, along the outlines of tibial plateau and femoral condyles.

Both outlines are those of the rendered surfaces, osteophytes included, in a frame of their own: `across` runs from the
lateral to the medial corner, `height` towards the joint, both in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monai_landmarks.measure.library import KNEES, fitting
from monai_landmarks.scheme import Landmark, Scheme
from monai_landmarks.sides import both_sides
from monai_landmarks.simulate.knee_anatomy import Knee
from monai_landmarks.simulate.mesh import Surface
from monai_landmarks.simulate.projection import Projection

# The joint's end of a bone, mm from its highest or lowest point.
END = 40.0
PLATEAU = (
    "Lateral corner of the tibial plateau: furthest point of the tibia's outline (an osteophyte's tip, where there is "
    "one), 45 degrees between lateral along the line of both corners and upward at right angles to it.",
    "Upper outline of the tibia, a quarter of the way from tibia_0 to tibia_4, measured along the line of the corners.",
    "Upper outline of the tibia, half way from tibia_0 to tibia_4, measured along the line of the corners.",
    "Upper outline of the tibia, three quarters of the way from tibia_0 to tibia_4, measured along the line of the "
    "corners.",
    "Centre of the plateau: lowest point of the tibia's upper outline between the tips of both intercondylar spines.",
    "Upper outline of the tibia, a quarter of the way from tibia_4 to tibia_8, measured along the line of the corners.",
    "Upper outline of the tibia, half way from tibia_4 to tibia_8, measured along the line of the corners.",
    "Upper outline of the tibia, three quarters of the way from tibia_4 to tibia_8, measured along the line of the "
    "corners.",
    "Medial corner of the tibial plateau, as tibia_0.",
)
CONDYLES = (
    "Lateral margin of the femur: furthest point of the lateral condyle's outline (an osteophyte's tip, where there is "
    "one), 45 degrees between lateral along the line of both margins and downward at right angles to it.",
    "Lower outline of the lateral condyle, a third of the way from femur_9 to femur_12, measured along the line of the "
    "margins.",
    "Lower outline of the lateral condyle, two thirds of the way from femur_9 to femur_12, measured along the line of "
    "the margins.",
    "Apex of the intercondylar notch: highest point of the femur's lower outline between the condyles.",
    "Lower outline of the medial condyle, a third of the way from femur_12 to femur_15, measured along the line of the "
    "margins.",
    "Lower outline of the medial condyle, two thirds of the way from femur_12 to femur_15, measured along the line of "
    "the margins.",
    "Medial margin of the femur, as femur_9.",
)
COLOURS = (
    "#e6194b", "#f58231", "#ffa64d", "#ffe119", "#ffffff", "#bfef45", "#3cb44b", "#42d4f4", "#4363d8",
    "#e6194b", "#f58231", "#ffe119", "#ffffff", "#3cb44b", "#42d4f4", "#4363d8",
)  # fmt: skip
NAMES = tuple(f"tibia_{k}" for k in range(9)) + tuple(f"femur_{k}" for k in range(9, 16))


def knees_scheme(name: str) -> Scheme:
    """The scheme of both knees: the right knee's 16 landmarks, then the left one's."""
    landmarks = tuple(
        Landmark(name=limb, description=text, colour=colour)
        for limb, text, colour in zip(NAMES, PLATEAU + CONDYLES, COLOURS)
    )
    groups = {"tibia": NAMES[: len(PLATEAU)], "femur": NAMES[len(PLATEAU) :]}
    both = both_sides(Scheme(name=name, landmarks=landmarks, groups=groups))
    return both.model_copy(update={"measurements": fitting(KNEES, both.names)})


def locate_knee(knee: Knee, projection: Projection) -> dict[str, np.ndarray]:
    """(row, column) of the 16 landmarks, by their names without the side."""
    # From lateral to medial on the screen: a left knee's medial side is towards smaller columns.
    tibia = Outline.of(knee.tibia.surface, projection, -knee.lateral, up=1)
    femur = Outline.of(knee.femur.surface, projection, -knee.lateral, up=-1)
    points = np.concatenate([tibia.sampled(tibia.saddle(), 4), femur.sampled(femur.notch(), 3)])
    return dict(zip(NAMES, points))


@dataclass(frozen=True)
class Outline:
    """The outline of a bone's end in its own frame.

    Attributes:
        axes: (2, 2) unit vectors (row, column) of across and height.
        points: (N, 2) projected vertices as (across, height).
        edges: (E, 2) vertex numbers.
        corners: across of the lateral and the medial corner.
        step: pixels of a quarter of a mm on the detector.
    """

    axes: np.ndarray
    points: np.ndarray
    edges: np.ndarray
    corners: np.ndarray
    step: float

    @classmethod
    def of(cls, surface: Surface, projection: Projection, medial: int, up: int) -> Outline:
        """The outline of a bone's upper (`up` 1) or lower (-1) end; `medial` is the sign of columns to that side."""
        height = up * surface.vertices[:, 2]
        end = height > height.max() - END
        pixels = projection.project(surface.vertices[end])
        axes = np.array([[0.0, medial], [-up, 0.0]])
        # The corners lie 45 degrees to their own line: found on the screen's axes first, then on the line's.
        for _ in range(3):
            points = np.einsum("ij,nj->ni", axes, pixels)
            corners = [int(np.argmax(points[:, 1] + sign * points[:, 0])) for sign in (-1, 1)]
            first = pixels[corners[1]] - pixels[corners[0]]
            first /= np.linalg.norm(first)
            axes = np.stack([first, -up * medial * np.array([first[1], -first[0]])])
        points = np.einsum("ij,nj->ni", axes, pixels)
        number = np.cumsum(end) - 1
        faces = number[surface.faces[end[surface.faces].all(axis=1)]]
        edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        return cls(axes, points, edges[edges[:, 0] < edges[:, 1]], points[corners, 0], 0.25 / projection.spacing)

    def heights(self, across: np.ndarray) -> np.ndarray:
        """Height (n,) of the outline at places (n,) across: of the highest edge there, exactly."""
        first, second = self.points[self.edges[:, 0]], self.points[self.edges[:, 1]]
        swapped = first[:, 0] > second[:, 0]
        low, high = np.where(swapped[:, None], second, first), np.where(swapped[:, None], first, second)
        place, edge = np.nonzero((low[None, :, 0] <= across[:, None]) & (high[None, :, 0] > across[:, None]))
        start, stop = low[edge], high[edge]
        share = (across[place] - start[:, 0]) / (stop[:, 0] - start[:, 0])
        found = np.full(len(across), -np.inf)
        np.maximum.at(found, place, start[:, 1] + share * (stop[:, 1] - start[:, 1]))
        return found

    def sampled(self, centre: float, parts: int) -> np.ndarray:
        """(2 * parts + 1, 2) (row, column): corner, centre, corner, and between them points at equal steps across."""
        lateral, medial = self.corners
        across = np.concatenate([np.linspace(lateral, centre, parts + 1), np.linspace(centre, medial, parts + 1)[1:]])
        # The corners are vertices; just inside them the outline is as high.
        inside = np.clip(across, lateral + 1e-6, medial - 1e-6)
        return np.einsum("ni,ij->nj", np.stack([across, self.heights(inside)], axis=1), self.axes)

    def _middle(self, share: float) -> tuple[np.ndarray, np.ndarray]:
        """Places and heights of the outline's middle part."""
        lateral, medial = self.corners
        middle, half = (lateral + medial) / 2, share * (medial - lateral) / 2
        across = np.arange(middle - half, middle + half, self.step)
        return across, self.heights(across)

    def saddle(self) -> float:
        """Where the outline lies deepest below peaks on both sides of it; the peak itself if there is one only."""
        across, height = self._middle(0.40)
        before, after = np.maximum.accumulate(height), np.maximum.accumulate(height[::-1])[::-1]
        depth = np.minimum(before, after) - height
        return float(across[np.argmax(depth) if depth.max() > 0 else np.argmax(height)])

    def notch(self) -> float:
        """Where the outline is lowest between the condyles, by a parabola through the 5 mm about that place."""
        across, height = self._middle(0.50)
        middle = len(across) // 2
        first, last = int(np.argmax(height[:middle])), middle + int(np.argmax(height[middle:]))
        lowest = first + int(np.argmin(height[first : last + 1]))
        near = np.abs(across - across[lowest]) <= 10 * self.step
        a, b, _ = np.polyfit(across[near] - across[lowest], height[near], 2)
        shift = -b / (2 * a) if a > 0 else 0.0
        return float(across[lowest] + np.clip(shift, -10 * self.step, 10 * self.step))
