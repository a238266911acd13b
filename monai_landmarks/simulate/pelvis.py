"""The preset `pelvis-radiograph`: anteroposterior radiographs of the adult pelvis with 20 landmarks."""

from __future__ import annotations

import numpy as np

from monai_landmarks.simulate.anatomy import Anatomy, PoseRanges, draw_anatomy
from monai_landmarks.simulate.film import Field, FilmRanges, develop, expose
from monai_landmarks.simulate.landmarks import (
    LandmarkRule,
    build_scheme,
    extremum,
    head_centre,
    locate_all,
    midline_nodes,
    pelvic_nodes,
)
from monai_landmarks.simulate.marker import draw_marker
from monai_landmarks.simulate.projection import Projection
from monai_landmarks.simulate.radiograph import Preset, Radiograph, View
from monai_landmarks.simulate.shape_model import load_shape_model
from monai_landmarks.simulate.skeleton import Texture, skeleton_attenuation, uneven_density
from monai_landmarks.simulate.soft_tissue import (
    MUSCLE,
    Habitus,
    bowel_gas,
    calcifications,
    soft_tissue_attenuation,
)
from monai_landmarks.simulate.spine import axial_attenuation
from monai_landmarks.simulate.texture import oriented_grain, smooth_noise

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
# Share of the images in which the reader left a landmark out: neither placed nor called absent.
SACRUM_HIDDEN = 0.15
LEFT_OUT = 0.01
MONOCHROME1 = 0.3
# Detectors: rows, columns, pixel in mm.
DETECTORS = ((864, 1024, 0.42), (840, 1000, 0.43), (900, 1050, 0.40))
POSE = PoseRanges()
FILM = FilmRanges()


def draw_projection(rng: np.random.Generator) -> tuple[Projection, float]:
    """A view with the table's geometry, and the distance from the source to the hips' plane."""
    rows, columns, spacing = DETECTORS[int(rng.integers(len(DETECTORS)))]
    source_detector = rng.uniform(1080.0, 1200.0)
    source_patient = source_detector - rng.uniform(125.0, 185.0)
    # A few images are badly centred, so that landmarks fall outside.
    stray = 42.0 if rng.random() < 0.10 else 9.0
    across, along = rng.normal(0, 0.8 * stray), rng.normal(42, stray)
    centre = ((rows - 1) / 2 + rng.normal(0, 6), (columns - 1) / 2 + rng.normal(0, 6))
    # The hips' centres lie about 35 mm behind the pubic tubercles, the origin of y.
    return Projection(
        np.array([across, 35.0 - source_patient, along]), source_detector, spacing, (rows, columns), centre
    ), source_patient


def draw_field(shape: tuple[int, int], rng: np.random.Generator) -> Field:
    """The collimated field: open in a third of the images, else each side cut by at most a sixth or so."""
    return Field.draw(shape, rng, open_share=0.35, tightest=(0.15, 0.19))


def render(rng: np.random.Generator) -> Radiograph:
    """Draw a patient, a position, an exposure and a reader, and make the radiograph."""
    anatomy = draw_anatomy(load_shape_model(), POSE, rng)
    projection, source_patient = draw_projection(rng)
    shape, spacing = projection.shape, projection.spacing
    field = draw_field(shape, rng)
    hidden = rng.random() < SACRUM_HIDDEN
    points = locate_all(RULES, anatomy, projection)
    attenuation, body = _attenuation(projection, anatomy, hidden, rng)
    attenuation += draw_marker(field, shape, spacing, rng)
    edge = field.depth(np.arange(shape[0])[:, None], np.arange(shape[1])[None, :])
    opening = np.clip(edge / 2.5 + 0.5, 0, 1).astype(np.float32)
    density = expose(attenuation, body, opening, spacing, FILM, rng)
    # The border starts a little inside the penumbra.
    pixels = develop(density, body, edge > 2.0, spacing, FILM, rng)
    present, absent = read(points, shape, field, hidden, rng)
    return Radiograph(
        pixels,
        present,
        absent,
        spacing,
        projection.source_detector,
        source_patient,
        bool(rng.random() < MONOCHROME1),
        kvp=float(rng.integers(70, 86)),
        exposure=float(rng.integers(8, 41)),
    )


def _attenuation(
    projection: Projection, anatomy: Anatomy, hidden: bool, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Line integrals (rows, columns) of the whole patient, and the body's thickness."""
    shape = projection.shape
    texture = Texture(oriented_grain(shape, 1.9 / projection.spacing, rng), smooth_noise(shape, 7.0, rng))
    soft, body = soft_tissue_attenuation(projection, anatomy, Habitus.draw(rng), rng)
    bones = skeleton_attenuation(projection, anatomy, texture, rng)
    bones = uneven_density(shape, rng) * (bones + axial_attenuation(projection, anatomy.pelvis, texture, rng))
    cover = anatomy.pelvis.nodes[[1412, 1847]].mean(axis=0) if hidden else None
    gas = bowel_gas(projection, anatomy, rng, cover)
    total = soft + bones + calcifications(projection, anatomy, rng) - MUSCLE * np.minimum(gas, 0.6 * body)
    return np.maximum(total, 0).astype(np.float32), body


def read(
    points: dict[str, np.ndarray],
    shape: tuple[int, int],
    field: Field,
    hidden: bool,
    rng: np.random.Generator,
) -> tuple[dict[str, np.ndarray], tuple[str, ...]]:
    """What the reader writes down: points placed, and landmarks called absent as they lie outside the field.

    Landmarks in neither are unlabelled: the sacrococcygeal junction where bowel hides it, and a few slips.
    """
    absent = tuple(name for name, point in points.items() if not _visible(point, shape, field))
    left_out = {name for name in points if rng.random() < LEFT_OUT} | ({"sacrococcygeal_junction"} if hidden else set())
    return {name: point for name, point in points.items() if name not in absent and name not in left_out}, absent


def _visible(point: np.ndarray, shape: tuple[int, int], field: Field) -> bool:
    """Whether a point lies on the detector and inside the collimated field."""
    row, column = point
    on_detector = -0.5 <= row < shape[0] - 0.5 and -0.5 <= column < shape[1] - 0.5
    return bool(on_detector and field.depth(row, column) >= 0)


PRESET = Preset(
    name="pelvis-radiograph",
    summary="anteroposterior radiographs of the pelvis, 20 landmarks, DICOM DX",
    scheme=build_scheme("pelvis-radiograph", RULES),
    view=View(
        body_part="PELVIS",
        region=("12921003", "SCT", "Pelvis"),
        position="AP",
        view=("399348003", "SCT", "antero-posterior"),
        orientation=("L", "F"),
        laterality="B",
    ),
    side="both",
    render=render,
)
