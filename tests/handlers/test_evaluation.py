"""What an evaluation of a data set with measurements writes."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch

from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset
from monai_landmarks.errors import ConfigError
from monai_landmarks.handlers.evaluation import EvaluationWriter
from monai_landmarks.metrics import LandmarkErrors
from monai_landmarks.metrics.evaluation import EvaluationOptions
from monai_landmarks.scheme import Scheme

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "metrics.schema.json"
WIDTH = {"kind": "distance", "name": "width", "between": ["a", "b"]}


def evaluated(folder: Path, measurements: list[dict[str, Any]], **options: Any) -> EvaluationWriter:
    """Three cases of two landmarks 10 px apart; predictions 12, 13 and 14 px apart, at 0.5 mm."""
    scheme = Scheme.model_validate(
        {"name": "s", "landmarks": [{"name": "a"}, {"name": "b"}], "measurements": measurements}
    )
    points = {"a": (0.0, 0.0), "b": (10.0, 0.0)}
    cases = [
        Case(
            id=f"c{i}",
            image=f"{i}.png",
            split="test",
            annotations=[Annotation(reader="r", points=points)],
            attributes={"grade": i},
        )
        for i in range(3)
    ]
    metric = LandmarkErrors()
    for i in range(3):
        prediction = torch.tensor([[0.0, 0.0, 1, 1], [0.0, 12.0 + i, 1, 1]])
        truth = torch.tensor([[0.0, 0, 1, 0.5, 0.5, 1, 1, i], [0.0, 10, 1, 0.5, 0.5, 1, 1, i]])
        metric([prediction], [truth])
    writer = EvaluationWriter(folder, metric, LandmarkDataset(scheme=scheme, cases=cases), "test", **options)
    batch = [{"index": i, "spacing_plane": "calibrated"} for i in range(3)]
    engine = SimpleNamespace(state=SimpleNamespace(rank=0, batch=batch), network=torch.nn.Linear(1, 1))
    writer.iteration_completed(engine)  # type: ignore[arg-type]
    writer.epoch_completed(engine)  # type: ignore[arg-type]
    return writer


def test_measurements_stand_beside_the_points(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = evaluated(tmp_path, [WIDTH])
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    jsonschema.validate(metrics, json.loads(SCHEMA.read_text()))
    assert metrics["measurements"]["width"] == {
        "label": "Width", "kind": "distance", "unit": "mm", "plane": "calibrated", "n": 3, "unpredicted": 0,
        "bias": 1.5, "sd": 0.5, "limits": [1.5 - 0.98, 1.5 + 0.98], "mae": 1.5, "truth_mean": 5.0, "truth_sd": 0.0,
    }  # fmt: skip
    with (tmp_path / "measurements.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["difference"]) for row in rows] == [1.0, 1.5, 2.0]
    assert "Width" in capsys.readouterr().out
    flat = writer.flat_metrics()
    assert (flat["measurements.width.bias"], flat["measurements.width.sd"]) == (1.5, 0.5)
    assert flat["mm.mre"] == pytest.approx(np.mean([0, 1.0, 0, 1.5, 0, 2.0]))


def test_a_scheme_that_measures_nothing_leaves_nothing(tmp_path: Path) -> None:
    evaluated(tmp_path, [])
    assert "measurements" not in json.loads((tmp_path / "metrics.json").read_text())
    assert not (tmp_path / "measurements.csv").exists()


def test_parts_and_knees_stand_beside_the_points(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = evaluated(tmp_path, [], group_by=["grade", "grade < 1"], limb_corners=["b"])
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    jsonschema.validate(metrics, json.loads(SCHEMA.read_text()))
    assert {text: list(parts) for text, parts in metrics["attributes"].items()} == {
        "grade": ["0", "1", "2"], "grade < 1": ["< 1", ">= 1"],
    }  # fmt: skip
    assert [part["mm"]["mre"] for part in metrics["attributes"]["grade"].values()] == [0.5, 0.75, 1.0]
    assert metrics["knees"]["published"]["pck"] == {"1.0": 0.0, "1.5": 1 / 3, "2.0": 2 / 3, "2.5": 1.0}
    assert metrics["attributes"]["grade < 1"]["< 1"]["knees"]["published"]["pck"]["1.5"] == 1.0
    shown = capsys.readouterr().out
    assert "grade < 1" in shown
    assert "by knee" in shown
    flat = writer.flat_metrics()
    assert flat["attributes.grade below 1.mre"] == 0.5
    assert flat["knees.pck.1.5"] == 1 / 3
    record = json.loads((tmp_path / "evaluation.json").read_text())
    assert EvaluationOptions.from_record(record) == writer.options


@pytest.mark.parametrize("options", [{"group_by": "sex"}, {"limb_corners": ["tibia_0"]}])
def test_what_the_data_lack_is_refused_before_anything_is_evaluated(tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="known are"):
        evaluated(tmp_path, [], **options)
