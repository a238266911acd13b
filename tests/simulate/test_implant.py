from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest

from monai_landmarks.data.reader import read_radiograph
from monai_landmarks.simulate import implant_fluoroscopy, implant_radiograph, simulate_dataset
from monai_landmarks.simulate.anatomy import Anatomy, draw_anatomy
from monai_landmarks.simulate.dataset import simulate_case
from monai_landmarks.simulate.hip_implant import HipImplant, ImplantRanges, cup_direction, implant_hip
from monai_landmarks.simulate.pelvis import draw_projection
from monai_landmarks.simulate.projection import Projection, ellipse_axes
from monai_landmarks.simulate.shape_model import load_shape_model
from monai_landmarks.simulate.solids import along

SITE = implant_radiograph.HOME_SITE
Hip = tuple[str, Anatomy, Anatomy, HipImplant, Projection]


@pytest.fixture(scope="module")
def hips() -> list[Hip]:
    drawn = []
    for seed in range(6):
        rng = np.random.default_rng([21, seed])
        natural = draw_anatomy(load_shape_model(), SITE.pelvis.pose, rng)
        side = ("right", "left")[seed % 2]
        operated, implant = implant_hip(natural, side, ImplantRanges(), rng)
        drawn.append((side, natural, operated, implant, draw_projection(rng, SITE.pelvis)[0]))
    return drawn


def inclination(points: dict[str, np.ndarray]) -> float:
    """Angle in degrees between the long axis of the cup's ellipse and the image's rows."""
    down, across = points["cup_rim_inferior"] - points["cup_rim_superior"]
    return float(np.degrees(np.arctan2(down, abs(across))))


def test_cup_direction_by_hand() -> None:
    root = np.sqrt(0.5)
    np.testing.assert_allclose(cup_direction(45.0, 0.0, 1.0), [root, 0, -root], atol=1e-12)
    # Anteversion opens the cup forward (-y); right and left are mirror images.
    np.testing.assert_allclose(cup_direction(0.0, 30.0, 1.0), [0, -0.5, -np.sqrt(0.75)], atol=1e-12)
    np.testing.assert_allclose(cup_direction(40.0, 15.0, -1.0), cup_direction(40.0, 15.0, 1.0) * [-1, 1, 1], atol=1e-12)


def test_along_is_a_rotation_onto_the_direction() -> None:
    for direction in np.random.default_rng(0).normal(size=(20, 3)):
        turn = along(direction)
        np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
        assert np.linalg.det(turn) == pytest.approx(1)
        np.testing.assert_allclose(turn[:, 2], direction / np.linalg.norm(direction))


def test_axes_of_an_ellipse_by_hand() -> None:
    angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    long_axis, short_axis = np.array([3.0, 4.0]) * 2, np.array([-4.0, 3.0]) * 0.5
    points = np.array([100.0, 70.0]) + np.outer(np.cos(angle), long_axis) + np.outer(np.sin(angle), short_axis)
    centre, longer, shorter = ellipse_axes(points)
    np.testing.assert_allclose(centre, [100, 70])
    np.testing.assert_allclose(longer * np.sign(longer[0]), long_axis)
    np.testing.assert_allclose(np.abs(shorter), np.abs(short_axis))


@pytest.mark.parametrize("outward", [1.0, -1.0])
def test_cup_angles_follow_from_the_landmarks_before_the_central_ray(hips: list[Hip], outward: float) -> None:
    """Seen straight on, the long axis slopes by the inclination, and the axes' ratio is the sine of the anteversion."""
    for side, _, _, implant, _ in hips:
        if (side == "left") != (outward > 0):
            continue
        centre = implant.cup_centre
        source = centre - np.array([0.0, 1000.0, 0.0])
        view = Projection(source, 1150.0, 0.3, (800, 800), (400.0, 400.0))
        points = implant.points(view)
        assert inclination(points) == pytest.approx(implant.inclination, abs=0.1)
        angle = np.linspace(0, 2 * np.pi, 400)
        ring = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1) * implant.cup_radius
        rim = view.project(ring @ along(implant.cup_axis).T + centre)
        _, longer, shorter = ellipse_axes(rim)
        ratio = np.linalg.norm(shorter) / np.linalg.norm(longer)
        assert np.degrees(np.arcsin(ratio)) == pytest.approx(implant.anteversion, abs=0.3)
        # The landmarks are the two points of the rim's image that lie furthest apart.
        span = np.linalg.norm(rim[:, None] - rim[None], axis=-1)
        assert np.linalg.norm(points["cup_rim_superior"] - points["cup_rim_inferior"]) == pytest.approx(
            span.max(), rel=1e-3
        )
        outside = points["cup_rim_superior"] - points["cup_rim_inferior"]
        assert outside[0] < 0 < outside[1] * outward


def test_inclination_of_the_landmarks_in_drawn_views(hips: list[Hip]) -> None:
    """Off the central ray perspective adds up to a few degrees, as it does in patients."""
    errors = [inclination(implant.points(view)) - implant.inclination for _, _, _, implant, view in hips]
    assert 0.1 < np.abs(errors).max() < 4.0


def test_rim_landmarks_are_where_the_cups_shadow_begins(hips: list[Hip]) -> None:
    for _, _, _, implant, view in hips:
        points = implant.points(view)
        cup = view.path_length(implant.parts[0][0])
        middle = (points["cup_rim_superior"] + points["cup_rim_inferior"]) / 2
        for name in ("cup_rim_superior", "cup_rim_inferior"):
            inward = (middle - points[name]) / np.linalg.norm(middle - points[name])
            for step, expected in ((-2.5, False), (2.5, True)):
                row, column = np.round(points[name] + step * inward).astype(int)
                if 0 <= row < view.shape[0] and 0 <= column < view.shape[1]:
                    assert (cup[row, column] > 0.5) == expected


def test_stem_points_are_corners_of_its_shadow(hips: list[Hip]) -> None:
    for side, _, _, implant, view in hips:
        tall = Projection(view.source, view.source_detector, view.spacing, (1600, 1400), (600.0, 700.0))
        points = implant.points(tall)
        rows, columns = np.nonzero(tall.path_length(implant.stem.body) > 0.05)
        lowest = rows.max()
        assert abs(points["stem_tip"][0] - lowest) < 2.5
        assert abs(points["stem_tip"][1] - columns[rows == lowest].mean()) < 5
        lateral = 1 if side == "left" else -1
        reach = (lateral * columns - rows).max()
        assert lateral * points["stem_shoulder"][1] - points["stem_shoulder"][0] == pytest.approx(reach, abs=2.5)


def test_bone_makes_room_for_metal(hips: list[Hip]) -> None:
    for side, natural, operated, implant, view in hips:
        row, column = np.round(view.project(natural.head_centres[side])).astype(int)
        before, after = (view.path_length(body.femurs[side].surface) for body in (natural, operated))
        assert before[row, column] > 30
        assert after[row, column] < 0.5
        # The trochanter stays, and so does the other femur.
        vertices = natural.femurs[side].surface.vertices
        outward = 1 if side == "left" else -1
        near = np.linalg.norm(vertices - natural.femurs[side].nodes[131], axis=1) < 22
        for vertex in (
            np.argmax(np.where(near, vertices[:, 2], -np.inf)),
            np.argmax(np.where(near, outward * vertices[:, 0], -np.inf)),
        ):
            np.testing.assert_allclose(operated.femurs[side].surface.vertices[vertex], vertices[vertex])
        other = "left" if side == "right" else "right"
        assert operated.femurs[other] is natural.femurs[other]
        distance = np.linalg.norm(operated.pelvis.surface.vertices - implant.cup_centre, axis=1)
        assert distance.min() > 0.85 * implant.cup_radius


def test_stem_lies_in_the_shaft(hips: list[Hip]) -> None:
    for side, _, operated, implant, view in hips:
        tall = Projection(view.source, view.source_detector, view.spacing, (1600, 1400), (600.0, 700.0))
        metal = tall.path_length(implant.stem.body) > 0.05
        tip, shoulder = (implant.points(tall)[name] for name in ("stem_tip", "stem_shoulder"))
        metal[: int(0.5 * (tip[0] + shoulder[0]))] = False
        bone = tall.path_length(operated.femurs[side].surface) > 0.05
        assert bone[metal].mean() > 0.99


def test_schemes_and_angles_in_clinical_ranges(hips: list[Hip]) -> None:
    assert implant_radiograph.SCHEME.names == (
        "cup_rim_superior",
        "cup_rim_inferior",
        "implant_head_centre",
        "stem_tip",
    )
    assert implant_fluoroscopy.SCHEME.names == (*implant_radiograph.SCHEME.names, "stem_shoulder")
    for _, _, _, implant, _ in hips:
        assert set(implant_fluoroscopy.SCHEME.names) == set(implant.points(hips[0][4]))
        assert 30 <= implant.inclination <= 55
        assert 5 <= implant.anteversion <= 30
        assert 40 < 2 * implant.cup_radius < 68


@pytest.mark.parametrize("preset", ["pelvis-radiograph-implant", "pelvis-fluoroscopy-implant"])
@pytest.mark.parametrize("site", ["home", "external"])
def test_case_knows_its_cup_and_side(tmp_path: Path, preset: str, site: str) -> None:
    case = simulate_case(tmp_path, preset, 1, 5, site)
    path = tmp_path / f"{case.id}.dcm"
    read = read_radiograph(path)
    assert case.side in ("L", "R")
    assert pydicom.dcmread(path).ImageLaterality == case.side
    points = {name: np.array(point)[::-1] for name, point in case.annotations[0].points.items()}
    lateral = points["cup_rim_superior"][1] - points["cup_rim_inferior"][1]
    assert (lateral > 0) == (case.side == "L")
    assert inclination(points) == pytest.approx(case.attributes["cup_inclination_deg"], abs=4.0)
    assert read.spacing.plane == "patient_plane"
    # The long axis is as long as the cup is wide, in the plane of the hips.
    assert read.spacing.mm is not None
    length = np.linalg.norm(points["cup_rim_superior"] - points["cup_rim_inferior"]) * read.spacing.mm[0]
    assert length == pytest.approx(case.attributes["cup_diameter_mm"], rel=0.04)
    # Metal is among the brightest.
    row, column = np.round(points["implant_head_centre"]).astype(int)
    shown = read.pixels[0]
    assert shown[row, column] > 1.15 * np.median(shown[shown > shown.min()])
    before = path.read_bytes()
    assert simulate_case(tmp_path, preset, 1, 5, site) == case
    assert path.read_bytes() == before


def test_data_set_holds_the_angles_and_is_recognised_again(tmp_path: Path) -> None:
    target = simulate_dataset(tmp_path, "pelvis-fluoroscopy-implant", count=2, seed=3, workers=1, progress=False)
    before = target.read_bytes()
    content = json.loads(before)
    assert content["scope"] == {"modality": ["RF"], "body_part": ["HIP"], "view": ["AP"]}
    for case in content["cases"]:
        assert {"cup_inclination_deg", "cup_anteversion_deg", "cup_diameter_mm"} <= set(case["attributes"])
    assert simulate_dataset(tmp_path, "pelvis-fluoroscopy-implant", count=2, seed=3, progress=False) == target
    assert target.read_bytes() == before
