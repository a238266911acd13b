from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

from monai_landmarks.simulate import knee
from monai_landmarks.simulate.dataset import simulate_case
from monai_landmarks.simulate.knee_anatomy import BONES, Knee, KneeRanges, compartment_gaps, draw_knee
from monai_landmarks.simulate.knee_landmarks import RULES
from monai_landmarks.simulate.landmarks import locate_all
from monai_landmarks.simulate.projection import Projection
from monai_landmarks.simulate.shape_model import load_shape_model

# Seeds whose first four knees are of both sides.
SEEDS = {"home": 1, "external": 1}
Drawn = tuple[Knee, Projection, dict[str, np.ndarray]]


@pytest.fixture(scope="module", params=[knee.HOME_SITE, knee.EXTERNAL_SITE], ids=["home", "external"])
def drawn(request: pytest.FixtureRequest) -> list[Drawn]:
    cases = []
    for seed in range(12):
        rng = np.random.default_rng([21, seed])
        subject = draw_knee(load_shape_model(BONES), request.param.knee, rng)
        projection, _ = knee.draw_projection(subject, rng, request.param)
        cases.append((subject, projection, locate_all(RULES, subject, projection)))
    return cases


def test_scheme_has_eight_unpaired_landmarks_in_two_groups() -> None:
    scheme = knee.PRESET.scheme
    assert len(scheme.names) == 8
    assert all(landmark.pair is None and landmark.description and landmark.colour for landmark in scheme.landmarks)
    assert scheme.mirror == tuple(range(8))
    assert {group: len(members) for group, members in scheme.groups.items()} == {"femur": 5, "tibia": 3}


def test_medial_and_lateral_swap_with_the_side(drawn: list[Drawn]) -> None:
    assert {subject.side for subject, _, _ in drawn} == {"L", "R"}
    for subject, _, points in drawn:
        # The patient's left is on the image's right: lateral of a left knee is towards larger columns.
        towards = 1 if subject.side == "L" else -1
        for names in (
            ("femoral_epicondyle_medial", "femoral_condyle_medial", "femoral_notch"),
            ("femoral_notch", "femoral_condyle_lateral", "femoral_epicondyle_lateral"),
            ("tibial_plateau_medial", "tibial_spine_medial", "tibial_plateau_lateral"),
        ):
            columns = [towards * points[name][1] for name in names]
            assert columns == sorted(columns)
        for side in ("medial", "lateral"):
            rows = [points[f"{name}_{side}"][0] for name in ("femoral_epicondyle", "femoral_condyle", "tibial_plateau")]
            assert rows == sorted(rows)
            assert points["femoral_notch"][0] < points[f"femoral_condyle_{side}"][0]
            assert points["tibial_spine_medial"][0] < points[f"tibial_plateau_{side}"][0]
        fibula, tibia = (bone.surface.vertices[:, 0].mean() for bone in (subject.fibula, subject.tibia))
        assert towards * (fibula - tibia) > 5


def test_landmarks_are_those_of_the_rendered_silhouettes(drawn: list[Drawn]) -> None:
    for subject, view, points in drawn[:5]:
        wide = Projection(view.source, view.source_detector, view.spacing, (1400, 1400), (700.0, 700.0))
        moved = {name: point + 700.0 - np.array(view.centre) for name, point in points.items()}
        femur, tibia = (wide.path_length(bone.surface) > 1e-3 for bone in (subject.femur, subject.tibia))
        pixel = 1.5 / view.spacing
        for side in ("medial", "lateral"):
            row, column = moved[f"femoral_condyle_{side}"]
            assert abs(np.flatnonzero(femur[:, round(column)]).max() - row) <= 1.1
            row, column = moved[f"femoral_epicondyle_{side}"]
            across = np.flatnonzero(femur[round(row)])
            assert min(abs(across.min() - column), abs(across.max() - column)) <= 1.1
            row, column = moved[f"tibial_plateau_{side}"]
            inwards = 1 if column < moved["tibial_spine_medial"][1] else -1
            assert not tibia[round(row - pixel), round(column - pixel * inwards)]
            assert tibia[round(row + 3 * pixel), round(column + 3 * pixel * inwards)]
        row, column = moved["tibial_spine_medial"]
        assert abs(np.flatnonzero(tibia[:, round(column)]).min() - row) <= 1.1
        # The notch's apex is the shortest femur between the condyles, within half a millimetre.
        between = sorted(round(moved[f"femoral_condyle_{side}"][1]) for side in ("medial", "lateral"))
        lower = [np.flatnonzero(femur[:, c]).max() for c in range(between[0] + 10, between[1] - 10)]
        assert abs(min(lower) - moved["femoral_notch"][0]) <= 0.5 / view.spacing
        assert abs(femur[:, round(moved["femoral_notch"][1])].nonzero()[0].max() - min(lower)) <= 0.5 / view.spacing


def test_epicondyles_are_near_the_projected_atlas_nodes(drawn: list[Drawn]) -> None:
    for subject, view, points in drawn:
        for name, node in (("medial", 630), ("lateral", 550)):
            apart = points[f"femoral_epicondyle_{name}"] - view.project(subject.femur.nodes[node])
            assert np.abs(apart).max() * view.spacing < 19
            assert abs(apart[1]) * view.spacing < 7


def test_bones_are_closed_and_the_joint_space_is_the_one_drawn() -> None:
    subject = draw_knee(load_shape_model(BONES), KneeRanges(), np.random.default_rng(3))
    for bone in subject.bones:
        faces = bone.surface.faces
        edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        # Every edge is passed once in either direction.
        assert len(np.unique(edges, axis=0)) == len(edges)
        assert {tuple(edge) for edge in edges} == {tuple(edge[::-1]) for edge in edges}
        assert bone.surface.volume > 0
    flat = dict.fromkeys(("flexion", "rotation", "tilt", "obliquity"), (0.0, 0.0))
    for seed in range(6):
        ranges = KneeRanges(medial_space=(4.0, 4.0), lateral_space=(5.0, 5.0), **flat)
        rng = np.random.default_rng([2, seed])
        subject = draw_knee(load_shape_model(BONES), ranges, rng)
        if subject.side == "L":
            np.testing.assert_allclose(compartment_gaps(subject.femur, subject.tibia), [4.0, 5.0], atol=0.3)


@pytest.mark.parametrize("site", ["home", "external"])
def test_files_name_the_side_and_hold_the_points(tmp_path: Path, site: str) -> None:
    sides = set()
    for index in range(4):
        case = simulate_case(tmp_path, "knee-radiograph", SEEDS[site], index, site)
        file = pydicom.dcmread(tmp_path / f"{case.id}.dcm")
        assert file.ImageLaterality == case.side
        assert (file.BodyPartExamined, file.ViewPosition) == ("KNEE", "AP")
        assert file.AnatomicRegionSequence[0].CodeMeaning == "Knee"
        points = np.array(list(case.annotations[0].points.values()))
        assert len(points) >= 6
        assert (points >= -0.5).all()
        assert (points < np.array(case.size)[::-1] - 0.5).all()
        sides.add(case.side)
    assert sides == {"L", "R"}
