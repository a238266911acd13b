from __future__ import annotations

import numpy as np
import pytest

from monai_landmarks.simulate import pelvis
from monai_landmarks.simulate.anatomy import Anatomy, Bone, draw_anatomy
from monai_landmarks.simulate.film import Field
from monai_landmarks.simulate.landmarks import contour_extremum, contour_vertices, locate_all
from monai_landmarks.simulate.mesh import Surface
from monai_landmarks.simulate.projection import Projection
from monai_landmarks.simulate.shape_model import load_shape_model
from monai_landmarks.simulate.solids import ellipsoid

Case = tuple[Anatomy, Projection, dict[str, np.ndarray]]


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    drawn = []
    for seed in range(5):
        rng = np.random.default_rng([11, seed])
        anatomy = draw_anatomy(load_shape_model(), pelvis.HOME_SITE.pose, rng)
        projection, _ = pelvis.draw_projection(rng)
        drawn.append((anatomy, projection, locate_all(pelvis.RULES, anatomy, projection)))
    return drawn


def test_contour_of_a_sphere_is_its_tangent_circle() -> None:
    # A sphere of radius r at distance d is touched by rays at an angle asin(r / d) to its centre's ray.
    sphere = ellipsoid(np.zeros(3), np.full(3, 50.0), rings=100, segments=200)
    view = Projection(np.array([0.0, -1000.0, 0.0]), 1000.0, 0.5, (400, 400), (200.0, 200.0))
    bone = Bone(sphere, np.array([[0.0, 0.0, 50.0]]), np.zeros(len(sphere.vertices)))
    radius = 1000 * np.tan(np.arcsin(50 / 1000)) / 0.5
    contour = view.project(sphere.vertices[contour_vertices(sphere.vertices, sphere.faces, view.source)])
    np.testing.assert_allclose(np.linalg.norm(contour - 200, axis=1), radius, rtol=5e-3)
    np.testing.assert_allclose(
        contour_extremum(bone, view, 0, 60.0, np.array([-1.0, 0.0])), [200 - radius, 200], atol=2.0
    )


def test_scheme_has_twenty_landmarks_with_pairs_groups_definitions_and_colours() -> None:
    scheme = pelvis.PRESET.scheme
    assert len(scheme.names) == 20
    assert sum(landmark.pair is not None for landmark in scheme.landmarks) == 16
    for landmark in scheme.landmarks:
        assert landmark.description
        assert landmark.colour
        if landmark.pair:
            assert {landmark.name, landmark.pair} == {
                f"{landmark.name.rsplit('_', 1)[0]}_{s}" for s in ("left", "right")
            }
    assert sorted(name for members in scheme.groups.values() for name in members) == sorted(scheme.names)


def test_left_is_on_the_right_and_the_order_from_top_to_bottom_is_anatomical(cases: list[Case]) -> None:
    for _, _, points in cases:
        assert tuple(points) == pelvis.PRESET.scheme.names
        for name in points:
            if name.endswith("_left"):
                assert points[name][1] > points[name.replace("_left", "_right")][1]
        for side in ("left", "right"):
            rows = [
                points[f"{name}_{side}"][0]
                for name in (
                    "anterior_superior_iliac_spine",
                    "acetabular_rim",
                    "femoral_head_centre",
                    "teardrop",
                    "ischium_inferior",
                )
            ]
            assert rows == sorted(rows)
        assert points["symphysis_superior"][0] < points["symphysis_inferior"][0]
        assert points["sacral_plateau_centre"][0] < points["sacrococcygeal_junction"][0]


def test_extrema_are_those_of_the_rendered_silhouettes(cases: list[Case]) -> None:
    """The lowest pixel of each hemipelvis's own path length image is the row of its inferior ischium, and so on."""
    for anatomy, projection, points in cases:
        wide = Projection(
            projection.source, projection.source_detector, projection.spacing, (1400, 1400), (700.0, 700.0)
        )
        offset = np.array(wide.centre) - np.array(projection.centre)
        for side, elements in (("right", range(0, 73)), ("left", range(73, 146))):
            inside = np.isin(anatomy.pelvis.elements, elements)
            faces = anatomy.pelvis.surface.faces
            hemipelvis = Surface(anatomy.pelvis.surface.vertices, faces[inside[faces].all(axis=1)])
            lowest = np.flatnonzero((wide.path_length(hemipelvis) > 1e-3).any(axis=1)).max()
            assert abs(lowest - (points[f"ischium_inferior_{side}"] + offset)[0]) <= 1.1
            femur = wide.path_length(anatomy.femurs[side].surface) > 1e-3
            top = points[f"greater_trochanter_superior_{side}"] + offset
            column = round(top[1])
            assert abs(np.flatnonzero(femur[:, column]).min() - top[0]) <= 1.1
            lesser = points[f"lesser_trochanter_medial_{side}"] + offset
            across = np.flatnonzero(femur[round(lesser[0])])
            edge = across.min() if side == "left" else across.max()
            assert abs(edge - lesser[1]) <= 1.0


def test_contour_landmarks_lie_on_an_edge_of_their_bone(cases: list[Case]) -> None:
    for anatomy, projection, points in cases:
        for name in ("acetabular_rim", "anterior_superior_iliac_spine"):
            for side in ("left", "right"):
                row, column = points[f"{name}_{side}"]
                outward = 1 if side == "left" else -1
                if not (5 < row < projection.shape[0] - 5 and 20 < column < projection.shape[1] - 20):
                    continue
                path = projection.path_length(anatomy.pelvis.surface)
                assert path[round(row), round(column + 2.5 * outward)] < 1e-6
                assert path[round(row) - 2 : round(row) + 3, round(column - 4 * outward)].max() > 0


def test_head_centre_is_the_projected_centre(cases: list[Case]) -> None:
    for anatomy, projection, points in cases:
        for side, centre in anatomy.head_centres.items():
            np.testing.assert_allclose(points[f"femoral_head_centre_{side}"], projection.project(centre))
            # Ten millimetres to the patient's left at the hips are ten times the magnification on the detector.
            step = projection.project(centre + np.array([10.0, 0, 0])) - projection.project(centre)
            magnification = projection.source_detector / (centre[1] - projection.source[1])
            np.testing.assert_allclose(step, [0, 10 * magnification / projection.spacing])


def test_absent_and_unlabelled_shares() -> None:
    shape, field = (864, 1024), Field((431.5, 511.5), (400.0, 400.0), 0.0)
    points = {name: np.array([400.0, 500.0]) for name in pelvis.PRESET.scheme.names}
    points["greater_trochanter_superior_left"] = np.array([400.0, 950.0])  # on the detector, not in the field
    rng = np.random.default_rng(3)
    missing, slips = 0, 0
    for _ in range(400):
        hidden = bool(rng.random() < pelvis.SACRUM_HIDDEN)
        present, absent = pelvis.read(points, shape, field, hidden, rng)
        assert absent == ("greater_trochanter_superior_left",)
        assert not set(present) & set(absent)
        missing += "sacrococcygeal_junction" not in present
        slips += sum(name not in present for name in points if name not in absent and "sacroc" not in name)
        assert not hidden or "sacrococcygeal_junction" not in present
    assert 0.12 < missing / 400 < 0.22
    assert 0.005 < slips / (400 * 18) < 0.015


def test_some_landmarks_fall_outside_the_field() -> None:
    cut = 0
    for seed in range(60):
        rng = np.random.default_rng([5, seed])
        anatomy = draw_anatomy(load_shape_model(), pelvis.HOME_SITE.pose, rng)
        projection, _ = pelvis.draw_projection(rng)
        field = pelvis.draw_field(projection.shape, rng)
        _, absent = pelvis.read(locate_all(pelvis.RULES, anatomy, projection), projection.shape, field, False, rng)
        cut += bool(absent)
    assert 2 <= cut <= 20
