"""The report's section on measurements and the Bland-Altman figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.metrics import Results, summarise
from monai_landmarks.report.bland_altman import Panel, bland_altman_figure
from monai_landmarks.report.document import write_report
from monai_landmarks.report.measurements import measurement_section
from monai_landmarks.scheme import Scheme

MEASUREMENTS = [
    {
        "kind": "distance",
        "name": "width",
        "between": ["head_left", "head_right"],
        "description": "From <head> to head.",
    },
    {"kind": "vertex_angle", "name": "corner", "points": ["head_left", "tip", "notch"]},
    {"kind": "distance", "name": "height", "between": ["tip", "notch"]},
    {"kind": "ratio", "name": "shape", "of": ["width", "height"]},
]


@pytest.fixture
def measuring(dataset: LandmarkDataset) -> Scheme:
    return Scheme.model_validate(dataset.scheme.model_dump() | {"measurements": MEASUREMENTS})


def test_the_page_shows_measurements(
    dataset: LandmarkDataset, measuring: Scheme, evaluate: Callable[..., Results], tmp_path: Path
) -> None:
    results = evaluate()
    metrics = summarise(results, "test", bootstrap=0)
    page = write_report(
        tmp_path / "r.html",
        results=results,
        metrics=metrics,
        dataset=dataset.model_copy(update={"scheme": measuring}),
        public=True,
    ).read_text()
    assert "<h2>Measurements</h2>" in page
    assert "From &lt;head&gt; to head." in page
    assert "Bland-Altman" in page
    plain = write_report(tmp_path / "p.html", results=results, metrics=metrics, dataset=dataset, public=True)
    assert "<h2>Measurements</h2>" not in plain.read_text()


def test_rows_hold_units_signs_and_counts(measuring: Scheme, evaluate: Callable[..., Results]) -> None:
    results = evaluate()
    predicted = results.truth.copy()
    predicted[:, 1] += (0.0, 10.0)
    predicted[0, 2] = np.nan
    section = measurement_section(replace(results, predicted=predicted), measuring, "patient_plane")
    assert section is not None
    rows = {row["label"]: row for row in section.rows}
    # `tip` is unlabelled in one image, `notch` absent in another; one tip was not predicted.
    assert [rows[name]["n"] for name in ("Width", "Corner", "Height", "Shape")] == [12, 9, 9, 9]
    assert rows["Corner"]["unpredicted"] == 1
    assert (rows["Corner"]["bias"], rows["Corner"]["unit"]) == ("+0.00", "deg")
    assert (rows["Width"]["unit"], rows["Shape"]["unit"]) == ("mm", "ratio")
    assert section.figure.startswith("data:image/svg+xml;base64,")


def test_nothing_measured_nothing_shown(measuring: Scheme, evaluate: Callable[..., Results]) -> None:
    results = evaluate()
    lost = replace(results, predicted=np.full_like(results.predicted, np.nan))
    assert measurement_section(lost, measuring, "patient_plane") is None
    assert measurement_section(results, measuring.model_copy(update={"measurements": ()}), "patient_plane") is None


def test_a_panel_shows_bias_and_limits() -> None:
    difference = np.array([1.0, 2.0, 3.0, np.nan])
    figure = bland_altman_figure([Panel("Width", "mm", np.arange(4.0), difference)] * 5, "b - a")
    axes = figure.axes[0]
    heights = [line.get_ydata()[0] for line in axes.lines if len(line.get_xdata()) == 2]
    assert sorted(heights) == pytest.approx([0.0, 2 - 1.96, 2.0, 2 + 1.96])
    assert axes.get_title(loc="left") == "Width, mm"
    assert sum(a.axison for a in figure.axes) == 5
    single = bland_altman_figure([Panel("One", "", np.array([1.0]), np.array([2.0]))], "b - a").axes[0]
    assert (single.get_title(loc="left"), len(single.lines)) == ("One", 3)
