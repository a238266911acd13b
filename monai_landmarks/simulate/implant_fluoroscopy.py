"""The preset `pelvis-fluoroscopy-implant`: a C-arm's anteroposterior images of a replaced hip, 5 landmarks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from monai_landmarks.simulate.anatomy import draw_anatomy
from monai_landmarks.simulate.c_arms import EXTERNAL_WIDE, HOME_WIDE
from monai_landmarks.simulate.hip_fluoroscopy import EXTERNAL_SITE as EXTERNAL_HIP
from monai_landmarks.simulate.hip_fluoroscopy import HIP_VIEW, HipSite, hip_target
from monai_landmarks.simulate.hip_fluoroscopy import HOME_SITE as HOME_HIP
from monai_landmarks.simulate.hip_implant import ImplantRanges, implant_hip
from monai_landmarks.simulate.implant_landmarks import CUP_HEAD_STEM, SHOULDER, implant_scheme
from monai_landmarks.simulate.patient import patient_attenuation
from monai_landmarks.simulate.radiograph import EXTERNAL, HOME, Preset, Radiograph
from monai_landmarks.simulate.shape_model import load_shape_model

SCHEME = implant_scheme("pelvis-fluoroscopy-implant", (*CUP_HEAD_STEM, SHOULDER))


@dataclass(frozen=True)
class ImplantSite:
    """A hospital: how it images hips, and the implants it uses."""

    hip: HipSite
    implant: ImplantRanges


HOME_SITE = ImplantSite(
    HipSite(HOME_WIDE, HOME_HIP.pose, HOME_HIP.build, (-4.0, 14.0), (38.0, 50.0)),
    ImplantRanges(),
)
EXTERNAL_SITE = ImplantSite(
    HipSite(EXTERNAL_WIDE, EXTERNAL_HIP.pose, EXTERNAL_HIP.build, (-10.0, 18.0), (28.0, 52.0)),
    ImplantRanges(
        inclination=(28.0, 58.0),
        anteversion=(0.0, 33.0),
        screws=0.7,
        length=(76.0, 124.0),
        neck_shaft=(125.0, 137.0),
        ceramic=0.1,
    ),
)


def render(rng: np.random.Generator, site: ImplantSite) -> Radiograph:
    """Draw a patient, an implant, a position, an exposure and a reader, and make the image."""
    hip, c_arm = site.hip, site.hip.c_arm
    natural = draw_anatomy(load_shape_model(), hip.pose, rng)
    side = str(rng.choice(["right", "left"]))
    anatomy, implant = implant_hip(natural, side, site.implant, rng)
    view = c_arm.draw_view(hip_target(implant.head_centre, side, hip.lateral, hip.below, rng), rng)
    attenuation, body = patient_attenuation(view.projection, anatomy, hip.build, rng)
    metal = implant.attenuation(view.projection)
    pixels = c_arm.image(attenuation + metal, np.where(metal > 0, 0, body), view, rng)
    points = implant.points(view.projection)
    return c_arm.radiograph(
        pixels,
        {name: points[name] for name in SCHEME.names},
        view,
        rng,
        side="L" if side == "left" else "R",
        attributes=implant.attributes(),
    )


PRESET = Preset(
    name="pelvis-fluoroscopy-implant",
    summary="C-arm images of a total hip replacement, 5 landmarks, DICOM RF",
    scheme=SCHEME,
    view=HIP_VIEW,
    sites={HOME: partial(render, site=HOME_SITE), EXTERNAL: partial(render, site=EXTERNAL_SITE)},
)
