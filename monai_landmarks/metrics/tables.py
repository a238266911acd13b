"""Metrics as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

DASH = "–"


def shared_unit(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """ "mm" if every row has millimetres, else "px": rows of one table share their unit."""
    return "mm" if rows and all(metrics["mm"] for metrics in rows.values()) else "px"


def number(value: float | None, digits: int = 2) -> str:
    """A number as text, a dash where there is none."""
    return DASH if value is None else f"{value:.{digits}f}"


def percent(share: float | None) -> str:
    """A share as a percentage."""
    return DASH if share is None else f"{100 * share:.1f} %"


def with_interval(value: float | None, interval: list[float | None]) -> str:
    """A number with its 95 % interval, where there is one."""
    low, high = interval
    return number(value) if low is None or high is None else f"{number(value)} [{low:.2f}, {high:.2f}]"


def rich_table(rows: Mapping[str, Mapping[str, Any]], title: str | None = None) -> Table:
    """One row a model: MRE with its interval, median, RMSE, SDR, plane.

    Args:
        rows: contents of metrics.json by the name of the model; the first one's thresholds make the columns.
        title: printed above the table.
    """
    unit = shared_unit(rows)
    blocks = {name: metrics[unit] for name, metrics in rows.items()}
    thresholds = next((list(block["sdr"]) for block in blocks.values() if block), [])
    table = Table(title=title)
    table.add_column("model", overflow="fold")
    shares = (f"<{float(threshold):g} {unit}" for threshold in thresholds)
    for heading in (f"MRE {unit} [95 % CI]", "median", "RMSE", *shares):
        table.add_column(heading, justify="right")
    if unit == "mm":
        table.add_column("plane")
    for name, block in blocks.items():
        if block is None:
            table.add_row(escape(name), DASH)
            continue
        cells = [with_interval(block["mre"], block["ci95"]["mre"])]
        cells += [number(block["median"]), number(block["rmse"])]
        cells += [percent(block["sdr"].get(threshold)) for threshold in thresholds]
        plane = [str(rows[name]["spacing_plane"]).replace("_", " ")] if unit == "mm" else []
        table.add_row(escape(name), *cells, *plane)
    return table
