from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import config

from monai_landmarks.data.dataset import Case
from monai_landmarks.data.reader import read_radiograph
from monai_landmarks.simulate import hip_fluoroscopy, pelvis, pelvis_fluoroscopy
from monai_landmarks.simulate.anatomy import draw_anatomy
from monai_landmarks.simulate.c_arms import EXTERNAL_WIDE, HOME_NARROW, HOME_WIDE
from monai_landmarks.simulate.dataset import simulate_case
from monai_landmarks.simulate.fluoroscope import CArmView, RoundField
from monai_landmarks.simulate.landmarks import locate_side
from monai_landmarks.simulate.projection import Projection
from monai_landmarks.simulate.radiograph import Radiograph
from monai_landmarks.simulate.shape_model import load_shape_model

NAMES = ("pelvis-fluoroscopy", "pelvis-fluoroscopy-trochanter", "pelvis-fluoroscopy-implant")
PRESETS = {preset.PRESET.name: preset.PRESET for preset in (pelvis_fluoroscopy, hip_fluoroscopy)}
SITES = ("home", "external")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("images")


@pytest.fixture(scope="module")
def cases(folder: Path) -> dict[tuple[str, str], Case]:
    return {(name, site): simulate_case(folder, name, 5, 2, site) for name in NAMES for site in SITES}


@pytest.fixture(scope="module")
def images() -> list[Radiograph]:
    return [preset.sites[site](np.random.default_rng(3)) for preset in PRESETS.values() for site in SITES]


def inside_circle(image: Radiograph) -> np.ndarray:
    assert image.circle is not None
    rows, columns = np.indices(image.pixels.shape)
    distance: np.ndarray = np.hypot(rows - image.circle[0], columns - image.circle[1])
    return distance < image.circle[2]


def test_distance_to_the_edges_of_a_round_field_by_hand() -> None:
    field = RoundField((50.0, 40.0), 30.0, 20.0, 0.0)
    places = {(50, 40): 20, (50, 55): 5, (50, 65): -5, (75, 40): 5, (90, 40): -10, (50, 15): -5}
    for (row, column), expected in places.items():
        assert field.depth(np.array(row), np.array(column)) == pytest.approx(expected)
    # A quarter turn puts the blades above and below.
    turned = replace(field, angle=90.0)
    assert turned.depth(np.array(65), np.array(40)) == pytest.approx(5)
    assert turned.depth(np.array(50), np.array(65)) == pytest.approx(5)


def test_schemes() -> None:
    assert len(PRESETS["pelvis-fluoroscopy"].scheme.names) == 8
    hip = PRESETS["pelvis-fluoroscopy-trochanter"].scheme
    assert len(hip.names) == 6
    assert {"greater_trochanter_superior", "lesser_trochanter_medial"} <= set(hip.names)
    # One side only: a mirrored image shows the other side's landmarks of the same names.
    assert all(landmark.pair is None for landmark in hip.landmarks)
    for preset in PRESETS.values():
        assert set(preset.sites) == {"home", "external"}
        assert all(landmark.description and landmark.colour for landmark in preset.scheme.landmarks)


def test_outside_the_circle_is_black_and_inside_is_not(images: list[Radiograph]) -> None:
    for image in images:
        inside = inside_circle(image)
        assert image.pixels.shape[0] == image.pixels.shape[1]
        assert image.pixels[~inside].max() == 0
        assert image.pixels[inside].min() >= 1
        assert 0.55 < inside.mean() < 0.80


def test_points_lie_in_the_circle(images: list[Radiograph]) -> None:
    for image in images:
        inside = inside_circle(image)
        for point in image.points.values():
            assert inside[tuple(np.round(point).astype(int))]


def test_a_landmark_beyond_circle_or_blades_is_absent() -> None:
    field = RoundField((250.0, 250.0), 240.0, 150.0, 0.0)
    projection = Projection(np.array([0.0, -700.0, 0.0]), 1000.0, 0.5, (500, 500), field.centre)
    points = {
        "in": np.array([250.0, 350.0]),
        "behind_blade": np.array([250.0, 410.0]),
        "corner": np.array([20.0, 150.0]),
    }
    view = CArmView(projection, field, 700.0)
    drawn = [HOME_WIDE.radiograph(np.zeros((500, 500)), points, view, np.random.default_rng(s)) for s in range(5)]
    assert all(image.absent == ("behind_blade", "corner") for image in drawn)
    assert any("in" in image.points for image in drawn)


@pytest.mark.parametrize("name", NAMES)
def test_home_stores_bone_dark_and_reads_back_bone_bright(
    folder: Path, cases: dict[tuple[str, str], Case], name: str
) -> None:
    case = cases[name, "home"]
    path = folder / f"{case.id}.dcm"
    dataset, read = pydicom.dcmread(path), read_radiograph(path)
    assert "PixelIntensityRelationshipSign" not in dataset
    assert read.info["polarity"] == "inverted"
    assert read.info["modality"] == dataset.Modality == "RF"
    stored, shown = dataset.pixel_array.astype(float), read.pixels[0]
    outside = stored == dataset.PixelPaddingValue
    assert np.ptp((stored + shown)[~outside]) == 0
    assert (shown[outside] == shown.min()).all()
    _assert_bone_bright(shown, case, ~outside)


@pytest.mark.parametrize("name", NAMES)
def test_external_stores_bone_bright_with_a_sign(folder: Path, cases: dict[tuple[str, str], Case], name: str) -> None:
    case = cases[name, "external"]
    path = folder / f"{case.id}.dcm"
    dataset, read = pydicom.dcmread(path), read_radiograph(path)
    assert read.info["polarity"] == "kept"
    assert read.info["polarity_source"] == "PixelIntensityRelationshipSign"
    np.testing.assert_array_equal(read.pixels[0], dataset.pixel_array)
    _assert_bone_bright(read.pixels[0], case, dataset.pixel_array > 0)


def _assert_bone_bright(shown: np.ndarray, case: Case, exposed: np.ndarray) -> None:
    """The femoral head outshines most of what is around it, air is the darkest."""
    points = case.annotations[0].points
    column, row = next(points[name] for name in points if "head_centre" in name)
    head = shown[int(row) - 4 : int(row) + 5, int(column) - 4 : int(column) + 5].mean()
    assert (shown[exposed] < head).mean() > 0.6


def test_file_is_a_valid_fluoroscopy_object(folder: Path, cases: dict[tuple[str, str], Case]) -> None:
    before, config.settings.reading_validation_mode = config.settings.reading_validation_mode, config.RAISE
    try:
        for (name, _), case in cases.items():
            dataset = pydicom.dcmread(folder / f"{case.id}.dcm")
            dataset.walk(lambda _, element: element.value)
            assert dataset.SOPClassUID.name == "X-Ray Radiofluoroscopic Image Storage"
            assert dataset.file_meta.MediaStorageSOPClassUID == dataset.SOPClassUID
            # X-Ray Image and X-Ray Acquisition modules, PS3.3 C.8.7.1 and C.8.7.2.
            assert (dataset.PhotometricInterpretation, dataset.PixelIntensityRelationship) == ("MONOCHROME2", "DISP")
            assert (dataset.RadiationSetting, dataset.CollimatorShape, dataset.FieldOfViewShape) == (
                "GR",
                "CIRCULAR",
                "ROUND",
            )
            assert len(dataset.ImageType) == 3
            assert "PresentationIntentType" not in dataset
            assert dataset.ImageLaterality == {"L": "L", "R": "R", "both": "B"}[case.side or "both"]
            assert (case.side == "both") == (name == "pelvis-fluoroscopy")
    finally:
        config.settings.reading_validation_mode = before


def test_millimetres_are_those_of_the_aimed_at_plane(folder: Path, cases: dict[tuple[str, str], Case]) -> None:
    for case in cases.values():
        spacing = read_radiograph(folder / f"{case.id}.dcm").spacing
        assert spacing.plane == "patient_plane"
        assert spacing.mm is not None
        assert 0.2 < spacing.mm[0] == spacing.mm[1] < 0.6
    for seed, c_arm in enumerate((HOME_WIDE, HOME_NARROW, EXTERNAL_WIDE)):
        target = np.array([20.0, 40.0, -10.0])
        view = c_arm.draw_view(target, np.random.default_rng(seed))
        projection = view.projection
        pixels = projection.project(target + np.array([[0.0, 0.0, 0.0], [30.0, 0.0, 40.0]]))
        mm = projection.spacing * view.source_patient / projection.source_detector
        assert np.linalg.norm(pixels[1] - pixels[0]) * mm == pytest.approx(50.0)
        # The circle is as large as the intensifier.
        assert 2 * view.field.radius * projection.spacing == pytest.approx(
            min(c_arm.intensifiers, key=lambda d: abs(d - 2 * view.field.radius * projection.spacing)), abs=0.02
        )


def test_shaft_centre_lies_midway_between_the_shafts_contours() -> None:
    for seed in range(4):
        rng = np.random.default_rng([8, seed])
        anatomy = draw_anatomy(load_shape_model(), pelvis.HOME_SITE.pose, rng)
        for side in ("right", "left"):
            target = anatomy.head_centres[side] - np.array([0.0, 0.0, 60.0])
            projection = HOME_WIDE.draw_view(target, rng).projection
            row, column = locate_side(hip_fluoroscopy.RULES, anatomy, projection, side)["femoral_shaft_centre"]
            bone = np.flatnonzero(projection.path_length(anatomy.femurs[side].surface)[round(row)] > 0.05)
            width = bone[-1] - bone[0]
            assert abs((bone[0] + bone[-1]) / 2 - column) < 0.06 * width


def test_same_seed_same_bytes(folder: Path, cases: dict[tuple[str, str], Case], tmp_path: Path) -> None:
    for site in SITES:
        again = simulate_case(tmp_path, "pelvis-fluoroscopy-trochanter", 5, 2, site)
        before = cases["pelvis-fluoroscopy-trochanter", site]
        assert (tmp_path / f"{again.id}.dcm").read_bytes() == (folder / f"{before.id}.dcm").read_bytes()
        assert again.annotations == before.annotations
    other = simulate_case(tmp_path, "pelvis-fluoroscopy-trochanter", 5, 3)
    assert other.annotations != cases["pelvis-fluoroscopy-trochanter", "home"].annotations
