"""The preset `knee-radiograph`: anteroposterior radiographs of one adult knee with 8 landmarks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from monai_landmarks.measure.library import KNEE
from monai_landmarks.simulate.acquisition import Acquisition
from monai_landmarks.simulate.anatomy import Range
from monai_landmarks.simulate.film import Field, FilmRanges
from monai_landmarks.simulate.knee_anatomy import BONES, Knee, KneeRanges, draw_knee
from monai_landmarks.simulate.knee_bones import knee_attenuation
from monai_landmarks.simulate.knee_landmarks import RULES
from monai_landmarks.simulate.knee_soft_tissue import LimbBuild, limb_attenuation
from monai_landmarks.simulate.landmarks import build_scheme, locate_all
from monai_landmarks.simulate.marker import MarkerStyle
from monai_landmarks.simulate.projection import Projection
from monai_landmarks.simulate.radiograph import EXTERNAL, HOME, Preset, Radiograph, View
from monai_landmarks.simulate.reading import read_landmarks
from monai_landmarks.simulate.shape_model import load_shape_model
from monai_landmarks.simulate.skeleton import Texture, uneven_density
from monai_landmarks.simulate.texture import oriented_grain, smooth_noise

# Strands of spongiosa about this many mm apart.
STRANDS = 1.5


@dataclass(frozen=True)
class KneeSite:
    """A hospital: how it takes knee radiographs, and the patients it takes them of.

    Attributes:
        acquisition: tube, detector and processing.
        knee: anatomy and position.
        build: scale of the limb.
        centring: mm the ray stands above the joint on average, and its spread.
    """

    acquisition: Acquisition
    knee: KneeRanges
    build: Range
    centring: tuple[float, float]


HOME_SITE = KneeSite(
    Acquisition(
        detectors=((1040, 832, 0.24), (1000, 840, 0.25), (1080, 900, 0.23)),
        source_detector=(1050.0, 1200.0),
        object_detector=(60.0, 95.0),
        open_share=0.35,
        tightest=(0.16, 0.20),
        monochrome1=0.3,
        kvp=(55, 66),
        exposure=(3, 9),
        film=FilmRanges(quanta=(2500.0, 15000.0), scatter=(0.10, 0.35), base_gain=(0.5, 0.8), contrast=(0.9, 1.7)),
        marker=MarkerStyle(height=(9.0, 13.0)),
    ),
    KneeRanges(),
    build=(0.92, 1.14),
    centring=(2.0, 8.0),
)
EXTERNAL_SITE = KneeSite(
    Acquisition(
        detectors=((1024, 1024, 0.27), (1200, 900, 0.21), (960, 768, 0.32)),
        source_detector=(950.0, 1080.0),
        object_detector=(80.0, 140.0),
        open_share=0.15,
        tightest=(0.22, 0.26),
        monochrome1=0.6,
        kvp=(60, 76),
        exposure=(1, 5),
        film=FilmRanges(
            quanta=(700.0, 3500.0),
            scatter=(0.3, 0.7),
            blur=(0.9, 1.6),
            base_gain=(0.7, 1.0),
            detail_gain=(0.9, 1.3),
            sharpening=(0.0, 2.0),
            contrast=(1.5, 2.4),
            toe=(0.30, 0.55),
            black_border=0.3,
        ),
        marker=MarkerStyle(height=(13.0, 20.0), stroke=(0.14, 0.19), plate=0.25, along=(0.2, 0.7)),
    ),
    KneeRanges(
        flexion=(0.0, 15.0),
        rotation=(-14.0, 14.0),
        tilt=(-8.0, 8.0),
        obliquity=(-9.0, 9.0),
        medial_space=(1.8, 4.8),
        patella_height=(4.0, 26.0),
    ),
    build=(0.98, 1.28),
    centring=(-4.0, 11.0),
)


def draw_projection(knee: Knee, rng: np.random.Generator, site: KneeSite) -> tuple[Projection, float]:
    """A view with the table's geometry, and the distance from the source to the epicondyles' plane."""
    taken = site.acquisition
    rows, columns, spacing = taken.detectors[int(rng.integers(len(taken.detectors)))]
    source_detector = rng.uniform(*taken.source_detector)
    source_patient = source_detector - rng.uniform(*taken.object_detector)
    above, spread = site.centring
    # A few images are badly centred, so that landmarks fall outside.
    stray = 4.5 * spread if rng.random() < 0.06 else spread
    joint = float(knee.tibia.surface.vertices[:, 2].max())
    source = np.array([rng.normal(0, 0.6 * stray), -source_patient, joint + rng.normal(above, stray)])
    centre = ((rows - 1) / 2 + rng.normal(0, 6), (columns - 1) / 2 + rng.normal(0, 6))
    return Projection(source, source_detector, spacing, (rows, columns), centre), source_patient


def render(rng: np.random.Generator, site: KneeSite) -> Radiograph:
    """Draw a knee, a position, an exposure and a reader, and make the radiograph."""
    taken = site.acquisition
    knee = draw_knee(load_shape_model(BONES), site.knee, rng)
    projection, source_patient = draw_projection(knee, rng, site)
    shape, spacing = projection.shape, projection.spacing
    field = Field.draw(shape, rng, open_share=taken.open_share, tightest=taken.tightest)
    points = locate_all(RULES, knee, projection)
    texture = Texture(oriented_grain(shape, STRANDS / spacing, rng), smooth_noise(shape, 7.0, rng))
    attenuation, body = limb_attenuation(projection, knee, LimbBuild.draw(rng, site.build), rng)
    attenuation += uneven_density(shape, rng) * knee_attenuation(projection, knee, texture, rng)
    pixels = taken.image(attenuation, body, field, spacing, rng, knee.side)
    present, absent = read_landmarks(points, shape, field, frozenset(), rng)
    return Radiograph(
        pixels,
        present,
        absent,
        spacing,
        projection.source_detector,
        source_patient,
        bool(rng.random() < taken.monochrome1),
        kvp=float(rng.integers(*taken.kvp)),
        exposure=float(rng.integers(*taken.exposure)),
        side=knee.side,
    )


PRESET = Preset(
    name="knee-radiograph",
    summary="anteroposterior radiographs of one knee, 8 landmarks, DICOM DX",
    scheme=build_scheme("knee-radiograph", RULES, KNEE),
    view=View(
        body_part="KNEE",
        region=("72696002", "SCT", "Knee"),
        position="AP",
        view=("399348003", "SCT", "antero-posterior"),
        orientation=("L", "F"),
    ),
    sites={HOME: partial(render, site=HOME_SITE), EXTERNAL: partial(render, site=EXTERNAL_SITE)},
)
