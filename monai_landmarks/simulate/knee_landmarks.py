"""Eight landmarks of an anteroposterior knee radiograph and how they are found in a view."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from monai_landmarks.simulate.anatomy import Bone
from monai_landmarks.simulate.knee_anatomy import EPICONDYLE, Knee
from monai_landmarks.simulate.landmarks import LandmarkRule, contour_extremum
from monai_landmarks.simulate.projection import Projection

# Atlas nodes (medial, lateral): lowest of the condyles, widest of the plateau; and the medial tubercle's tip.
CONDYLE = (583, 556)
PLATEAU = (238, 222)
TUBERCLE = 282
Find = Callable[[Knee, Projection], np.ndarray]


def _extremum(bone: str, node: int, radius: float, up: float, outward: float) -> Callable[[str], Find]:
    """Extremum of a bone's projected contour within `radius` mm of an atlas node; `outward` is to the lateral side."""

    def find(knee: Knee, projection: Projection) -> np.ndarray:
        chosen: Bone = getattr(knee, bone)
        return contour_extremum(chosen, projection, node, radius, np.array([-up, knee.lateral * outward]))

    return lambda side: find


def notch_apex(knee: Knee, projection: Projection) -> np.ndarray:
    """(row, column) of the highest point of the femur's lower outline between the condyles.

    The outline's lowest vertex in every 2 mm; a parabola through those about the highest gives the apex.
    """
    condyles = [contour_extremum(knee.femur, projection, node, 18.0, np.array([1.0, 0.0]))[1] for node in CONDYLE]
    left, right = sorted(condyles)
    pixels = projection.project(knee.femur.surface.vertices)
    step = 2.0 / projection.spacing
    number = np.floor((pixels[:, 1] - left) / step).astype(int)
    bins = range(2, int((right - left) / step) - 2)
    outline = np.array([pixels[number == k][np.argmax(pixels[number == k, 0])] for k in bins])
    top = outline[np.argmin(outline[:, 0])]
    close = outline[np.abs(outline[:, 1] - top[1]) < 3.2 * step]
    a, b, c = np.polyfit(close[:, 1] - top[1], close[:, 0] - top[0], 2)
    across = float(np.clip(-b / (2 * max(a, 1e-4)), -2 * step, 2 * step))
    return top + np.array([(a * across + b) * across + c, across])


RULES: tuple[LandmarkRule[Knee], ...] = (
    LandmarkRule(
        "femoral_condyle_medial",
        "Most distal point of the medial femoral condyle's contour.",
        "#e6194b",
        "femur",
        _extremum("femur", CONDYLE[0], 18.0, up=-1.0, outward=0.0),
        paired=False,
    ),
    LandmarkRule(
        "femoral_condyle_lateral",
        "Most distal point of the lateral femoral condyle's contour.",
        "#f58231",
        "femur",
        _extremum("femur", CONDYLE[1], 18.0, up=-1.0, outward=0.0),
        paired=False,
    ),
    LandmarkRule(
        "femoral_epicondyle_medial",
        "Most medial point of the medial femoral epicondyle's contour.",
        "#ffe119",
        "femur",
        _extremum("femur", EPICONDYLE[0], 18.0, up=0.0, outward=-1.0),
        paired=False,
    ),
    LandmarkRule(
        "femoral_epicondyle_lateral",
        "Most lateral point of the lateral femoral epicondyle's contour.",
        "#3cb44b",
        "femur",
        _extremum("femur", EPICONDYLE[1], 18.0, up=0.0, outward=1.0),
        paired=False,
    ),
    LandmarkRule(
        "femoral_notch",
        "Apex of the intercondylar notch: highest point of the femur's lower outline between the condyles.",
        "#42d4f4",
        "femur",
        lambda side: notch_apex,
        paired=False,
    ),
    LandmarkRule(
        "tibial_plateau_medial",
        "Medial corner of the tibial plateau: furthest point of its contour, 45 degrees above medial.",
        "#4363d8",
        "tibia",
        _extremum("tibia", PLATEAU[0], 17.0, up=0.7, outward=-0.7),
        paired=False,
    ),
    LandmarkRule(
        "tibial_plateau_lateral",
        "Lateral corner of the tibial plateau: furthest point of its contour, 45 degrees above lateral.",
        "#911eb4",
        "tibia",
        _extremum("tibia", PLATEAU[1], 17.0, up=0.7, outward=0.7),
        paired=False,
    ),
    LandmarkRule(
        "tibial_spine_medial",
        "Tip of the medial tubercle of the tibia's intercondylar eminence.",
        "#f032e6",
        "tibia",
        _extremum("tibia", TUBERCLE, 8.0, up=1.0, outward=0.0),
        paired=False,
    ),
)
