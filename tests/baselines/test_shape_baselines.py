"""Mean shape and PCA shape: on points one can compute, on whole radiographs and on regions of limbs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from monai_landmarks.baselines import MeanShape, RegionViewer, ShapeRegression, WholeViewer, evaluate_baselines
from monai_landmarks.cli.main import build_app
from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset, State, load_dataset
from monai_landmarks.errors import ConfigError, LandmarksError
from monai_landmarks.scheme import Landmark, Scheme
from monai_landmarks.sides import both_sides

LIMB = Scheme(name="knee", landmarks=(Landmark(name="centre"), Landmark(name="lateral")))


def test_the_mean_leaves_out_what_is_not_known() -> None:
    points = np.array([[[0.0, 2.0], [np.nan, np.nan]], [[4.0, 4.0], [np.nan, np.nan]], [[np.nan] * 2, [np.nan] * 2]])
    model = MeanShape.fit(points)
    assert model.mean[0].tolist() == [2.0, 3.0]
    assert np.isnan(model.mean[1]).all()
    assert model.predict(np.zeros((5, 8, 8))).shape == (5, 2, 2)


def stripes(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A bright stripe whose row the points follow, in opposite directions."""
    rng = np.random.default_rng(seed)
    places = rng.uniform(6, 18, count)
    rows = np.arange(24.0)
    images = np.exp(-((rows[None, :, None] - places[:, None, None]) ** 2) / 18) + rng.normal(0, 0.02, (count, 24, 24))
    points = np.stack([np.stack([places, 0 * places + 5], -1), np.stack([24 - places, 0 * places + 9], -1)], 1)
    return images, points


def test_the_regression_follows_the_image_and_the_mean_does_not() -> None:
    images, points = stripes(60, 0)
    points[3, 1] = np.nan
    model = ShapeRegression.fit(images, points, *stripes(20, 1))
    test_images, truth = stripes(30, 2)
    own = np.linalg.norm(model.predict(test_images) - truth, axis=-1).mean()
    mean = np.linalg.norm(MeanShape.fit(points).predict(test_images) - truth, axis=-1).mean()
    assert own < 0.2 * mean
    # Brightness and contrast carry no information.
    np.testing.assert_allclose(model.predict(7 * test_images + 3), model.predict(test_images), atol=1e-6)


def test_settings_are_chosen_on_the_validation_images() -> None:
    images, points = stripes(30, 0)
    chosen = ShapeRegression.fit(images, points, *stripes(20, 1))
    noise = np.random.default_rng(0).normal(size=(20, 24, 24))
    flat = ShapeRegression.fit(images, points, noise, np.repeat(points.mean(0)[None], 20, axis=0))
    assert flat.penalty > chosen.penalty
    with pytest.raises(ConfigError, match="three training images"):
        ShapeRegression.fit(images[:2], points[:2], images, points)


def test_whole_radiographs_in_original_pixels(tmp_path: Path, make_blobs: Callable[..., Path]) -> None:
    dataset = load_dataset(make_blobs(tmp_path, (20, 6, 6), size=(100, 60)))
    found = evaluate_baselines(dataset, WholeViewer())
    results = found["mean shape"].results
    training = np.stack([case.points(dataset.scheme)[0] for case in dataset.select("training")])
    np.testing.assert_allclose(results.predicted[0], np.nanmean(training, axis=0), atol=1e-6)
    assert results.case_ids == [case.id for case in dataset.select("test")]
    assert results.planes == ["user"] * 6
    np.testing.assert_allclose(results.network_scale, 48 / 100)
    assert np.nanmean(found["PCA shape"].results.errors_mm()) < np.nanmean(results.errors_mm())


def test_without_a_validation_split_patients_of_the_training_are_used(
    tmp_path: Path, make_blobs: Callable[..., Path]
) -> None:
    dataset = load_dataset(make_blobs(tmp_path, (20, 0, 3)))
    assert set(evaluate_baselines(dataset, WholeViewer())) == {"mean shape", "PCA shape"}


def write_knees(folder: Path, spacing: tuple[float, float] | None = (1.0, 1.0)) -> LandmarkDataset:
    """Two dots a knee; `lateral` lies 20 mm to the outside of `centre`, which lies anywhere. One lacks the left one."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    cases = []
    rows, columns = np.mgrid[:120, :200]
    for number in range(16):
        image = np.full((120, 200), 30.0)
        points = {}
        for side, middle, outside in (("right", 50, -1), ("left", 150, 1)):
            if number == 15 and side == "left":
                continue
            row, column = rng.uniform(45, 75), middle + rng.uniform(-12, 12)
            points[f"centre_{side}"], points[f"lateral_{side}"] = (column, row), (column + 20 * outside, row)
            for x, y in (points[f"centre_{side}"], points[f"lateral_{side}"]):
                image += 150 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 18)
        Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(folder / "images" / f"{number:02}.png")
        absent = [name for name in both_sides(LIMB).names if name not in points]
        split = "training" if number < 8 else "validation" if number < 12 else "test"
        annotation = Annotation(reader="r", points=points, absent=absent)
        about = {"id": f"{number:02}", "image": f"images/{number:02}.png", "split": split, "side": "both"}
        cases.append(Case.model_validate({**about, "spacing_mm": spacing, "annotations": [annotation]}))
    LandmarkDataset(scheme=both_sides(LIMB), cases=cases).save(folder / "dataset.json")
    return load_dataset(folder / "dataset.json")


def test_regions_around_each_knee_mirrored_and_taken_back(tmp_path: Path) -> None:
    """In the region's frame every knee is the same: the mean shape is exact, left knees included."""
    dataset = write_knees(tmp_path)
    results = evaluate_baselines(dataset, RegionViewer("centre", side_mm=80.0, size=40))["mean shape"].results
    assert results.names == both_sides(LIMB).names
    present = results.state == State.PRESENT
    assert present.sum() == 14
    # A region is whole pixels of the image: its centre is off by half a pixel at most.
    assert results.errors_mm()[present].max() < 1.0
    assert np.isnan(results.predicted[~present]).all()
    assert (results.presence == present).all()
    whole = evaluate_baselines(dataset, WholeViewer())["mean shape"].results
    assert np.nanmean(results.errors_mm()) < 0.2 * np.nanmean(whole.errors_mm())


def test_regions_need_a_spacing(tmp_path: Path) -> None:
    dataset = write_knees(tmp_path, spacing=None)
    with pytest.raises(LandmarksError, match="spacing"):
        evaluate_baselines(dataset, RegionViewer("centre"))


def test_the_command_leaves_evaluations_to_compare_with(tmp_path: Path) -> None:
    write_knees(tmp_path / "data")
    file = tmp_path / "data" / "dataset.json"
    arguments = ["baselines", str(file), "--output", str(tmp_path / "run"), "--region", "centre"]
    result = CliRunner().invoke(
        build_app(), [*arguments, "--limb-corner", "lateral", "--threshold", "2", "--threshold", "1.5"]
    )
    assert result.exit_code == 0, result.output
    assert "PCA shape" in result.output
    assert "by knee" in result.output
    for name in ("mean_shape", "pca_shape"):
        metrics = json.loads((tmp_path / "run" / name / "metrics.json").read_text())
        assert list(metrics["mm"]["sdr"]) == ["1.5", "2.0"]
    again = CliRunner().invoke(build_app(), arguments)
    assert isinstance(again.exception, ConfigError)
    with pytest.raises(ConfigError, match="the limb has no centre_left; its landmarks are centre, lateral"):
        evaluate_baselines(load_dataset(file), RegionViewer("centre_left"))
