"""Agreement of two measurements, of an evaluation's and of two readers', against numbers worked out by hand."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset
from monai_landmarks.data.spacing import UNKNOWN, Spacing
from monai_landmarks.metrics import (
    Results,
    measurement_errors,
    measurement_table,
    summarise,
    summarise_measurements,
    write_measurements,
)
from monai_landmarks.metrics.agreement import agreement
from monai_landmarks.metrics.readers import compare_readers, shared_cases
from monai_landmarks.scheme import Scheme

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "metrics.schema.json"
NAN = float("nan")
MEASUREMENTS = [
    {"kind": "distance", "name": "width", "between": ["landmark_0", "landmark_1"]},
    {"kind": "vertex_angle", "name": "corner", "points": ["landmark_0", "landmark_1", "landmark_2"], "label": "Corner"},
    {"kind": "distance", "name": "height", "between": ["landmark_1", "landmark_2"]},
    {"kind": "ratio", "name": "shape", "of": ["width", "height"]},
]


def scheme(names: tuple[str, ...]) -> Scheme:
    return Scheme.model_validate(
        {"name": "s", "landmarks": [{"name": name} for name in names], "measurements": MEASUREMENTS}
    )


def test_agreement_by_hand() -> None:
    found = agreement(np.array([[1.0, -2.0], [NAN, 4.0]]))
    assert (found.n, found.bias, found.mae) == (3, 1.0, pytest.approx(7 / 3))
    assert found.sd == pytest.approx(3.0)
    assert (found.low, found.high) == (pytest.approx(1 - 5.88), pytest.approx(1 + 5.88))


def test_agreement_of_too_little() -> None:
    one, none = agreement(np.array([2.0, np.inf])), agreement(np.array([NAN]))
    assert (one.n, one.bias, one.mae, none.n) == (1, 2.0, 2.0, 0)
    assert all(math.isnan(value) for value in (one.sd, one.low, one.high, none.bias, none.mae))


def test_measurement_errors_by_hand(random_results: Callable[..., Results]) -> None:
    results = random_results(n=6, k=3)
    results = replace(results, truth=np.random.default_rng(1).uniform(0, 100, (6, 3, 2)), state=np.ones((6, 3)))
    errors = measurement_errors(results, scheme(results.names))
    block = summarise_measurements(errors, "calibrated")
    width = [
        np.hypot(*((points[:, 1] - points[:, 0]) * results.spacing).T) for points in (results.truth, results.predicted)
    ]
    apart = width[1] - width[0]
    assert list(block) == ["width", "corner", "height", "shape"]
    assert block["width"] == {
        "label": "Width", "kind": "distance", "unit": "mm", "plane": "calibrated", "n": 6, "unpredicted": 0,
        "bias": pytest.approx(apart.mean()), "sd": pytest.approx(apart.std(ddof=1)),
        "limits": pytest.approx([apart.mean() - 1.96 * apart.std(ddof=1), apart.mean() + 1.96 * apart.std(ddof=1)]),
        "mae": pytest.approx(np.abs(apart).mean()), "truth_mean": pytest.approx(width[0].mean()),
        "truth_sd": pytest.approx(width[0].std(ddof=1)),
    }  # fmt: skip
    assert (block["corner"]["unit"], block["corner"]["plane"], block["corner"]["label"]) == ("deg", "", "Corner")
    assert (block["shape"]["unit"], block["shape"]["kind"]) == ("1", "ratio")
    metrics = summarise(results, "test", bootstrap=0) | {"measurements": block}
    jsonschema.validate(json.loads(json.dumps(metrics)), json.loads(SCHEMA.read_text()))
    console = "".join(str(cell) for column in measurement_table(block).columns for cell in column._cells)
    assert "Corner" in console


def test_images_without_what_it_takes_do_not_count(random_results: Callable[..., Results]) -> None:
    results = random_results(n=4, k=3)
    truth = np.random.default_rng(1).uniform(0, 100, (4, 3, 2))
    predicted = truth + 1.0
    truth[0, 0] = NAN
    predicted[1, 0] = NAN
    predicted[2, 1] = np.inf
    spacing = results.spacing.copy()
    spacing[3] = NAN
    results = replace(results, truth=truth, predicted=predicted, spacing=spacing)
    errors = measurement_errors(results, scheme(results.names))
    block = summarise_measurements(errors, "calibrated")
    # Image 0 has no truth, 1 and 2 no prediction, 3 no millimetres, which angles and ratios do without.
    assert {n: (b["n"], b["unpredicted"]) for n, b in block.items()} == {
        "width": (0, 2), "corner": (1, 2), "height": (2, 1), "shape": (1, 2),
    }  # fmt: skip
    assert block["width"]["bias"] is None
    assert block["corner"]["limits"] == [None, None]
    in_pixels = measurement_errors(replace(results, spacing=np.full((4, 2), NAN)), scheme(results.names))
    assert in_pixels.units == ["px", "deg", "px", "1"]
    block = summarise_measurements(in_pixels, "unknown")
    assert (block["height"]["n"], block["height"]["plane"]) == (3, "")


def test_a_ratio_needs_no_spacing(random_results: Callable[..., Results]) -> None:
    """A ratio needs no spacing, even where other images have one."""
    results = random_results(n=3, k=3)
    truth = np.random.default_rng(1).uniform(0, 100, (3, 3, 2))
    spacing = np.array([[0.1, 0.1], [NAN, NAN], [0.1, 0.1]])
    results = replace(results, truth=truth, predicted=truth, spacing=spacing)
    errors = measurement_errors(results, scheme(results.names))
    assert np.isfinite(errors.truth[:, 3]).all()
    assert np.isnan(errors.truth[1, [0, 2]]).all()


def test_measurements_csv_reads_back(random_results: Callable[..., Results], tmp_path: Path) -> None:
    results = random_results(n=5, k=3)
    errors = measurement_errors(results, scheme(results.names))
    write_measurements(errors, results, tmp_path / "out" / "measurements.csv")
    with (tmp_path / "out" / "measurements.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 5 * 4
    assert [row["measurement"] for row in rows[:4]] == ["width", "corner", "height", "shape"]
    for name, values in (
        ("truth", errors.truth),
        ("predicted", errors.predicted),
        ("difference", errors.differences()),
    ):
        read = np.array([float(row[name]) if row[name] else NAN for row in rows]).reshape(5, 4)
        np.testing.assert_array_equal(read, values)
    assert {row["spacing_plane"] for row in rows if row["unit"] == "mm"} == {"calibrated"}
    assert {row["spacing_plane"] for row in rows if row["unit"] != "mm"} == {""}


def readers(*annotations: list[Annotation]) -> LandmarkDataset:
    cases = [Case(id=f"c{i}", image=f"{i}.png", annotations=a) for i, a in enumerate(annotations)]
    return LandmarkDataset(scheme=scheme(("landmark_0", "landmark_1", "landmark_2")), cases=cases)


def reading(reader: str, absent: tuple[str, ...] = (), **points: tuple[float, float]) -> Annotation:
    return Annotation(reader=reader, points={f"landmark{k}": p for k, p in points.items()}, absent=list(absent))


@pytest.fixture
def two_readers() -> LandmarkDataset:
    return readers(
        [reading("a", _0=(0, 0), _1=(10, 0), _2=(10, 10)), reading("b", _0=(3, 4), _1=(10, 0), _2=(10, 12))],
        [reading("a", _0=(1, 1), absent=("landmark_1",)), reading("b", _0=(1, 3), _1=(5, 5))],
        [reading("a", _0=(0, 0))],
    )


def compared(dataset: LandmarkDataset, spacing: Spacing) -> Any:
    shared = shared_cases(dataset, dataset.cases)
    assert list(shared) == [("a", "b")]
    cases = shared[("a", "b")]
    assert [case.id for case in cases] == ["c0", "c1"]
    return compare_readers(dataset, ("a", "b"), cases, {case.id: spacing for case in cases})


def test_two_readers_in_pixels_by_hand(two_readers: LandmarkDataset) -> None:
    pair = compared(two_readers, UNKNOWN)
    rows = {row.landmark: row for row in pair.rows}
    assert (pair.unit, pair.planes) == ("px", [])
    # Distances 5, 0, 2 and 2.
    assert (rows["all"].n, rows["all"].mre, rows["all"].largest, rows["all"].disagree) == (4, 2.25, 5.0, 1)
    assert rows["all"].sdr == {2.0: 0.25, 2.5: 0.75, 3.0: 0.75, 4.0: 0.75}
    assert (rows["landmark_0"].x.bias, rows["landmark_0"].y.bias) == (1.5, 3.0)
    assert (rows["landmark_1"].n, rows["landmark_1"].disagree, rows["landmark_2"].disagree) == (1, 1, 0)
    assert rows["landmark_0"].x.sd == pytest.approx(math.sqrt(4.5))
    width = agreement(pair.measurements.differences()[:, 0])
    assert (width.n, width.bias) == (1, pytest.approx(math.hypot(7, 4) - 10))


def test_two_readers_in_millimetres(two_readers: LandmarkDataset) -> None:
    pair = compared(two_readers, Spacing((0.5, 0.1), "user spacing", "user"))
    rows = {row.landmark: row for row in pair.rows}
    assert (pair.unit, pair.planes) == ("mm", ["user"])
    assert rows["landmark_0"].mre == pytest.approx((math.hypot(0.3, 2.0) + 1.0) / 2)
    assert rows["landmark_0"].x.bias == pytest.approx(0.15)
    mixed = shared_cases(two_readers, two_readers.cases)[("a", "b")]
    spacings = {"c0": Spacing((1.0, 1.0), "user spacing", "user"), "c1": UNKNOWN}
    assert compare_readers(two_readers, ("a", "b"), mixed, spacings).unit == "px"


def test_readers_who_share_nothing_are_no_pair() -> None:
    dataset = readers([reading("a", _0=(0, 0))], [reading("b", _0=(0, 0))])
    assert shared_cases(dataset, dataset.cases) == {}
    three = readers([reading(name, _0=(0, 0)) for name in "abc"])
    assert list(shared_cases(three, three.cases)) == [("a", "b"), ("a", "c"), ("b", "c")]
