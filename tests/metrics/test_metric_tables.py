"""The terminal table."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

from monai_landmarks.metrics import Results, rich_table, summarise


def printed(table: Table) -> str:
    console = Console(width=160, record=True, file=None, quiet=True)
    console.quiet = False
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_rows_hold_the_numbers(random_results: Callable[..., Results]) -> None:
    good, bad = random_results(spread=2.0), random_results(spread=40.0)
    rows = {"proposed": summarise(good, "test"), "one-pixel [baseline]": summarise(bad, "test")}
    text = printed(rich_table(rows, title="test split"))
    for metrics in rows.values():
        block = metrics["mm"]
        low, high = block["ci95"]["mre"]
        assert re.search(rf"{block['mre']:.2f} +{low:.2f} to {high:.2f} ", text)
        assert f" {100 * block['sdr']['4.0']:.1f} " in text
    assert "one-pixel [baseline]" in text
    assert "<2.5 " in text
    assert "calibrated" in text
    assert "test split" in text


def test_pixels_where_one_row_has_no_spacing(random_results: Callable[..., Results]) -> None:
    results = random_results()
    blind = dataclasses.replace(results, spacing=np.full_like(results.spacing, np.nan))
    text = printed(rich_table({"a": summarise(results, "test"), "b": summarise(blind, "test", bootstrap=0)}))
    assert "distances in px" in text
    assert "mm" not in text
    assert text.count(f"{summarise(results, 'test')['px']['mre']:.2f}") == 2


def test_nothing_evaluated(random_results: Callable[..., Results]) -> None:
    metrics = summarise(random_results(n=0), "test")
    assert "–" in printed(rich_table({"a": metrics}))
    assert printed(rich_table({}))


def test_planes_that_differ_stand_in_the_rows(random_results: Callable[..., Results]) -> None:
    results = random_results()
    other = dataclasses.replace(results, planes=["detector_plane"] * len(results.planes))
    text = printed(rich_table({"a": summarise(results, "test"), "b": summarise(other, "test")}))
    assert re.search(r"a .* calibrated", text)
    assert re.search(r"b .* detector plane", text)
    assert "distances in mm;" in text
    assert "distances in mm (calibrated);" in printed(rich_table({"a": summarise(results, "test")}))


def test_fits_a_terminal_of_80_columns(random_results: Callable[..., Results]) -> None:
    rows = {
        "label augmentation": summarise(random_results(spread=90.0), "test"),
        "b": summarise(random_results(), "test"),
    }
    console = Console(width=80)
    with console.capture() as capture:
        console.print(rich_table(rows))
    assert "augmentation" in capture.get()
    assert "…" not in capture.get()
