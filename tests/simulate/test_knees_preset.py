from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
import pytest
from scipy import ndimage

from monai_landmarks.measure import measure_points
from monai_landmarks.sides import both_sides, limb_scheme
from monai_landmarks.simulate import knees, knees_anatomy
from monai_landmarks.simulate.acquisition import Acquisition
from monai_landmarks.simulate.dataset import simulate_case
from monai_landmarks.simulate.knee_anatomy import BONES
from monai_landmarks.simulate.knees_anatomy import Limb, draw_limbs
from monai_landmarks.simulate.knees_arthritis import GRADES, Arthritis
from monai_landmarks.simulate.knees_landmarks import NAMES, locate_knee
from monai_landmarks.simulate.projection import Projection
from monai_landmarks.simulate.radiograph import Radiograph
from monai_landmarks.simulate.shape_model import load_shape_model

SITES = {"home": knees.HOME_SITE, "external": knees.EXTERNAL_SITE}
# (seed, index) of images of both knees, of one on the long cassette and of one on its own.
KINDS = {
    "home": {"both": (0, 0), "missing": (3, 3), "single": (1, 0)},
    "external": {"both": (0, 0), "missing": (2, 0), "single": (1, 1)},
}


@dataclass(frozen=True)
class Seen:
    """A limb, the view of it in its own frame, the points there, and mm of its plane a pixel."""

    limb: Limb
    view: Projection
    points: dict[str, np.ndarray]
    pixel: float

    def measured(self) -> dict[str, float]:
        scheme = limb_scheme(knees.SCHEME)
        array = np.array([self.points[name] for name in scheme.names])
        found = measure_points(scheme, array, spacing=(self.pixel, self.pixel))
        return {m.name: m.value for m in found if m.value is not None}


def looked_at(site: knees.KneesSite, seed: int) -> list[Seen]:
    rng = np.random.default_rng([17, seed])
    limbs = draw_limbs(load_shape_model(BONES, knees.FINER), site.standing, rng)
    projection, source_patient = knees.draw_projection(limbs, rng, site)
    pixel = projection.spacing * source_patient / projection.source_detector
    views = [knees.limb_view(limb, projection, site.strip)[0] for limb in limbs]
    return [Seen(limb, view, locate_knee(limb.knee, view), pixel) for limb, view in zip(limbs, views)]


@pytest.fixture(scope="module", params=SITES.values(), ids=SITES)
def seen(request: pytest.FixtureRequest) -> list[Seen]:
    return [one for seed in range(5) for one in looked_at(request.param, seed)]


@pytest.fixture(scope="module")
def by_grade() -> dict[int, list[Seen]]:
    """The same patients at every grade, worn on the medial side."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("monai_landmarks.simulate.knees_arthritis.MEDIAL", 1.0)
        found = {}
        for grade in GRADES:
            patch.setattr(knees_anatomy, "GRADES", (grade,))
            found[grade] = [one for seed in range(3) for one in looked_at(knees.HOME_SITE, seed)]
    return found


def test_scheme_is_that_of_both_limbs_with_sixteen_points_each() -> None:
    scheme = knees.SCHEME
    assert (
        limb_scheme(scheme).names == NAMES == (*(f"tibia_{k}" for k in range(9)), *(f"femur_{k}" for k in range(9, 16)))
    )
    assert scheme.names == both_sides(limb_scheme(scheme)).names
    assert scheme.mirror == (*range(16, 32), *range(16))
    assert {name: len(members) for name, members in scheme.groups.items()} == {
        "tibia": 18,
        "femur": 14,
        "right": 16,
        "left": 16,
    }
    assert all(landmark.description and landmark.colour for landmark in scheme.landmarks)
    assert {m.name for m in limb_scheme(scheme).measurements} >= {"joint_space_medial", "joint_space_lateral"}


def test_points_run_from_lateral_to_medial_at_equal_steps(seen: list[Seen]) -> None:
    assert Counter(one.limb.knee.side for one in seen) == {"L": 5, "R": 5}
    for one in seen:
        found = np.array([one.points[name] for name in NAMES])
        # The patient's left is on the image's right: a left knee's lateral side is towards larger columns.
        for bone, centre in ((found[:9], 4), (found[9:], 3)):
            assert (np.diff(-one.limb.knee.lateral * bone[:, 1]) > 0).all()
            line = (bone[-1] - bone[0]) / np.linalg.norm(bone[-1] - bone[0])
            across = (bone - bone[0]) @ line
            np.testing.assert_allclose(across[: centre + 1], np.linspace(0, across[centre], centre + 1), atol=1e-6)
            np.testing.assert_allclose(across[centre:], np.linspace(across[centre], across[-1], centre + 1), atol=1e-6)
            # The centre lies in the middle third.
            assert 1 / 3 < across[centre] / across[-1] < 2 / 3
        assert found[12 if one.limb.disease.grade < 4 else 4, 0] < max(found[0, 0], found[8, 0])
        notch, lateral, medial = (one.points[f"femur_{k}"][0] for k in (12, 10, 14))
        assert notch < min(lateral, medial)


def test_points_lie_on_the_rendered_silhouettes(seen: list[Seen]) -> None:
    """Within two pixels of each point there is bone and there is none."""
    for one in seen[:4]:
        view, side = one.view, 6
        for bone in ("tibia", "femur"):
            solid = view.path_length(getattr(one.limb.knee, bone).surface) > 1e-3
            edge = ndimage.maximum_filter(solid, 5) & ~ndimage.minimum_filter(solid, 5)
            for name, (row, column) in one.points.items():
                if name.startswith(bone):
                    assert edge[round(row), round(column)], name
                    # Towards the joint there is no more of this bone.
                    away = -side if bone == "tibia" else side
                    assert not solid[round(row) + away, round(column)] or name in NAMES[2:7] + NAMES[11:14]


def test_images_have_an_edge_at_the_points() -> None:
    """The image changes more at the points than 4 mm deeper in the bone."""
    for site in SITES.values():
        at, deeper = [], []
        for seed in (3,):
            image = knees.render(np.random.default_rng(seed), site)
            smooth = ndimage.gaussian_filter(image.pixels.astype(float), 0.4 / image.spacing)
            slope = ndimage.maximum_filter(np.hypot(*np.gradient(smooth)), round(0.8 / image.spacing))
            for name, (row, column) in image.points.items():
                down = 4.0 / image.spacing * (1 if name.startswith("tibia") else -1)
                if 20 < row + down < slope.shape[0] - 20 and 20 < column < slope.shape[1] - 20:
                    at.append(slope[round(row), round(column)])
                    deeper.append(slope[round(row + down), round(column)])
        assert len(at) > 15
        assert np.median(at) > 1.3 * np.median(deeper)


def test_narrowing_and_osteophytes_grow_with_the_grade(by_grade: dict[int, list[Seen]]) -> None:
    measured = {
        name: np.array([[one.measured()[name] for one in by_grade[grade]] for grade in GRADES])
        for name in ("joint_space_medial", "joint_line_convergence", "tibial_width", "femoral_width")
    }
    spaces = np.array([[one.limb.disease.spaces[0] for one in by_grade[grade]] for grade in GRADES])
    assert (np.diff(spaces, axis=0) <= 0).all()
    assert (np.diff(measured["joint_space_medial"].mean(axis=1)) < 0).all()
    assert (measured["joint_space_medial"][0] - measured["joint_space_medial"][4] > 2.0).all()
    # Medial wear opens the joint on the lateral side.
    assert measured["joint_line_convergence"][4].mean() > measured["joint_line_convergence"][0].mean() + 2.0
    for width in ("tibial_width", "femoral_width"):
        assert (np.diff(measured[width].mean(axis=1)) > 0).all()
        assert (measured[width][4] - measured[width][0] > 4.0).all()


def test_the_grade_shows_in_the_image(by_grade: dict[int, list[Seen]]) -> None:
    """Bone fills the joint space, stands out beyond the healthy corner, and is denser under the worn surface."""
    change = []
    for healthy, ill in zip(by_grade[0][:3], by_grade[4][:3]):
        pair = []
        for one in (healthy, ill):
            limb, view = one.limb, one.view
            rng = np.random.default_rng(0)
            total, _ = knees.limb_image(limb, view, knees.LimbBuild(1.0, 5.0), rng)
            upper, lower = one.points["femur_14"], (one.points["tibia_6"] + one.points["tibia_7"]) / 2
            mm = 1 / one.pixel
            gap = total[round(min(upper[0], lower[0])) : round(max(upper[0], lower[0])) + 1, round(upper[1])].min()
            row, column = (round(v) for v in lower)
            under = total[row + round(3 * mm) : row + round(7 * mm), column - round(4 * mm) : column + round(4 * mm)]
            # Seen from the tibia's own centre, as both knees may lie differently.
            corner = healthy.points["tibia_8"] - healthy.points["tibia_4"] + one.points["tibia_4"]
            out = corner + np.array([0.5 * mm, -limb.knee.lateral * 2.0 * mm])
            pair.append((gap, under.mean(), total[round(out[0]) - 4 : round(out[0]) + 5, round(out[1])].max()))
        change.append(np.array(pair[1]) - np.array(pair[0]))
    gap, under, beyond = np.array(change).T
    # A beam aslant to the plateau lets bones overlap that do not touch.
    assert (gap > 0).all()
    assert np.median(gap) > 0.3
    assert (under > 0.1).all()
    assert np.median(beyond) > 0.05


def test_osteophytes_leave_the_bones_closed(by_grade: dict[int, list[Seen]]) -> None:
    for bone in by_grade[4][0].limb.knee.bones:
        faces = bone.surface.faces
        edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
        assert len(np.unique(edges, axis=0)) == len(edges)
        assert {tuple(edge) for edge in edges} == {tuple(edge[::-1]) for edge in edges}
        assert bone.surface.volume > 0


def test_wear_is_mostly_medial_and_leaves_the_other_side() -> None:
    rng = np.random.default_rng(8)
    drawn = [Arthritis.draw(3, knees.HOME_SITE.standing.knee, rng).spaces for _ in range(300)]
    medial = sum(spaces[0] < 2.6 <= spaces[1] for spaces in drawn) / 300
    lateral = sum(spaces[1] < 2.9 and spaces[0] > 2.9 for spaces in drawn) / 300
    assert 0.68 < medial < 0.84
    assert 0.10 < lateral < 0.26


def test_both_knees_of_a_patient_are_alike_but_not_the_same(seen: list[Seen]) -> None:
    widths = np.array([one.measured()["femoral_width"] for one in seen if one.limb.disease.grade < 2])
    assert np.ptp(widths) > 4
    pairs = list(zip(seen[::2], seen[1::2]))
    sizes = np.array([[np.ptp(one.limb.knee.femur.surface.vertices[:, 2]) for one in pair] for pair in pairs])
    assert np.abs(sizes[:, 0] - sizes[:, 1]).mean() < 0.5 * np.abs(sizes[:, 0][:, None] - sizes[:, 1]).mean()
    assert (np.abs(sizes[:, 0] - sizes[:, 1]) > 1e-3).all()
    assert any(pair[0].limb.disease.grade != pair[1].limb.disease.grade for pair in pairs)


@pytest.fixture(scope="module")
def drawn_kinds() -> list[Radiograph]:
    """Many images without their pixels, all of one patient."""
    site = knees.HOME_SITE
    limbs = draw_limbs(load_shape_model(BONES, knees.FINER), site.standing, np.random.default_rng(1))
    blank = np.zeros((8, 8), dtype=np.float32)

    def points(shown: list[Limb], *_: object) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        middle = {knees.sided(name, limb.knee.side): np.full(2, 500.0) for limb in shown for name in NAMES}
        return blank, blank, middle

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(knees, "draw_limbs", lambda *_: limbs)
        patch.setattr(knees, "patient_image", points)
        patch.setattr(Acquisition, "image", lambda *_: blank)
        return [knees.render(np.random.default_rng(seed), site) for seed in range(600)]


def test_one_knee_in_ten_on_its_own_and_one_cassette_in_ten_half_empty(drawn_kinds: list[Radiograph]) -> None:
    single = [image for image in drawn_kinds if image.side != "both"]
    missing = [image for image in drawn_kinds if image.side == "both" and image.absent]
    assert 0.06 < len(single) / 600 < 0.14
    assert 0.05 < len(missing) / 600 < 0.13
    assert {image.side for image in single} == {"L", "R"}
    for image in [*single, *missing]:
        suffix = {name.rsplit("_", 1)[1] for name in image.points}
        (shown,) = suffix
        assert image.side in ("both", shown[0].upper())
        assert set(image.absent) == {name for name in knees.SCHEME.names if not name.endswith(shown)}
        assert set(image.attributes) == {"kl_grade", f"kl_grade_{shown}"}


@pytest.mark.parametrize("kind", ["both", "missing", "single"])
@pytest.mark.parametrize("site", SITES)
def test_files_name_the_side_and_hold_points_and_grades(
    tmp_path: Path, dicom_errors: object, site: str, kind: str
) -> None:
    case = simulate_case(tmp_path, "knees-radiograph", *KINDS[site][kind], site)
    path = tmp_path / f"{case.id}.dcm"
    file = pydicom.dcmread(path)
    assert (file.BodyPartExamined, file.ViewPosition) == ("KNEE", "AP")
    assert file.ImageLaterality == {"both": "B"}.get(str(case.side), case.side)
    assert (case.side == "both") == (kind != "single")
    (annotation,) = case.annotations
    points = np.array(list(annotation.points.values()))
    assert (points >= -0.5).all()
    assert (points < np.array(case.size)[::-1] - 0.5).all()
    sides = {name.rsplit("_", 1)[1] for name in annotation.points}
    assert len(sides) == (2 if kind == "both" else 1)
    assert len(points) >= 12 * len(sides)
    grades = {side: case.attributes[f"kl_grade_{side}"] for side in sides}
    assert case.attributes["kl_grade"] == max(grades.values())
    assert set(grades.values()) <= set(GRADES)
    assert set(annotation.absent) >= {n for n in knees.SCHEME.names if n.rsplit("_", 1)[1] not in sides}
    if kind == "both":
        # The patient's right is on the image's left.
        x = {side: np.mean([p[0] for n, p in annotation.points.items() if n.endswith(side)]) for side in sides}
        assert x["right"] < case.size[1] / 2 < x["left"]
    assert file.Rows * file.ImagerPixelSpacing[0] < 480
    assert dicom_errors(path) == set()


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for name in "ab":
        (tmp_path / name).mkdir()
        case = simulate_case(tmp_path / name, "knees-radiograph", *KINDS["home"]["single"])
        contents.append(((tmp_path / name / f"{case.id}.dcm").read_bytes(), case.annotations, case.attributes))
    assert contents[0] == contents[1]
