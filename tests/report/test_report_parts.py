"""The report's tables of parts of the cases and of knees."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from test_report_document import Page

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.metrics import Results
from monai_landmarks.metrics.evaluation import EvaluationOptions, summarise_evaluation
from monai_landmarks.report import write_report


def knees(count: int) -> dict[str, Any]:
    published = {
        "knees": count,
        "pck": {"1.0": 0.25, "2.5": 0.875},
        "outliers": {"from": 10.0, "count": 1, "share": 0.125},
    }
    points = {
        "points": 4 * count,
        "pck": {"1.0": 0.375, "2.5": None},
        "outliers": {"from": 10.0, "count": 0, "share": 0.0},
    }
    return {"corners": ["tibia_0", "tibia_8"], "knees": count, "published": published, "points": points}


def test_parts_and_knees_have_their_sections(
    evaluate: Callable[..., Results], dataset: LandmarkDataset, tmp_path: Path
) -> None:
    for i, case in enumerate(dataset.cases):
        case.attributes["device"] = "C-arm" if i % 3 else "<table>"
    options = EvaluationOptions(group_by=("device",))
    metrics = summarise_evaluation(evaluate(), dataset, "test", options)
    page = Page(write_report(tmp_path / "a.html", results=evaluate(), metrics=metrics, dataset=dataset))
    assert "By attribute" in page.text
    part = metrics["attributes"]["device"]["<table>"]
    assert f"<table> 4 4 {part['points']} {part['mm']['mre']:.2f} [" in page.text
    assert "Knees" not in page.text

    metrics["knees"] = knees(8)
    for part in metrics["attributes"]["device"].values():
        part["knees"] = knees(4)
    page = Page(write_report(tmp_path / "b.html", results=evaluate(), metrics=metrics, dataset=dataset))
    assert (
        "the mean error of tibia_0, tibia_8 is below a radius; an outlier has any point at least 10 mm off" in page.text
    )
    assert "all, by knee 8 25.0 % 87.5 % 12.5 %" in page.text
    assert "device: C-arm, by point 16 37.5 % – 0.0 %" in page.text


def test_an_evaluation_without_them_has_no_such_sections(
    evaluate: Callable[..., Results], dataset: LandmarkDataset, tmp_path: Path
) -> None:
    metrics = summarise_evaluation(evaluate(), dataset, "test", EvaluationOptions())
    page = Page(write_report(tmp_path / "a.html", results=evaluate(), metrics=metrics, dataset=dataset))
    assert "By attribute" not in page.text
    assert "Knees" not in page.text
