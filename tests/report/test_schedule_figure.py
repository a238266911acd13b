"""The figure of the curriculum."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.metrics import Results
from monai_landmarks.report.schedule import (
    Ground,
    choose_epochs,
    middle_landmark,
    paint_regions,
    plain_ground,
    recorded_radii,
    schedule_figure,
    schedule_section,
    shape_of,
    surroundings,
    training_ground,
)

NAN = float("nan")


def history(radii: list[float], **more: str) -> list[dict[str, object]]:
    return [{"epoch": n + 1, "radius": radius, **more} for n, radius in enumerate(radii)]


def test_epochs_go_from_the_largest_radius_to_the_last_by_even_factors() -> None:
    radii = 64 * (3 / 64) ** (np.arange(20) / 19)
    chosen = choose_epochs(np.concatenate([radii, np.full(5, 3.0)]))
    assert (chosen[0], chosen[-1], len(chosen)) == (0, 19, 6)
    np.testing.assert_allclose(np.diff(chosen), 19 / 5, atol=0.81)
    assert choose_epochs(np.array([65.0, 65, 5, 5, 0, 0])) == [0, 2, 4]


def test_regions_have_the_radius_of_the_whole_image() -> None:
    """A radius of 8 at 512 is 4 px of an image whose longer side is 256, whatever part of it is shown."""
    ground = Ground(np.zeros((60, 50), np.uint8), np.array([[30.0, 20.0], [NAN, NAN]]), 256.0)
    for shape, count in (("Diamond", 1 + 2 * 4 * 5), ("Square", 81), ("Disk", 49), ("", 41)):
        painted = paint_regions(ground, 8.0, shape).any(-1)
        assert painted.sum() == count
        assert np.argwhere(painted).mean(axis=0) == pytest.approx([30, 20])


@pytest.mark.parametrize(("share", "reach", "window"), [(1.0, 20, 0), (0.16, 3, 41)])
def test_a_second_passes_regions_are_drawn_in_the_scale_of_its_window(
    monkeypatch: pytest.MonkeyPatch, share: float, reach: int, window: int
) -> None:
    """Radius 40 of a window of 16 % of 256 px: 40 * 41 / 512 = 3.2 px, in a square of 41 px."""
    figures: list[Figure] = []
    monkeypatch.setattr("monai_landmarks.report.schedule.svg_uri", lambda figure: figures.append(figure) or "")
    ground = Ground(np.zeros((60, 50), np.uint8), np.array([[30.0, 20.0], [NAN, NAN]]), 256.0)
    rows = [{**row, "field_of_view": share} for row in history([40, 10], shape="Square")]
    assert schedule_figure(rows, ground) is not None
    panel = figures[0].axes[0]
    painted = np.argwhere(np.asarray(panel.images[0].get_array()).any(-1))
    assert painted.min(axis=0).tolist() == [30 - reach, 20 - reach]
    sides = [(round(patch.get_width()), round(patch.get_height())) for patch in panel.patches]
    assert sides == ([(window, window)] if window else [])


def test_the_window_lies_around_the_landmark_in_the_middle() -> None:
    assert middle_landmark(np.array([[0.0, 0], [9, 9], [NAN, NAN], [4, 5]])).tolist() == [4, 5]


def test_the_ground_of_a_window_is_twice_its_side() -> None:
    points = np.array([[100.0, 100.0], [500.0, 400.0], [900.0, 700.0]])
    ground = surroundings(np.zeros((1000, 800), np.uint8), points, 0.16)
    assert ground.longer_side * 0.16 == pytest.approx(max(ground.pixels.shape) / 2, rel=0.01)
    np.testing.assert_allclose(ground.points[1], np.array(ground.pixels.shape) / 2, atol=1)
    assert paint_regions(ground, 20 * 0.16, "Disk")[150, 150].any()


def test_the_ground_is_cut_to_the_landmarks() -> None:
    pixels = np.zeros((1000, 800), np.uint8)
    points = np.array([[400.0, 300.0], [600.0, 400.0], [NAN, NAN]])
    pixels[399:402, 299:302] = 255
    ground = surroundings(pixels, points)
    assert max(ground.pixels.shape) == 300
    assert ground.longer_side == pytest.approx(1000 * 300 / 273, rel=0.01)
    row, column = np.rint(ground.points[0]).astype(int)
    assert ground.pixels[row, column] > 200
    assert np.isnan(ground.points[2]).all()


def test_what_is_recorded_decides(evaluate: Callable[..., Results], dataset: LandmarkDataset) -> None:
    results = evaluate()
    dataset.cases[0].split = "training"
    section = schedule_section(history([40, 20, 5], shape="Disk"), results, dataset)
    assert section is not None
    assert (section["where"], section["shape"]) == ("a training image", "of shape disk")
    assert section["window"] == ""
    windows = [{**row, "field_of_view": 0.16} for row in history([40, 20, 5])]
    section = schedule_section(windows, results, dataset)
    assert section is not None
    assert section["window"] == "16 %"
    section = schedule_section(history([40, 20, 5]), results, None)
    assert section is not None
    assert section["where"] == "the mean of the annotated shapes"
    assert "not being recorded" in section["shape"]
    assert schedule_section(history([0.0, 0.0]), results, dataset) is None
    assert schedule_section([{"epoch": 1, "loss": 2.0}], results, dataset) is None
    results.truth[:] = NAN
    assert schedule_section(history([40, 20, 5]), results, None) is None


def test_a_shape_of_unknown_name_is_not_drawn_as_one() -> None:
    assert [shape_of(history([1.0], shape=name)) for name in ("Square", "os", "Nothing", "")] == ["Square", "", "", ""]
    epochs, radii = recorded_radii([{"radius": 3.0}, {"radius": NAN}, {"epoch": 7, "radius": 2.0}])
    assert (epochs.tolist(), radii.tolist()) == ([1.0, 7.0], [3.0, 2.0])


def test_a_training_image_that_cannot_be_read_is_passed_over(dataset: LandmarkDataset) -> None:
    assert training_ground(dataset) is None
    for case in dataset.cases[:3]:
        case.split = "training"
    Path(dataset.root / dataset.cases[0].image).write_bytes(b"")
    assert training_ground(dataset) is not None
    for case in dataset.cases[1:3]:
        Path(dataset.root / case.image).write_bytes(b"")
    assert training_ground(dataset) is None
    assert plain_ground(np.array([[10.0, 10.0], [60.0, 40.0]])).pixels.std() == 0
