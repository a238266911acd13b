"""metrics.json: hand-computed content, its published schema, what may not change it."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from monai_landmarks.metrics import Results, summarise, write_metrics

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "metrics.schema.json"
NAN = float("nan")


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    document = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(document)
    return document


def test_content_by_hand(hand_made: Results) -> None:
    metrics = summarise(hand_made, "test", bootstrap=50)
    assert (metrics["format"], metrics["version"], metrics["split"]) == ("monai_landmarks.metrics", 1, "test")
    assert (metrics["cases"], metrics["patients"], metrics["points"], metrics["unpredicted"]) == (3, 2, 5, 0)
    # Original pixels: 5, 0, 10, 0, 8.
    pixels = metrics["px"]
    assert pixels["mre"] == pytest.approx(4.6)
    assert pixels["rmse"] == pytest.approx(math.sqrt(189 / 5))
    assert pixels["std"] == pytest.approx(math.sqrt(189 / 5 - 4.6**2))
    assert (pixels["median"], pixels["max"], pixels["cases"]) == (5.0, 10.0, 3)
    assert pixels["sdr"] == {"2.0": 0.4, "2.5": 0.4, "3.0": 0.4, "4.0": 0.4}
    # Landmark means 7.5, 4, 0 and image means 2.5, 5, 8.
    assert pixels["rmse_published"] == pytest.approx(11.5 / 3 / math.sqrt(2))
    assert pixels["mean_of_image_means"] == pytest.approx(15.5 / 3)
    assert pixels["outliers"] == {"over": 10.0, "count": 0, "share": 0.0}
    # Millimetres: 2.5, 0, sqrt(0.6^2 + 1.6^2), 0; the third image has none.
    assert metrics["mm"]["mre"] == pytest.approx((2.5 + math.hypot(0.6, 1.6)) / 4)
    assert (metrics["mm"]["points"], metrics["mm"]["cases"], metrics["cases_without_spacing"]) == (4, 2, 1)
    assert (metrics["spacing_plane"], metrics["spacing_planes"]) == ("patient_plane", {"patient_plane": 2})
    assert metrics["network_px"]["mre"] == pytest.approx((2.5 + 5 + 2) / 5)


def test_landmarks_groups_and_images_by_hand(hand_made: Results) -> None:
    metrics = summarise(hand_made, "test", bootstrap=0)
    assert list(metrics["landmarks"]) == ["left", "right", "middle"]
    assert metrics["landmarks"]["left"]["px"]["mre"] == 7.5
    assert metrics["landmarks"]["right"]["points"] == 2
    assert metrics["landmarks"]["right"]["mm"]["points"] == 1
    assert metrics["groups"]["sides"]["px"]["mre"] == pytest.approx((5 + 10 + 0 + 8) / 4)
    assert metrics["images"]["c1"] == {
        "points": 2,
        "mm": {"mre": 1.25, "median": 1.25, "max": 2.5},
        "px": {"mre": 2.5, "median": 2.5, "max": 5.0},
        "network_px": {"mre": 1.25, "median": 1.25, "max": 2.5},
    }
    assert metrics["images"]["c3"]["mm"] is None
    assert metrics["px"]["ci95"]["mre"] == [None, None]


def test_presence_by_hand(hand_made: Results) -> None:
    metrics = summarise(hand_made, "test", bootstrap=0)
    assert metrics["presence"] == {
        "threshold": 0.5, "present": 5, "absent": 1, "unlabelled": 3, "sensitivity": 0.8, "specificity": 1.0,
    }  # fmt: skip
    assert metrics["landmarks"]["left"]["presence"]["specificity"] is None


def test_truth_against_truth(random_results: Callable[..., Results]) -> None:
    results = random_results()
    results.predicted = np.where(np.isnan(results.truth), 7.0, results.truth)
    metrics = summarise(results, "test", bootstrap=20)
    for unit in ("mm", "px", "network_px"):
        assert metrics[unit]["mre"] == metrics[unit]["rmse"] == metrics[unit]["max"] == 0.0
        assert set(metrics[unit]["sdr"].values()) == {1.0}
        assert metrics[unit]["ci95"]["mre"] == [0.0, 0.0]
    assert set(metrics["pck"]["shares"].values()) == {1.0}


def test_unlabelled_landmarks_change_nothing(random_results: Callable[..., Results]) -> None:
    """Neither what is predicted there nor another wholly unlabelled landmark moves a single number."""
    results = random_results()
    wanted = summarise(results, "test", bootstrap=100)
    moved = dataclasses.replace(results, predicted=results.predicted.copy(), presence=results.presence.copy())
    moved.predicted[results.state == 0] = 1e6
    moved.presence[results.state == 0] = 0.123
    assert summarise(moved, "test", bootstrap=100) == wanted

    n = len(results.case_ids)
    wider = dataclasses.replace(
        results,
        names=(*results.names, "never_annotated"),
        truth=np.concatenate([results.truth, np.full((n, 1, 2), NAN)], axis=1),
        state=np.concatenate([results.state, np.zeros((n, 1), int)], axis=1),
        predicted=np.concatenate([results.predicted, np.ones((n, 1, 2))], axis=1),
        confidence=np.concatenate([results.confidence, np.ones((n, 1))], axis=1),
        presence=np.concatenate([results.presence, np.ones((n, 1))], axis=1),
    )
    found = summarise(wider, "test", bootstrap=100)
    assert found["landmarks"].pop("never_annotated")["px"] is None
    for metrics in (found, wanted):
        metrics["presence"].pop("unlabelled")
    assert found == wanted


def test_order_of_images_does_not_matter(random_results: Callable[..., Results]) -> None:
    results = random_results()
    order = np.random.default_rng(9).permutation(len(results.case_ids))
    shuffled = dataclasses.replace(
        results,
        **{n: [getattr(results, n)[i] for i in order] for n in ("case_ids", "patients", "images", "planes")},
        **{
            n: getattr(results, n)[order]
            for n in ("truth", "state", "predicted", "confidence", "presence", "spacing", "network_scale")
        },
    )
    one, other = summarise(results, "test"), summarise(shuffled, "test")
    assert one["mm"]["ci95"]["mre"] == pytest.approx(other["mm"]["ci95"]["mre"])
    assert one["mm"]["mre"] == pytest.approx(other["mm"]["mre"])
    assert one["images"] == other["images"]


def test_seed_fixes_the_intervals(random_results: Callable[..., Results]) -> None:
    results = random_results()
    assert summarise(results, "test", seed=4) == summarise(results, "test", seed=4)
    assert summarise(results, "test", seed=4)["px"]["ci95"] != summarise(results, "test", seed=5)["px"]["ci95"]


def test_thresholds_are_the_callers(random_results: Callable[..., Results]) -> None:
    metrics = summarise(
        random_results(), "test", thresholds_mm=(1, 10), thresholds_px=(7.25,), outlier_mm=1.5, bootstrap=0
    )
    assert list(metrics["mm"]["sdr"]) == ["1.0", "10.0"]
    assert list(metrics["px"]["sdr"]) == ["7.25"]
    share = metrics["mm"]["outliers"]["share"]
    errors = random_results().errors_mm()
    assert share == pytest.approx(np.mean(errors[~np.isnan(errors)] > 1.5))


def test_planes(hand_made: Results) -> None:
    mixed = dataclasses.replace(hand_made, planes=["calibrated", "detector_plane", "unknown"])
    metrics = summarise(mixed, "test", bootstrap=0)
    assert metrics["spacing_plane"] == "mixed"
    assert metrics["spacing_planes"] == {"calibrated": 1, "detector_plane": 1}
    blind = summarise(dataclasses.replace(hand_made, spacing=np.full((3, 2), NAN)), "test", bootstrap=0)
    assert (blind["mm"], blind["spacing_plane"], blind["cases_without_spacing"]) == (None, "unknown", 3)


def test_not_predicted(hand_made: Results) -> None:
    hand_made.predicted[0, 0] = NAN
    metrics = summarise(hand_made, "test", bootstrap=10)
    assert metrics["unpredicted"] == 1
    assert (metrics["px"]["mre"], metrics["px"]["max"], metrics["px"]["points"]) == (None, None, 5)
    # The others: 0, 10, 0, 8.
    assert (metrics["px"]["unpredicted"], metrics["px"]["mre_predicted"]) == (1, pytest.approx(4.5))
    assert metrics["px"]["rmse_predicted"] == pytest.approx(math.sqrt(164 / 4))
    assert metrics["landmarks"]["left"]["px"]["unpredicted"] + metrics["landmarks"]["right"]["px"]["unpredicted"] == 1
    assert metrics["px"]["median"] == 8.0
    assert metrics["px"]["outliers"]["count"] == 1


@pytest.mark.parametrize("kind", ["random", "hand_made", "no_spacing", "empty", "unpredicted"])
def test_schema(
    kind: str,
    schema: dict[str, Any],
    hand_made: Results,
    random_results: Callable[..., Results],
    tmp_path: Path,
) -> None:
    results = {"random": random_results(), "hand_made": hand_made, "empty": random_results(n=0)}.get(kind, hand_made)
    if kind == "no_spacing":
        results = dataclasses.replace(results, spacing=np.full((3, 2), NAN))
    if kind == "unpredicted":
        results.predicted[:] = NAN
    path = tmp_path / "run" / "metrics.json"
    metrics = summarise(results, "validation", bootstrap=30)
    write_metrics(metrics, path)
    loaded = json.loads(path.read_text())
    jsonschema.validate(loaded, schema)
    assert loaded == metrics
    assert not list(tmp_path.rglob("*.part"))


def test_schema_refuses(schema: dict[str, Any], hand_made: Results) -> None:
    for path, value in (
        (("version",), 2),
        (("points",), 1.5),
        (("px", "sdr", "2.0"), 40),
        (("px", "mre"), "1"),
    ):
        metrics = summarise(hand_made, "test", bootstrap=0)
        place = metrics
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(metrics, schema)
