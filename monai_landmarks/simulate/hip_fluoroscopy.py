"""The preset `pelvis-fluoroscopy-trochanter`: a C-arm's anteroposterior images of one hip, 6 landmarks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from monai_landmarks.measure.library import HIP
from monai_landmarks.simulate import pelvis
from monai_landmarks.simulate.anatomy import Anatomy, PoseRanges, Range, draw_anatomy
from monai_landmarks.simulate.c_arms import EXTERNAL_NARROW, HOME_NARROW
from monai_landmarks.simulate.fluoroscope import CArm
from monai_landmarks.simulate.hip_stem import slice_centre
from monai_landmarks.simulate.landmarks import LandmarkRule, Locate, build_scheme, locate_side, pick
from monai_landmarks.simulate.patient import patient_attenuation
from monai_landmarks.simulate.projection import Projection
from monai_landmarks.simulate.radiograph import EXTERNAL, HOME, Preset, Radiograph, View
from monai_landmarks.simulate.shape_model import load_shape_model

LESSER_TROCHANTER, BELOW_TROCHANTER = 276, 20.0
HIP_VIEW = View(
    body_part="HIP",
    region=("24136001", "SCT", "Hip joint"),
    position="AP",
    view=("399348003", "SCT", "antero-posterior"),
    orientation=("L", "F"),
    modality="RF",
)


def shaft_centre(level: float) -> Callable[[str], Locate]:
    """Projected middle of the femoral shaft's slice `level` mm below the middle of the lesser trochanter."""

    def locate(side: str) -> Locate:
        def find(anatomy: Anatomy, projection: Projection) -> np.ndarray:
            femur = anatomy.femurs[side]
            return projection.project(slice_centre(femur, femur.nodes[LESSER_TROCHANTER, 2] - level))

        return find

    return locate


RULES = tuple(
    replace(rule, paired=False)
    for rule in (
        *pick(
            pelvis.RULES,
            "greater_trochanter_superior",
            "lesser_trochanter_medial",
            "femoral_head_centre",
            "teardrop",
            "ischium_inferior",
        ),
        LandmarkRule(
            "femoral_shaft_centre",
            "Middle of the femoral shaft 20 mm below the middle of the lesser trochanter.",
            "#f58231",
            "femur",
            shaft_centre(BELOW_TROCHANTER),
        ),
    )
)


@dataclass(frozen=True)
class HipSite:
    """A hospital: its C-arm, and the patients it sees.

    Attributes:
        c_arm: geometry, field and processing.
        pose: anatomy and position of the patients.
        build: scale of the trunk.
        lateral, below: mm the field's middle lies outward of and below the hip's centre.
    """

    c_arm: CArm
    pose: PoseRanges
    build: Range
    lateral: Range
    below: Range


HOME_SITE = HipSite(HOME_NARROW, PoseRanges(), (0.88, 1.10), (-6.0, 4.0), (24.0, 32.0))
EXTERNAL_SITE = HipSite(
    EXTERNAL_NARROW,
    PoseRanges(
        tilt=(-16.0, 16.0),
        axial_rotation=(-12.0, 12.0),
        obliquity=(-10.0, 10.0),
        hip_rotation=(-25.0, 20.0),
        hip_adduction=(-14.0, 8.0),
    ),
    (0.94, 1.20),
    (-12.0, 10.0),
    (16.0, 32.0),
)


def render(rng: np.random.Generator, site: HipSite) -> Radiograph:
    """Draw a patient, a side, a position, an exposure and a reader, and make the image."""
    anatomy = draw_anatomy(load_shape_model(), site.pose, rng)
    side = str(rng.choice(["right", "left"]))
    view = site.c_arm.draw_view(hip_target(anatomy.head_centres[side], side, site.lateral, site.below, rng), rng)
    attenuation, body = patient_attenuation(view.projection, anatomy, site.build, rng)
    pixels = site.c_arm.image(attenuation, body, view, rng)
    points = locate_side(RULES, anatomy, view.projection, side)
    return site.c_arm.radiograph(pixels, points, view, rng, side="L" if side == "left" else "R")


def hip_target(head: np.ndarray, side: str, lateral: Range, below: Range, rng: np.random.Generator) -> np.ndarray:
    """Point (3,) in the plane of a hip's centre that the C-arm is aimed at."""
    outward = rng.uniform(*lateral) * (1 if side == "left" else -1)
    target: np.ndarray = head + np.array([outward, 0.0, -rng.uniform(*below)])
    return target


PRESET = Preset(
    name="pelvis-fluoroscopy-trochanter",
    summary="C-arm images of one hip with both trochanters, 6 landmarks, DICOM RF",
    scheme=build_scheme("pelvis-fluoroscopy-trochanter", RULES, HIP),
    view=HIP_VIEW,
    sites={HOME: partial(render, site=HOME_SITE), EXTERNAL: partial(render, site=EXTERNAL_SITE)},
)
