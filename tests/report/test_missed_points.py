"""Points without a prediction, such as a knee that was not found: in tables, the report, another site's numbers."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.measure import coordinate_errors
from monai_landmarks.measure.library.build import build, distance
from monai_landmarks.metrics import Results, rich_table, summarise
from monai_landmarks.report import write_report


def missing(results: Results, cases: list[int], landmarks: list[int]) -> Results:
    predicted, presence = results.predicted.copy(), results.presence.copy()
    predicted[np.ix_(cases, landmarks)] = np.nan
    presence[np.ix_(cases, landmarks)] = 0.0
    return dataclasses.replace(results, predicted=predicted, presence=presence)


def test_a_report_tells_how_many_were_missed_and_the_mean_of_the_others(
    evaluate: Callable[..., Results], dataset: LandmarkDataset, tmp_path: Path
) -> None:
    measured = dataset.scheme.model_copy(update={"measurements": build(distance("width", "head_left", "head_right"))})
    dataset = dataset.model_copy(update={"scheme": measured})
    home = missing(evaluate(), [0, 4], [0, 1])
    away = dataclasses.replace(evaluate(), images=[f"/elsewhere/{i}.png" for i in range(12)])
    away = missing(away, [2], [0, 1, 2, 3])
    away = dataclasses.replace(away, truth=away.truth + 1, predicted=away.predicted + 1)
    metrics, other = (summarise(results, "test", bootstrap=50) for results in (home, away))
    errors = home.errors_mm()
    mean = errors[np.isfinite(errors)].mean()
    output = tmp_path / "report.html"
    write_report(output, results=home, metrics=metrics, dataset=dataset, compare={"external": (other, away)})
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", output.read_text(encoding="utf-8")))
    assert "4 points got no prediction, so no mean error exists; the others are on average" in text
    assert f"{mean:.2f} (4 missed)" in text
    assert f"{other['mm']['mre_predicted']:.2f} ({other['mm']['unpredicted']} missed)" in text
    for word in ("None", " nan", " inf"):
        assert word not in text


def test_the_terminal_tells_it_too(evaluate: Callable[..., Results]) -> None:
    metrics = summarise(missing(evaluate(), [0, 4], [0, 1]), "test", bootstrap=0)
    console = Console(width=120)
    with console.capture() as capture:
        console.print(rich_table({"a": metrics}))
    assert f"{metrics['mm']['mre_predicted']:.2f} (4 missed)" in capture.get()


def test_uncertainties_rest_on_the_points_that_were_found(evaluate: Callable[..., Results]) -> None:
    results = evaluate()
    known = coordinate_errors(summarise(results, "test", bootstrap=0))
    fewer = coordinate_errors(summarise(missing(results, [0], [0]), "test", bootstrap=0))
    part = results.take(list(range(1, 12)))
    assert fewer["head_left"] == pytest.approx(coordinate_errors(summarise(part, "test", bootstrap=0))["head_left"])
    assert {name: fewer[name] for name in ("tip", "notch")} == {name: known[name] for name in ("tip", "notch")}
    lost = coordinate_errors(summarise(missing(results, list(range(12)), [0]), "test", bootstrap=0))
    assert "head_left" not in lost
