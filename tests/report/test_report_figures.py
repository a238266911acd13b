"""Box plots, curves and the choice of cases."""

from __future__ import annotations

import base64
import math
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from monai_landmarks.report.boxes import HEIGHT, MARGIN, TAIL, WIDTH, axis_limit, axis_svg, box_svg, ticks
from monai_landmarks.report.cases import choose
from monai_landmarks.report.figures import cumulative_curve, data_uri, training_curves

NAN = float("nan")
SVG = "{http://www.w3.org/2000/svg}"


def decoded(uri: str) -> ElementTree.Element:
    head, content = uri.split(",", 1)
    assert head == "data:image/svg+xml;base64"
    return ElementTree.fromstring(base64.b64decode(content))


def test_limit_is_round_and_holds_thresholds_and_nearly_every_error() -> None:
    assert axis_limit(np.array([]), [2.0, 4.0]) == 5.0
    assert axis_limit(np.array([1.0, NAN, math.inf]), [2.0, 4.0]) == 5.0
    assert axis_limit(np.linspace(0, 70, 1000), [4.0]) == 100.0
    assert axis_limit(np.full(9, 18.0), [4.0]) == 20.0
    assert axis_limit(np.array([]), []) == 2.0
    assert axis_limit(np.array([]), [0.8]) == 1.0


@pytest.mark.parametrize("limit", [0.25, 1.0, 2.0, 2.5, 5.0, 10.0, 100.0])
def test_ticks_are_even_and_short(limit: float) -> None:
    marks = ticks(limit)
    assert marks[0] == 0
    assert marks[-1] == limit
    np.testing.assert_allclose(np.diff(marks), marks[1])
    assert all(len(f"{mark:g}") <= 4 for mark in marks)
    assert len(ElementTree.fromstring(axis_svg(limit))) == len(marks)


def test_box_by_hand() -> None:
    """1..9 and one far point: quartiles of ten values, whiskers to the ends of 1..9."""
    errors = np.array([[1, 2, 3, 4, 5], [6, 7, 8, 9, 19]], dtype=float)
    drawn = ElementTree.fromstring(box_svg(errors, 20.0, "mm"))
    low, middle, high = np.percentile(errors, (25, 50, 75))
    assert drawn.get("aria-label") == f"median {middle:.2f}, quartiles {low:.2f} and {high:.2f} mm, 0 beyond the axis"

    def at(value: float) -> float:
        return MARGIN + (WIDTH - MARGIN - TAIL) * value / 20.0

    parts = {part.get("class"): part for part in drawn}
    assert float(parts["b"].get("x", "")) == pytest.approx(at(low), abs=0.06)
    assert float(parts["b"].get("width", "")) == pytest.approx(at(high) - at(low), abs=0.11)
    assert float(parts["m"].get("x1", "")) == pytest.approx(at(middle), abs=0.06)
    assert float(parts["w"].get("x1", "")) == pytest.approx(at(1), abs=0.06)
    assert float(parts["w"].get("x2", "")) == pytest.approx(at(9), abs=0.06)
    assert [float(p.get("cx", "")) for p in drawn if p.get("class") == "o"] == [pytest.approx(at(19), abs=0.06)]


def test_box_counts_what_is_beyond_the_axis() -> None:
    drawn = ElementTree.fromstring(box_svg(np.array([1.0, 1.2, 1.4, 30.0, math.inf, NAN]), 5.0, "mm"))
    assert [p.text for p in drawn if p.get("class") == "e"] == ["▸2"]
    inside = [float(v) for p in drawn for k, v in p.items() if k in ("x1", "x2", "cx")]
    assert max(inside) <= WIDTH - TAIL
    assert len([p for p in drawn if p.get("class") == "o"]) == 0


def test_box_of_nothing_and_of_one_value() -> None:
    nothing = ElementTree.fromstring(box_svg(np.array([NAN]), 5.0, "mm"))
    assert nothing.get("aria-label") == "no points"
    assert {p.get("class") for p in nothing} == {"g"}
    one = ElementTree.fromstring(box_svg(np.array([2.0]), 5.0, "mm"))
    assert [p.get("height") for p in one if p.get("class") == "b"] == [str(HEIGHT - 10)]


def test_cases_are_best_median_worst() -> None:
    errors = np.array([[5.0], [1.0], [9.0], [NAN], [3.0], [7.0], [2.0], [8.0], [4.0], [6.0]])
    assert choose(errors, 3) == {"Best": [1, 6, 4], "Median": [8, 0, 9], "Worst": [2, 7, 5]}
    assert choose(errors, 1) == {"Best": [1], "Median": [0], "Worst": [2]}


def test_infinite_errors_are_worst() -> None:
    assert choose(np.array([[math.inf], [1.0], [2.0]]))["Worst"] == [0]


@pytest.mark.parametrize("n", range(12))
def test_no_image_is_shown_twice(n: int) -> None:
    rows = [i for chosen in choose(np.arange(n, dtype=float)[:, None]).values() for i in chosen]
    assert len(rows) == len(set(rows)) == min(n, 3 * max(1, min(3, n // 3)))


def test_cumulative_curve_reads_what_it_is_given() -> None:
    errors = {"one & only": np.array([[1.0, 2.0], [NAN, math.inf]]), "none": np.full((2, 2), NAN)}
    first = cumulative_curve(errors, "distance, mm", [2.0, 4.0], 10.0)
    assert decoded(first).tag == f"{SVG}svg"
    assert first == cumulative_curve(errors, "distance, mm", [2.0, 4.0], 10.0)
    moved = {**errors, "one & only": np.array([[1.0, 2.5], [NAN, math.inf]])}
    assert first != cumulative_curve(moved, "distance, mm", [2.0, 4.0], 10.0)


def _panels(uri: str) -> int:
    return len(re.findall(r"axes_\d+", " ".join(g.get("id", "") for g in decoded(uri).iter(f"{SVG}g"))))


def test_training_curves_have_a_panel_for_what_was_recorded() -> None:
    rows = [{"epoch": e, "loss": 1 / e, "radius": 9.0 - e, "val_mre": NAN if e % 2 else 2.0} for e in range(1, 7)]
    assert _panels(training_curves(rows) or "") == 3
    assert _panels(training_curves([{"loss": 0.0}, {"loss": 1.0}]) or "") == 1
    assert _panels(training_curves([{"epoch": 1, "loss": 2.0, "val_mre": 3.0}]) or "") == 2
    assert training_curves([]) is None
    assert training_curves([{"epoch": 1, "val_mre": NAN}]) is None


def test_data_uri() -> None:
    assert data_uri(b"abc", "image/png") == "data:image/png;base64,YWJj"
