"""The preset `pelvis-radiograph-implant`: low-centred pelvis radiographs with a hip replacement, 4 landmarks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from monai_landmarks.simulate import pelvis
from monai_landmarks.simulate.anatomy import draw_anatomy
from monai_landmarks.simulate.hip_implant import ImplantRanges, implant_hip
from monai_landmarks.simulate.implant_fluoroscopy import EXTERNAL_SITE as EXTERNAL_FLUOROSCOPY
from monai_landmarks.simulate.implant_landmarks import CUP_HEAD_STEM, implant_scheme
from monai_landmarks.simulate.patient import patient_attenuation
from monai_landmarks.simulate.pelvis import draw_field, draw_projection
from monai_landmarks.simulate.pelvis_sites import PelvisSite
from monai_landmarks.simulate.radiograph import EXTERNAL, HOME, Preset, Radiograph
from monai_landmarks.simulate.reading import read_landmarks
from monai_landmarks.simulate.shape_model import load_shape_model

SCHEME = implant_scheme("pelvis-radiograph-implant", CUP_HEAD_STEM)


@dataclass(frozen=True)
class ImplantSite:
    """A hospital: how it takes pelvis radiographs, and the implants it uses."""

    pelvis: PelvisSite
    implant: ImplantRanges


def _low(site: PelvisSite, detectors: tuple[tuple[int, int, float], ...], centring: tuple[float, float]) -> PelvisSite:
    """The same hospital with tall detectors and a ray low enough to show the whole stem."""
    return replace(site, acquisition=replace(site.acquisition, detectors=detectors), centring=centring)


HOME_SITE = ImplantSite(
    _low(pelvis.HOME_SITE, ((1024, 1024, 0.42), (980, 1000, 0.43), (1000, 1050, 0.40)), (-10.0, 8.0)), ImplantRanges()
)
EXTERNAL_SITE = ImplantSite(
    _low(pelvis.EXTERNAL_SITE, ((1100, 1200, 0.37), (1024, 1024, 0.42), (960, 960, 0.45)), (-14.0, 8.5)),
    EXTERNAL_FLUOROSCOPY.implant,
)


def render(rng: np.random.Generator, site: ImplantSite) -> Radiograph:
    """Draw a patient, an implant, a position, an exposure and a reader, and make the radiograph."""
    taken = site.pelvis.acquisition
    natural = draw_anatomy(load_shape_model(), site.pelvis.pose, rng)
    side = str(rng.choice(["right", "left"]))
    anatomy, implant = implant_hip(natural, side, site.implant, rng)
    projection, source_patient = draw_projection(rng, site.pelvis)
    field = draw_field(projection.shape, rng, site.pelvis)
    points = implant.points(projection)
    attenuation, body = patient_attenuation(projection, anatomy, site.pelvis.build, rng)
    metal = implant.attenuation(projection)
    pixels = taken.image(attenuation + metal, np.where(metal > 0, 0, body), field, projection.spacing, rng)
    present, absent = read_landmarks(
        {name: points[name] for name in SCHEME.names}, projection.shape, field, frozenset(), rng
    )
    return Radiograph(
        pixels,
        present,
        absent,
        projection.spacing,
        projection.source_detector,
        source_patient,
        bool(rng.random() < taken.monochrome1),
        kvp=float(rng.integers(*taken.kvp)),
        exposure=float(rng.integers(*taken.exposure)),
        side="L" if side == "left" else "R",
        attributes=implant.attributes(),
    )


PRESET = Preset(
    name="pelvis-radiograph-implant",
    summary="radiographs of the pelvis with a total hip replacement, 4 landmarks, DICOM DX",
    scheme=SCHEME,
    view=pelvis.VIEW,
    sites={HOME: partial(render, site=HOME_SITE), EXTERNAL: partial(render, site=EXTERNAL_SITE)},
)
