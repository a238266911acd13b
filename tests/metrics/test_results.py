"""Results: distances by hand and the CSV file."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monai_landmarks.errors import LandmarksError
from monai_landmarks.metrics import Results
from monai_landmarks.metrics.results import COLUMNS

NAN = float("nan")


def assert_same(found: Results, wanted: Results) -> None:
    for field in dataclasses.fields(Results):
        left, right = getattr(found, field.name), getattr(wanted, field.name)
        if isinstance(right, np.ndarray):
            np.testing.assert_array_equal(left, right, err_msg=field.name)
        else:
            assert left == right, field.name


def test_errors_by_hand(hand_made: Results) -> None:
    np.testing.assert_array_equal(hand_made.errors_px(), [[5, NAN, 0], [10, 0, NAN], [NAN, 8, NAN]])
    np.testing.assert_allclose(hand_made.errors_mm(), [[2.5, NAN, 0], [math.hypot(0.6, 1.6), 0, NAN], [NAN, NAN, NAN]])
    np.testing.assert_allclose(hand_made.errors_network_px(), [[2.5, NAN, 0], [5, 0, NAN], [NAN, 2, NAN]])


def test_csv_round_trip_is_exact(random_results: Callable[..., Results], tmp_path: Path) -> None:
    results = random_results()
    results.predicted[3, 2] = NAN
    results.predicted[4, 1] = 1 / 3
    results.spacing[5] = NAN
    results.write_csv(tmp_path / "run" / "cases.csv")
    assert_same(Results.read_csv(tmp_path / "run" / "cases.csv", groups=results.groups), results)
    assert not list(tmp_path.rglob("*.part"))


def test_csv_content(hand_made: Results, tmp_path: Path) -> None:
    hand_made.write_csv(tmp_path / "run" / "cases.csv")
    with (tmp_path / "run" / "cases.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert tuple(rows[0]) == COLUMNS
    assert len(rows) == 9
    assert rows[0]["image"] == "../images/c1.dcm"
    assert (rows[0]["truth_row"], rows[0]["truth_column"]) == ("10.0", "20.0")
    assert (rows[0]["error_px"], rows[0]["error_mm"], rows[0]["error_network_px"]) == ("5.0", "2.5", "2.5")
    assert [row["state"] for row in rows[:6]] == [
        "present",
        "unlabelled",
        "present",
        "present",
        "present",
        "absent",
    ]
    assert (rows[1]["truth_row"], rows[1]["error_px"]) == ("", "")
    assert (rows[7]["error_px"], rows[7]["error_mm"], rows[7]["spacing_row"]) == ("8.0", "", "")


def test_moved_run_finds_its_images(hand_made: Results, tmp_path: Path) -> None:
    hand_made.write_csv(tmp_path / "a" / "run" / "cases.csv")
    (tmp_path / "a").rename(tmp_path / "b")
    assert Results.read_csv(tmp_path / "b" / "run" / "cases.csv").images == [
        str(tmp_path / "images" / f"c{i}.dcm") for i in (1, 2, 3)
    ]


def test_relative_paths(hand_made: Results, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    relative = dataclasses.replace(hand_made, images=[f"images/c{i}.dcm" for i in (1, 2, 3)])
    relative.write_csv("run/cases.csv")
    assert Results.read_csv("run/cases.csv").images == hand_made.images


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("truth", np.zeros((3, 2, 2)), r"truth has shape \(3, 2, 2\), expected \(3, 3, 2\)"),
        ("planes", ["calibrated"], "planes has 1 entries for 3 cases"),
    ],
)
def test_wrong_shapes_are_refused(hand_made: Results, field: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(hand_made, **{field: value})


def _rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("truth_row", "y", "lacks the columns truth_row"),
        ("10.0,20.0", "ten,20.0", "a value cannot be read"),
        (",unlabelled,", ",missing,", "a value cannot be read"),
        ("c2,P1,images/c2.dcm,middle", "c2,P1,images/c2.dcm,left", "not one row per case and landmark"),
    ],
    ids=["column", "number", "state", "order"],
)
def test_broken_csv_is_explained(hand_made: Results, tmp_path: Path, old: str, new: str, message: str) -> None:
    path = tmp_path / "cases.csv"
    hand_made.write_csv(path)
    _rewrite(path, old, new)
    with pytest.raises(LandmarksError, match=message) as caught:
        Results.read_csv(path)
    assert str(path) in str(caught.value)


def test_truncated_csv_is_explained(hand_made: Results, tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    hand_made.write_csv(path)
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(LandmarksError, match="not one row per case"):
        Results.read_csv(path)


def test_missing_empty_and_binary_csv(tmp_path: Path) -> None:
    path = tmp_path / "cases.csv"
    with pytest.raises(LandmarksError, match="no such file"):
        Results.read_csv(path)
    path.write_text(",".join(COLUMNS) + "\n")
    with pytest.raises(LandmarksError, match="holds no case"):
        Results.read_csv(path)
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(LandmarksError, match="not a readable CSV"):
        Results.read_csv(path)
