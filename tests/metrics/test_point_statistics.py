"""Point statistics against hand-computed values and plain loops."""

from __future__ import annotations

import math

import numpy as np
import pytest

from monai_landmarks.metrics import points

NAN = float("nan")
ERRORS = np.array([[3.0, 4.0, NAN], [NAN, 2.0, NAN], [5.0, 0.0, NAN], [NAN, NAN, NAN]])
NOTHING = np.full((2, 3), NAN)


def test_pooled_statistics_by_hand() -> None:
    # The known distances are 0, 2, 3, 4, 5.
    assert points.mre(ERRORS) == pytest.approx(2.8)
    assert points.rmse(ERRORS) == pytest.approx(math.sqrt(54 / 5))
    assert points.sd(ERRORS) == pytest.approx(math.sqrt(54 / 5 - 2.8**2))
    assert points.median(ERRORS) == 3.0
    assert points.median(ERRORS[:, :2][:2]) == 3.0
    assert points.maximum(ERRORS) == 5.0
    assert points.outliers(ERRORS, 3.0) == 2


def test_even_median_is_the_middle_of_two() -> None:
    assert points.median(np.array([[1.0, 10.0], [4.0, 2.0]])) == 3.0


def test_detection_rate_is_strict() -> None:
    assert points.sdr(ERRORS, (2, 2.5, 5, 5.1)) == {2.0: 0.2, 2.5: 0.4, 5.0: 0.8, 5.1: 1.0}


def test_macro_averages_by_hand() -> None:
    # Landmark means 4 and 2, the third has none; image means 3.5, 2 and 2.5, the fourth has none.
    assert points.rmse_published(ERRORS) == pytest.approx(3.0 / math.sqrt(2))
    np.testing.assert_allclose(points.image_means(ERRORS), [3.5, 2.0, 2.5, NAN])
    assert points.mean_of_image_means(ERRORS) == pytest.approx(8 / 3)


def test_published_number_of_the_paper() -> None:
    """Its 1.79 px for the knee is a macro MRE of 2.53 px."""
    assert points.rmse_published(np.full((216, 8), 2.53)) == pytest.approx(1.79, abs=0.005)


def test_published_rmse_is_the_root_of_the_mean_square_of_the_two_coordinates() -> None:
    rng = np.random.default_rng(3)
    difference = rng.normal(size=(7, 4, 2))
    wanted = np.sqrt((difference**2).mean(axis=2)).mean(axis=0).mean()
    assert points.rmse_published(np.hypot(*np.moveaxis(difference, 2, 0))) == pytest.approx(wanted)


def test_against_numpy_on_random_errors() -> None:
    rng = np.random.default_rng(0)
    errors = rng.gamma(2.0, size=(40, 9))
    errors[rng.random(errors.shape) < 0.2] = NAN
    assert points.mre(errors) == pytest.approx(np.nanmean(errors))
    assert points.sd(errors) == pytest.approx(np.nanstd(errors, ddof=0))
    assert points.rmse(errors) == pytest.approx(np.sqrt(np.nanmean(errors**2)))
    assert points.median(errors) == pytest.approx(np.nanmedian(errors))
    assert points.rmse(errors) ** 2 == pytest.approx(points.mre(errors) ** 2 + points.sd(errors) ** 2)
    assert points.mean_of_image_means(errors) == pytest.approx(np.nanmean(np.nanmean(errors, axis=1)))


@pytest.mark.parametrize("name", ["mre", "rmse", "sd", "median", "maximum", "rmse_published", "mean_of_image_means"])
def test_nothing_known_is_nan_without_a_warning(name: str) -> None:
    assert math.isnan(getattr(points, name)(NOTHING))
    assert math.isnan(getattr(points, name)(np.empty((0, 3))))


def test_nothing_known_in_counts() -> None:
    assert points.outliers(NOTHING, 1.0) == 0
    assert math.isnan(points.sdr(NOTHING, (1,))[1.0])


def test_a_point_without_prediction_is_a_miss() -> None:
    errors = np.array([[1.0, math.inf, 1.0]])
    assert points.mre(errors) == math.inf
    assert points.median(errors) == 1.0
    assert math.isnan(points.sd(errors))
    assert points.sdr(errors, (2,))[2.0] == pytest.approx(2 / 3)
    assert points.outliers(errors, 10.0) == 1


def test_distances_by_hand() -> None:
    truth = np.array([[[10.0, 20.0], [NAN, NAN], [5.0, 5.0], [1.0, 1.0]]])
    predicted = np.array([[[13.0, 16.0], [1.0, 1.0], [NAN, 5.0], [9.0, 9.0]]])
    state = np.array([[1, 0, 1, 2]])
    np.testing.assert_array_equal(
        points.distances(predicted, truth, state, np.ones((1, 2))), [[5.0, NAN, math.inf, NAN]]
    )
    # Rows of 0.5 mm and columns of 2 mm: (1.5, -8) mm.
    scaled = points.distances(predicted, truth, state, np.array([[0.5, 2.0]]))
    assert scaled[0, 0] == pytest.approx(math.hypot(1.5, 8.0))
    assert np.isnan(points.distances(predicted, truth, state, np.array([[NAN, NAN]]))).all()


def test_truth_against_itself_is_zero() -> None:
    truth = np.random.default_rng(1).uniform(0, 500, size=(5, 4, 2))
    errors = points.distances(truth, truth, np.ones((5, 4)), np.full((5, 2), 0.143))
    assert points.mre(errors) == 0.0
    assert points.rmse(errors) == 0.0
    assert points.sdr(errors, (0.001,))[0.001] == 1.0


def test_box_diagonal_and_pck_by_hand() -> None:
    truth = np.array([[[0.0, 0.0], [30.0, 40.0], [NAN, NAN]], [[1.0, 1.0], [NAN, NAN], [NAN, NAN]]])
    np.testing.assert_array_equal(points.box_diagonal(truth), [50.0, NAN])
    errors = np.array([[4.9, 5.0, NAN], [0.0, NAN, NAN]])
    assert points.pck(errors, points.box_diagonal(truth), (0.1, 0.11)) == {0.1: 0.5, 0.11: 1.0}


def test_pck_leaves_out_coinciding_annotations() -> None:
    errors = np.array([[0.0, 0.0], [1.0, 3.0]])
    assert points.pck(errors, np.array([0.0, 20.0]), (0.1,)) == {0.1: 0.5}


def test_presence_by_hand() -> None:
    state = np.array([[1, 1, 1, 2, 2, 0]])
    presence = np.array([[0.9, 0.5, 0.1, 0.2, 0.7, 0.99]])
    assert points.sensitivity(presence, state) == pytest.approx(2 / 3)
    assert points.specificity(presence, state) == 0.5
    assert points.specificity(presence, state, threshold=0.8) == 1.0
    assert math.isnan(points.specificity(presence[:, :3], state[:, :3]))
    assert points.sensitivity(np.array([[NAN, 0.9]]), np.array([[1, 1]])) == 1.0


def _replicate_means(errors: np.ndarray, patients: list[str], replicates: int, seed: int) -> np.ndarray:
    """The slow way: concatenate the drawn patients' images and average."""
    names = sorted(set(patients))
    rng = np.random.default_rng(seed)
    means = []
    for draw in rng.integers(0, len(names), size=(replicates, len(names))):
        rows = [errors[i] for d in draw for i, p in enumerate(patients) if p == names[d]]
        means.append(np.nanmean(np.array(rows)))
    return np.array(means)


def test_bootstrap_equals_resampling_in_a_loop() -> None:
    rng = np.random.default_rng(5)
    patients = ["b", "a", "a", "c", "d", "d", "d"]
    errors = rng.gamma(2.0, size=(7, 3))
    errors[1, 2] = NAN
    bootstrap = points.PatientBootstrap(patients, 200, seed=11)
    means = _replicate_means(errors, patients, 200, 11)
    np.testing.assert_allclose(bootstrap.mre(errors), np.percentile(means, [2.5, 97.5]))
    shares = _replicate_means(np.where(np.isnan(errors), np.nan, errors < 2.0), patients, 200, 11)
    np.testing.assert_allclose(bootstrap.sdr(errors, (2.0,))[2.0], np.percentile(shares, [2.5, 97.5]))


def test_bootstrap_resamples_patients_not_images() -> None:
    """Ten equal images of each of two patients hold two observations, so the interval reaches both."""
    errors = np.repeat([[1.0], [9.0]], 10, axis=0)
    grouped = points.PatientBootstrap(["a"] * 10 + ["b"] * 10).mre(errors)
    single = points.PatientBootstrap([str(i) for i in range(20)]).mre(errors)
    assert grouped == (1.0, 9.0)
    assert 1.0 < single[0] < 5.0 < single[1] < 9.0


def test_bootstrap_interval_narrows_and_covers() -> None:
    rng = np.random.default_rng(2)
    few, many = rng.gamma(2.0, size=(10, 5)), rng.gamma(2.0, size=(400, 5))
    narrow = points.PatientBootstrap([str(i) for i in range(400)]).mre(many)
    wide = points.PatientBootstrap([str(i) for i in range(10)]).mre(few)
    assert narrow[0] < points.mre(many) < narrow[1]
    assert narrow[1] - narrow[0] < wide[1] - wide[0]
    # Normal theory for 400 independent means of five gamma(2) values: +-1.96 sqrt(2 / 2000).
    assert narrow[1] - narrow[0] == pytest.approx(2 * 1.96 * math.sqrt(2 / 2000), rel=0.2)


@pytest.mark.parametrize(
    ("patients", "replicates", "errors"),
    [
        (["a", "a"], 100, [[1.0], [2.0]]),
        (["a", "b"], 0, [[1.0], [2.0]]),
        (["a", "b"], 100, [[NAN], [NAN]]),
        (["a", "b"], 100, [[1.0], [math.inf]]),
        ([], 100, np.empty((0, 1))),
    ],
    ids=["one patient", "switched off", "nothing known", "not predicted", "no image"],
)
def test_no_interval(patients: list[str], replicates: int, errors: np.ndarray) -> None:
    low, high = points.PatientBootstrap(patients, replicates).mre(np.asarray(errors))
    assert math.isnan(low)
    assert math.isnan(high)


def test_patient_without_annotation_does_not_break_the_interval() -> None:
    errors = np.array([[1.0], [3.0], [NAN]])
    assert points.PatientBootstrap(["a", "b", "c"], 500).mre(errors) == (1.0, 3.0)


def test_interval_of_a_difference_between_two_groups_of_patients():
    rng = np.random.default_rng(0)
    mine, theirs = rng.normal(2.0, 1.0, (80, 5)), rng.normal(2.5, 1.0, (60, 5))
    first = points.PatientBootstrap([str(i) for i in range(80)], seed=1)
    second = points.PatientBootstrap([f"x{i}" for i in range(60)], seed=2)
    low, high = first.difference(mine, second, theirs)
    assert low < theirs.mean() - mine.mean() < high
    # Two independent means: the squared standard errors add up.
    expected = 2 * 1.96 * np.sqrt(1 / 400 + 1 / 300)
    assert high - low == pytest.approx(expected, rel=0.15)
    none = first.difference(mine, second, np.full((60, 5), np.nan))
    assert np.isnan(none).all()
