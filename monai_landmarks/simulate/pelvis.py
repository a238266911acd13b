"""The preset `pelvis-radiograph`: anteroposterior radiographs of the adult pelvis with 20 landmarks."""

from __future__ import annotations

from functools import partial

import numpy as np

from monai_landmarks.measure.library import PELVIS
from monai_landmarks.simulate.anatomy import draw_anatomy
from monai_landmarks.simulate.film import Field
from monai_landmarks.simulate.landmarks import (
    LandmarkRule,
    build_scheme,
    extremum,
    head_centre,
    locate_all,
    midline_nodes,
    pelvic_nodes,
)
from monai_landmarks.simulate.patient import patient_attenuation
from monai_landmarks.simulate.pelvis_sites import CLINIC_SITE, EXTERNAL_SITE, HOME_SITE, PelvisSite
from monai_landmarks.simulate.projection import Projection
from monai_landmarks.simulate.radiograph import EXTERNAL, HOME, Preset, Radiograph, View
from monai_landmarks.simulate.reading import read_landmarks
from monai_landmarks.simulate.shape_model import load_shape_model

RULES = (
    LandmarkRule(
        "teardrop",
        "Inferior end of the teardrop: projection of the point where the acetabular fossa ends at the notch.",
        "#e6194b",
        "acetabulum",
        pelvic_nodes((110, 283), (648, 821)),
    ),
    LandmarkRule(
        "acetabular_rim",
        "Lateral end of the acetabular roof (sourcil): the corner of its contour.",
        "#f58231",
        "acetabulum",
        extremum("pelvis", (324, 865), 9.0, up=-0.25, medial=-1.0),
    ),
    LandmarkRule(
        "ischium_inferior",
        "Most inferior point of the ischium's contour.",
        "#ffe119",
        "pelvic_ring",
        extremum("pelvis", (25, 566), 30.0, up=-1.0, medial=0.0),
    ),
    LandmarkRule(
        "ischial_spine",
        "Most medial point of the ischial spine's contour.",
        "#bfef45",
        "pelvic_ring",
        extremum("pelvis", (233, 773), 9.0, up=0.0, medial=1.0),
    ),
    LandmarkRule(
        "anterior_superior_iliac_spine",
        "Anterior superior iliac spine: furthest point of its contour, 35 degrees below outward.",
        "#3cb44b",
        "pelvic_ring",
        extremum("pelvis", (466, 1004), 18.0, up=-0.57, medial=-0.82),
    ),
    LandmarkRule(
        "femoral_head_centre",
        "Projection of the centre of the sphere fitted to the femoral head.",
        "#42d4f4",
        "femur",
        head_centre,
    ),
    LandmarkRule(
        "greater_trochanter_superior",
        "Most superior point of the greater trochanter's contour.",
        "#4363d8",
        "femur",
        extremum("femur", (131, 131), 22.0, up=1.0, medial=0.0),
    ),
    LandmarkRule(
        "lesser_trochanter_medial",
        "Most medial point of the lesser trochanter's contour.",
        "#911eb4",
        "femur",
        extremum("femur", (276, 276), 14.0, up=0.0, medial=1.0),
    ),
    LandmarkRule(
        "sacrococcygeal_junction",
        "Centre of the sacrococcygeal junction: projection of the middle of the sacrum's lower end.",
        "#f032e6",
        "midline",
        midline_nodes(1412, 1413, 1846, 1847),
        paired=False,
    ),
    LandmarkRule(
        "sacral_plateau_centre",
        "Projection of the middle of the upper end plate of S1.",
        "#a9a9a9",
        "midline",
        midline_nodes(1300),
        paired=False,
    ),
    LandmarkRule(
        "symphysis_superior",
        "Upper end of the pubic symphysis: projected middle between the upper corners of the joint faces.",
        "#fabed4",
        "midline",
        midline_nodes(96, 637),
        paired=False,
    ),
    LandmarkRule(
        "symphysis_inferior",
        "Lower end of the pubic symphysis: projected middle between the lower corners of the joint faces.",
        "#aaffc3",
        "midline",
        midline_nodes(82, 622),
        paired=False,
    ),
)
SACRUM_HIDDEN = 0.15  # share of the images in which bowel hides the sacrococcygeal junction


def draw_projection(rng: np.random.Generator, site: PelvisSite = HOME_SITE) -> tuple[Projection, float]:
    """A view with the table's geometry, and the distance from the source to the hips' plane."""
    taken = site.acquisition
    rows, columns, spacing = taken.detectors[int(rng.integers(len(taken.detectors)))]
    source_detector = rng.uniform(*taken.source_detector)
    source_patient = source_detector - rng.uniform(*taken.object_detector)
    above, spread = site.centring
    # A few images are badly centred, so that landmarks fall outside.
    stray = spread * 42 / 9 if rng.random() < 0.10 else spread
    across, along = rng.normal(0, 0.8 * stray), rng.normal(above, stray)
    centre = ((rows - 1) / 2 + rng.normal(0, 6), (columns - 1) / 2 + rng.normal(0, 6))
    # The hips' centres lie about 35 mm behind the pubic tubercles, the origin of y.
    return Projection(
        np.array([across, 35.0 - source_patient, along]), source_detector, spacing, (rows, columns), centre
    ), source_patient


def draw_field(shape: tuple[int, int], rng: np.random.Generator, site: PelvisSite = HOME_SITE) -> Field:
    """The collimated field: open in some images, else each side is cut a little."""
    return Field.draw(shape, rng, open_share=site.acquisition.open_share, tightest=site.acquisition.tightest)


def render(rng: np.random.Generator, site: PelvisSite) -> Radiograph:
    """Draw a patient, a position, an exposure and a reader, and make the radiograph."""
    taken = site.acquisition
    anatomy = draw_anatomy(load_shape_model(), site.pose, rng)
    projection, source_patient = draw_projection(rng, site)
    shape, spacing = projection.shape, projection.spacing
    field = draw_field(shape, rng, site)
    hidden = rng.random() < SACRUM_HIDDEN
    points = locate_all(RULES, anatomy, projection)
    cover = anatomy.pelvis.nodes[[1412, 1847]].mean(axis=0) if hidden else None
    attenuation, body = patient_attenuation(projection, anatomy, site.build, rng, cover)
    pixels = taken.image(attenuation, body, field, spacing, rng)
    present, absent = read(points, shape, field, hidden, rng)
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
    )


def read(
    points: dict[str, np.ndarray],
    shape: tuple[int, int],
    field: Field,
    hidden: bool,
    rng: np.random.Generator,
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """What the reader writes down; bowel may hide the sacrococcygeal junction."""
    covered = frozenset({"sacrococcygeal_junction"} if hidden else ())
    return read_landmarks(points, shape, field, covered, rng)


VIEW = View(
    body_part="PELVIS",
    region=("12921003", "SCT", "Pelvis"),
    position="AP",
    view=("399348003", "SCT", "antero-posterior"),
    orientation=("L", "F"),
)
PRESET = Preset(
    name="pelvis-radiograph",
    summary="anteroposterior radiographs of the pelvis, 20 landmarks, DICOM DX",
    scheme=build_scheme("pelvis-radiograph", RULES, PELVIS),
    view=VIEW,
    sites={
        HOME: partial(render, site=HOME_SITE),
        EXTERNAL: partial(render, site=EXTERNAL_SITE),
        "clinic": partial(render, site=CLINIC_SITE),
    },
)
