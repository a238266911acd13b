"""Error vectors: bias, ellipse, mean shape, enlargement."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from monai_landmarks.metrics import Results
from monai_landmarks.report.furthest import direction
from monai_landmarks.report.plane import ELLIPSE, enlargement, error_vectors, mean_shape, plane_errors
from monai_landmarks.report.plane_figure import Scene, plane_figure


def many(evaluate: Callable[..., Results], vectors: np.ndarray) -> Results:
    """As many images as vectors, each landmark off by the image's vector in pixels of 0.2 mm by 0.4 mm."""
    one, n = evaluate(), len(vectors)
    truth = np.repeat(one.truth[:1], n, axis=0)
    arrays = {
        name: np.repeat(getattr(one, name)[:1], n, axis=0) for name in ("confidence", "presence", "network_scale")
    }
    return dataclasses.replace(
        one,
        case_ids=[str(i) for i in range(n)],
        patients=[str(i) for i in range(n)],
        images=[f"/{i}.png" for i in range(n)],
        planes=["calibrated"] * n,
        truth=truth,
        state=np.ones(truth.shape[:2]),
        predicted=truth + vectors[:, None],
        spacing=np.tile([0.2, 0.4], (n, 1)),
        **arrays,
    )


def test_bias_and_ellipse_of_known_vectors(evaluate: Callable[..., Results]) -> None:
    rng = np.random.default_rng(0)
    # In mm: (1.0, -0.4) on average, standard deviations 0.6 along the rows and 0.2 along the columns.
    vectors = rng.normal([5.0, -1.0], [3.0, 0.5], size=(4000, 2))
    found = plane_errors(many(evaluate, vectors), "mm", 10.0)[0]
    np.testing.assert_allclose(found.bias, [1.0, -0.4], atol=0.04)
    assert found.half_axes == pytest.approx((ELLIPSE * 0.6, ELLIPSE * 0.2), rel=0.05)
    assert abs(found.direction[0]) == pytest.approx(1, abs=0.01)
    assert found.biased
    assert found.interval[0] == pytest.approx(1.0 + np.array([-1, 1]) * 1.96 * 0.6 / np.sqrt(4000), abs=0.01)
    # The ellipse holds 95 % of the points.
    across = np.array([-found.direction[1], found.direction[0]])
    centred = found.vectors - found.bias
    reach = np.hypot(centred @ found.direction / found.half_axes[0], centred @ across / found.half_axes[1])
    assert np.mean(reach < 1) == pytest.approx(0.95, abs=0.012)


def test_far_and_missing_predictions_are_counted_and_left_out(evaluate: Callable[..., Results]) -> None:
    results = many(evaluate, np.tile([[1.0, 0.0], [-1.0, 0.0]], (4, 1)))
    results.predicted[0] += 1000
    results.predicted[1] = np.nan
    results.state[2] = 0
    found = plane_errors(results, "mm", 10.0)[2]
    assert (len(found.vectors), found.beyond) == (5, 2)
    assert np.isnan(error_vectors(results, "px")[1:3]).all()
    assert not found.biased
    results.state[:] = 0
    empty = plane_errors(results, "mm", 10.0)[2]
    assert (len(empty.vectors), empty.beyond, empty.biased) == (0, 0, False)
    assert np.isnan([*empty.bias, *empty.half_axes]).all()


def test_mean_shape_undoes_place_and_size(evaluate: Callable[..., Results]) -> None:
    results = many(evaluate, np.zeros((9, 2)))
    shape = results.truth[0].copy()
    sizes = np.linspace(0.6, 1.4, 9)
    results.truth = shape * sizes[:, None, None] + np.arange(9)[:, None, None] * [7.0, -3.0]
    results.truth[4, 1] = np.nan
    mean = mean_shape(results, "px")
    np.testing.assert_allclose(mean - mean[0], (shape - shape[0]) * sizes.mean(), rtol=0.02, atol=0.2)
    results.truth[:, 3] = np.nan
    assert np.isnan(mean_shape(results, "px")[3]).all()


def test_small_errors_are_enlarged_by_a_round_number(evaluate: Callable[..., Results]) -> None:
    vectors = np.random.default_rng(0).normal(0, 1, size=(200, 2))
    found = plane_errors(many(evaluate, vectors), "px", 10.0)
    assert enlargement(found, 10.0) == 1
    assert enlargement(found, 500.0) == 10
    # Ellipses of 2.4 units: no longer than the way to the next landmark.
    assert enlargement(found, 500.0, gap=8.0) == 3
    results = many(evaluate, vectors)
    results.state[:] = 0
    assert enlargement(plane_errors(results, "px", 10.0), 500.0) == 1


def test_a_wide_scene_says_so_and_how_close_its_landmarks_are() -> None:
    row = np.array([[5.0, 10.0], [5.0, 14.0], [5.0, 20.0], [np.nan, np.nan]])
    scene = Scene(row, np.array([2.0, 2.0]), np.zeros((30, 200), dtype=np.uint8))
    assert scene.wide
    assert scene.gap == 2.0
    assert not Scene(row[:, ::-1], np.ones(2)).wide
    assert Scene(row[2:], np.ones(2)).gap == np.inf


@pytest.mark.parametrize("picture", [None, np.zeros((96, 72), dtype=np.uint8)])
def test_the_figure_is_the_same_again_and_follows_its_factor(
    evaluate: Callable[..., Results], picture: np.ndarray | None
) -> None:
    results = evaluate()
    found = plane_errors(results, "mm", 10.0)
    scene = Scene(results.truth[0], np.array([5.0, 5.0]), picture)
    first = plane_figure(found, scene, 2, "mm")
    assert first == plane_figure(found, scene, 2, "mm")
    assert first != plane_figure(found, scene, 3, "mm")
    top, left, bottom, right = scene.bounds
    assert (top, left) >= (-0.5, -0.5) or picture is None
    low, high = results.truth[0].min(axis=0), results.truth[0].max(axis=0)
    assert (top < low[0], left < low[1], bottom > high[0], right > high[1]) == (True,) * 4


@pytest.mark.parametrize(
    ("offset", "words"),
    [((-3, 0), "up"), ((3, 1), "down"), ((2, -2), "down and to the left"), ((-1, 5), "to the right"), ((0, 0), "")],
)
def test_directions_in_words(offset: tuple[float, float], words: str) -> None:
    assert direction(np.array(offset)) == words
