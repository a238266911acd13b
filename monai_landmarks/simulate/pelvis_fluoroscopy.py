"""The preset `pelvis-fluoroscopy`: a C-arm's anteroposterior images of the pelvic ring and hips, 8 landmarks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from monai_landmarks.measure.library import PELVIS
from monai_landmarks.simulate import pelvis
from monai_landmarks.simulate.anatomy import PoseRanges, Range, draw_anatomy
from monai_landmarks.simulate.c_arms import EXTERNAL_WIDE, HOME_WIDE
from monai_landmarks.simulate.fluoroscope import CArm
from monai_landmarks.simulate.landmarks import build_scheme, locate_all, pick
from monai_landmarks.simulate.patient import patient_attenuation
from monai_landmarks.simulate.radiograph import EXTERNAL, HOME, Preset, Radiograph
from monai_landmarks.simulate.shape_model import load_shape_model

RULES = pick(
    pelvis.RULES, "teardrop", "ischium_inferior", "femoral_head_centre", "symphysis_superior", "symphysis_inferior"
)


@dataclass(frozen=True)
class FluoroscopySite:
    """A hospital: its C-arm, and the patients it sees.

    Attributes:
        c_arm: geometry, field and processing.
        pose: anatomy and position of the patients.
        build: scale of the trunk.
        below: mm the field's middle lies below the hips' centres.
    """

    c_arm: CArm
    pose: PoseRanges
    build: Range
    below: Range


HOME_SITE = FluoroscopySite(HOME_WIDE, PoseRanges(), (0.88, 1.10), (10.0, 20.0))
EXTERNAL_SITE = FluoroscopySite(
    EXTERNAL_WIDE,
    PoseRanges(tilt=(-18.0, 18.0), axial_rotation=(-10.0, 10.0), obliquity=(-10.0, 10.0), hip_rotation=(-25.0, 20.0)),
    (0.94, 1.20),
    (2.0, 20.0),
)


def render(rng: np.random.Generator, site: FluoroscopySite) -> Radiograph:
    """Draw a patient, a position, an exposure and a reader, and make the image."""
    anatomy = draw_anatomy(load_shape_model(), site.pose, rng)
    hips = np.mean(list(anatomy.head_centres.values()), axis=0)
    view = site.c_arm.draw_view(hips - np.array([0.0, 0.0, rng.uniform(*site.below)]), rng)
    attenuation, body = patient_attenuation(view.projection, anatomy, site.build, rng)
    pixels = site.c_arm.image(attenuation, body, view, rng)
    return site.c_arm.radiograph(pixels, locate_all(RULES, anatomy, view.projection), view, rng)


PRESET = Preset(
    name="pelvis-fluoroscopy",
    summary="C-arm images of the pelvic ring and hips, 8 landmarks, DICOM RF",
    scheme=build_scheme("pelvis-fluoroscopy", RULES, PELVIS),
    view=replace(pelvis.VIEW, modality="RF"),
    sites={HOME: partial(render, site=HOME_SITE), EXTERNAL: partial(render, site=EXTERNAL_SITE)},
)
