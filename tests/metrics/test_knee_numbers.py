"""KNEEL's numbers by knee beside ours by point, on errors one can count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from monai_landmarks.errors import ConfigError
from monai_landmarks.metrics import Results
from monai_landmarks.metrics.knees import CROSS_VALIDATION, TEST, summarise_knees
from monai_landmarks.scheme import Landmark, Scheme
from monai_landmarks.sides import both_sides

LIMB = Scheme(name="limb", landmarks=tuple(Landmark(name=name) for name in ("a", "b", "c")))


def results_of(errors: np.ndarray, names: tuple[str, ...], tmp_path: Path) -> Results:
    """Rows of errors in mm; NaN: absent, infinity: not predicted."""
    n, k = errors.shape
    truth = np.where(np.isnan(errors)[..., None], np.nan, np.full((n, k, 2), 100.0))
    moved = np.where(np.isfinite(errors), errors * 2, np.where(np.isinf(errors), np.nan, 0.0))
    predicted = np.full((n, k, 2), 100.0)
    predicted[..., 0] += moved
    return Results(
        names=names, groups={}, case_ids=[f"c{i}" for i in range(n)], patients=[f"p{i}" for i in range(n)],
        images=[str(tmp_path / f"{i}.png") for i in range(n)], truth=truth, state=np.where(np.isnan(errors), 2, 1),
        predicted=predicted, confidence=np.ones((n, k)), presence=np.ones((n, k)), spacing=np.full((n, 2), 0.5),
        planes=["user"] * n, network_scale=np.ones((n, 2)),
    )  # fmt: skip


def test_knees_are_sides_and_count_once(tmp_path: Path) -> None:
    scheme = both_sides(LIMB)
    nan, inf = np.nan, np.inf
    errors = np.array(
        [[0.5, 1.3, 0.1, 3.0, 0.2, 12.0], [1.0, 1.0, 10.0, nan, nan, nan], [inf, 0.1, 0.1, 0.1, 0.1, 0.1]]
    )
    block = summarise_knees(results_of(errors, scheme.names, tmp_path), scheme, ["a", "b"])
    # Means of a and b: 0.9, 1.6, 1.0, inf, 0.1; the left knee of the second image is not there.
    assert block["knees"] == block["published"]["knees"] == 5
    assert block["published"]["pck"] == {"1.0": 2 / 5, "1.5": 3 / 5, "2.0": 4 / 5, "2.5": 4 / 5}
    assert block["published"]["outliers"] == {"from": 10.0, "count": 3, "share": 3 / 5}
    assert block["points"]["points"] == 15
    assert block["points"]["outliers"] == {"from": 10.0, "count": 3, "share": 3 / 15}
    assert block["points"]["pck"]["1.0"] == 8 / 15


def test_a_mean_of_corners_counts_those_that_are_annotated(tmp_path: Path) -> None:
    errors = np.array([[np.nan, 1.2, 0.0], [np.nan, np.nan, 0.3]])
    block = summarise_knees(results_of(errors, LIMB.names, tmp_path), LIMB, ["a", "b"])
    assert (block["knees"], block["published"]["knees"]) == (2, 1)
    assert block["published"]["pck"] == {"1.0": 0.0, "1.5": 1.0, "2.0": 1.0, "2.5": 1.0}


def test_without_millimetres_there_are_no_shares(tmp_path: Path) -> None:
    results = results_of(np.ones((2, 3)), LIMB.names, tmp_path)
    results.spacing[:] = np.nan
    block = summarise_knees(results, LIMB, ["a"])
    assert block["knees"] == 0
    assert set(block["published"]["pck"].values()) == {None}
    assert block["published"]["outliers"]["share"] is None


def test_corners_must_be_of_the_limb(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a_right is no landmark of a limb; known are a, b, c"):
        summarise_knees(results_of(np.ones((1, 3)), LIMB.names, tmp_path), LIMB, ["a_right"])


def test_the_published_corner_sets() -> None:
    numbers = [[int(name.split("_")[1]) for name in names] for names in (CROSS_VALIDATION, TEST)]
    assert numbers == [[0, 8, 9, 15], [0, 4, 8, 9, 12, 15]]
