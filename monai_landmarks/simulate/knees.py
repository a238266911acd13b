"""The preset `knees-radiograph`: standing anteroposterior radiographs of both knees, 2 x 16 landmarks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from scipy import fft

from monai_landmarks.sides import sided
from monai_landmarks.simulate import knee
from monai_landmarks.simulate.acquisition import Acquisition
from monai_landmarks.simulate.anatomy import Range
from monai_landmarks.simulate.film import Field
from monai_landmarks.simulate.knee_anatomy import BONES, KneeRanges
from monai_landmarks.simulate.knee_bones import FEMUR, TIBIA, knee_attenuation
from monai_landmarks.simulate.knee_soft_tissue import LimbBuild, limb_attenuation
from monai_landmarks.simulate.knees_anatomy import Limb, StandingRanges, draw_limbs
from monai_landmarks.simulate.knees_landmarks import knees_scheme, locate_knee
from monai_landmarks.simulate.projection import Projection
from monai_landmarks.simulate.radiograph import EXTERNAL, HOME, Preset, Radiograph
from monai_landmarks.simulate.reading import read_landmarks
from monai_landmarks.simulate.shape_model import load_shape_model
from monai_landmarks.simulate.skeleton import Texture, uneven_density
from monai_landmarks.simulate.texture import oriented_grain, smooth_noise

SCHEME = knees_scheme("knees-radiograph")
# Share of images that show one knee on a cassette of its own, and of long cassettes with one knee missing.
SINGLE, MISSING = 0.10, 0.10
# Subdivisions of the bones' surfaces over the usual: osteophytes are small.
FINER = 1.5


@dataclass(frozen=True)
class KneesSite:
    """A hospital: how it takes knee radiographs, and the patients it takes them of.

    Attributes:
        acquisition: tube, long cassette and processing.
        single: (rows, columns, pixel in mm) of the cassettes for one knee.
        standing: anatomy and position.
        build: scale of the limbs.
        centring: mm the ray stands above the joints on average, and its spread.
        strip: mm of the detector's width that hold the image of any limb.
    """

    acquisition: Acquisition
    single: tuple[tuple[int, int, float], ...]
    standing: StandingRanges
    build: Range
    centring: tuple[float, float]
    strip: float


HOME_SITE = KneesSite(
    replace(
        knee.HOME_SITE.acquisition,
        detectors=((1250, 1536, 0.28), (1296, 1620, 0.265), (1200, 1500, 0.28)),
        source_detector=(1150.0, 1830.0),
        tightest=(0.18, 0.10),
    ),
    ((1120, 900, 0.25), (1250, 1000, 0.23), (1080, 864, 0.27)),
    StandingRanges(KneeRanges(flexion=(0.0, 9.0), tilt=(-3.0, 5.0))),
    build=knee.HOME_SITE.build,
    centring=(0.0, 8.0),
    strip=240.0,
)
EXTERNAL_SITE = KneesSite(
    replace(
        knee.EXTERNAL_SITE.acquisition,
        detectors=((1280, 1600, 0.27), (1350, 1728, 0.25), (1152, 1440, 0.285)),
        source_detector=(1050.0, 1250.0),
        tightest=(0.22, 0.11),
    ),
    ((1024, 1024, 0.24), (1200, 960, 0.25)),
    StandingRanges(
        replace(
            knee.EXTERNAL_SITE.knee,
            medial_space=(3.0, 5.2),
            flexion=(0.0, 14.0),
            tilt=(-6.0, 7.0),
            obliquity=(-6.0, 6.0),
        ),
        stance=(170.0, 220.0),
        unequal=2.5,
    ),
    build=knee.EXTERNAL_SITE.build,
    centring=(-3.0, 11.0),
    strip=285.0,
)


def draw_projection(limbs: list[Limb], rng: np.random.Generator, site: KneesSite) -> tuple[Projection, float]:
    """A view centred between the limbs shown, and the distance from the source to the epicondyles' plane."""
    taken = site.acquisition
    detectors = taken.detectors if len(limbs) == 2 else site.single
    rows, columns, spacing = detectors[int(rng.integers(len(detectors)))]
    source_detector = rng.uniform(*taken.source_detector)
    source_patient = source_detector - rng.uniform(*taken.object_detector)
    above, spread = site.centring
    stray = 3.5 * spread if rng.random() < 0.05 else spread
    joint = np.mean([limb.knee.tibia.surface.vertices[:, 2].max() + limb.offset[2] for limb in limbs])
    middle = np.mean([limb.offset[0] for limb in limbs])
    source = np.array([middle + rng.normal(0, 0.6 * stray), -source_patient, joint + rng.normal(above, stray)])
    centre = ((rows - 1) / 2 + rng.normal(0, 6), (columns - 1) / 2 + rng.normal(0, 6))
    return Projection(source, source_detector, spacing, (rows, columns), centre), source_patient


def limb_view(limb: Limb, projection: Projection, strip: float) -> tuple[Projection, int]:
    """The view in a limb's own frame, of a strip of columns around it, and its first column in the image.

    Moving the source the other way shows the same as moving the limb.
    """
    rows, columns = projection.shape
    width = min(fft.next_fast_len(round(strip / projection.spacing), real=True), columns)
    first = 0 if width == columns else round(projection.project(limb.offset)[1] - width / 2)
    centre = (projection.centre[0], projection.centre[1] - first)
    return replace(projection, source=projection.source - limb.offset, shape=(rows, width), centre=centre), first


def limb_image(
    limb: Limb, view: Projection, build: LimbBuild, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Attenuation (rows, columns) of a limb in a view of its own frame, and its thickness in mm."""
    shape = view.shape
    texture = Texture(oriented_grain(shape, knee.STRANDS / view.spacing, rng), smooth_noise(shape, 7.0, rng))
    attenuation, body = limb_attenuation(view, limb.knee, build, rng)
    femur, tibia = (limb.disease.densify(bone) for bone in (FEMUR, TIBIA))
    bones = knee_attenuation(view, limb.knee, texture, rng, femur, tibia)
    return attenuation + uneven_density(shape, rng) * bones, body


def patient_image(
    limbs: list[Limb], projection: Projection, site: KneesSite, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Attenuation (rows, columns) of the limbs, their thickness in mm, and (row, column) of their landmarks."""
    attenuation, body = (np.zeros(projection.shape, dtype=np.float32) for _ in range(2))
    points = {}
    shape = LimbBuild.draw(rng, site.build)
    for limb in limbs:
        view, first = limb_view(limb, projection, site.strip)
        # The strip may reach beyond the cassette.
        start, stop = max(first, 0), min(first + view.shape[1], projection.shape[1])
        for total, part in zip((attenuation, body), limb_image(limb, view, shape, rng)):
            total[:, start:stop] += part[:, start - first : stop - first]
        for name, point in locate_knee(limb.knee, view).items():
            points[sided(name, limb.knee.side)] = point + np.array([0.0, first])
    return attenuation, body, points


def render(rng: np.random.Generator, site: KneesSite) -> Radiograph:
    """Draw a patient, a position, an exposure and a reader, and make the radiograph."""
    taken = site.acquisition
    limbs = draw_limbs(load_shape_model(BONES, FINER), site.standing, rng)
    kind, one = rng.random(), [limbs[int(rng.integers(2))]]
    single = bool(kind < SINGLE)
    shown = one if kind < SINGLE + MISSING * (1 - SINGLE) else limbs
    projection, source_patient = draw_projection(one if single else limbs, rng, site)
    field = Field.draw(projection.shape, rng, open_share=taken.open_share, tightest=taken.tightest)
    attenuation, body, points = patient_image(shown, projection, site, rng)
    side = one[0].knee.side if single else "both"
    letters = "".join(limb.knee.side for limb in shown)
    pixels = taken.image(attenuation, body, field, projection.spacing, rng, letters)
    ordered = {name: points[name] for name in SCHEME.names if name in points}
    present, absent = read_landmarks(ordered, projection.shape, field, frozenset(), rng)
    return Radiograph(
        pixels,
        present,
        tuple(name for name in SCHEME.names if name in absent or name not in points),
        projection.spacing,
        projection.source_detector,
        source_patient,
        bool(rng.random() < taken.monochrome1),
        kvp=float(rng.integers(*taken.kvp)),
        exposure=float(rng.integers(*taken.exposure)),
        side=side,
        attributes=grades(shown),
    )


def grades(limbs: list[Limb]) -> dict[str, int]:
    """Kellgren-Lawrence grade of each knee shown, and of the worst."""
    found = {sided("kl_grade", limb.knee.side): limb.disease.grade for limb in limbs}
    return found | {"kl_grade": max(found.values())}


PRESET = Preset(
    name="knees-radiograph",
    summary="standing radiographs of both knees with osteoarthritis, 2 x 16 landmarks, DICOM DX",
    scheme=SCHEME,
    view=knee.PRESET.view,
    sites={HOME: partial(render, site=HOME_SITE), EXTERNAL: partial(render, site=EXTERNAL_SITE)},
)
