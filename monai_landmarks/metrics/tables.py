"""Metrics as a table for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

DASH = "–"


def shared_unit(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """ "mm" if every row has millimetres, else "px": rows of one table share their unit."""
    return "mm" if rows and all(metrics["mm"] for metrics in rows.values()) else "px"


def number(value: float | None, digits: int = 2) -> str:
    """A number as text, a dash where there is none."""
    return DASH if value is None else f"{value:.{digits}f}"


def mean_text(block: Mapping[str, Any]) -> str:
    """The mean error of a block of metrics.json; where points got no prediction, that of the others and how many."""
    if block["mre"] is not None or not block.get("unpredicted"):
        return number(block["mre"])
    return f"{number(block['mre_predicted'])} ({block['unpredicted']} missed)"


def percent(share: float | None) -> str:
    """A share as a percentage."""
    return DASH if share is None else f"{100 * share:.1f} %"


def interval_text(interval: Sequence[float | None]) -> str:
    """A 95 % interval, a dash where there is none."""
    low, high = interval
    return DASH if low is None or high is None else f"{low:.2f} to {high:.2f}"


def rich_table(rows: Mapping[str, Mapping[str, Any]], title: str | None = None) -> Table:
    """One row a model: MRE with its interval, median, RMSE, SDR in per cent, and the plane of the millimetres.

    Args:
        rows: contents of metrics.json by the name of the model; the first one's thresholds make the columns.
        title: printed above the table.
    """
    unit = shared_unit(rows)
    blocks = {name: metrics[unit] for name, metrics in rows.items()}
    thresholds = next((list(block["sdr"]) for block in blocks.values() if block), [])
    planes = [str(metrics["spacing_plane"]).replace("_", " ") for metrics in rows.values()] if unit == "mm" else []
    # One plane for all stands in the caption, so that the table fits a terminal of 80 columns.
    where = f" ({planes[0]})" if len(set(planes)) == 1 else ""
    caption = f"distances in {unit}{where}; <r: per cent of the points closer than r {unit}"
    table = Table(title=title, caption=caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.title_justify = table.caption_justify = "left"
    table.add_column("model", overflow="fold")
    for heading in ("MRE", "95 % CI", "median", "RMSE", *(f"<{float(threshold):g}" for threshold in thresholds)):
        table.add_column(heading, justify="right", no_wrap=True)
    if len(set(planes)) > 1:
        table.add_column("plane", overflow="fold")
    for row, (name, block) in enumerate(blocks.items()):
        cells = _cells(block, thresholds) if block else [DASH] * (4 + len(thresholds))
        table.add_row(escape(name), *cells, *(planes[row : row + 1] if not where else []))
    return table


def _cells(block: Mapping[str, Any], thresholds: Sequence[str]) -> list[str]:
    interval = interval_text(block["ci95"]["mre"])
    distances = [mean_text(block), interval, number(block["median"]), number(block["rmse"])]
    return distances + [percent(block["sdr"].get(threshold)).removesuffix(" %") for threshold in thresholds]


def measurement_table(block: Mapping[str, Mapping[str, Any]]) -> Table:
    """One row a measurement: how predicted values differ from those of the annotated points.

    Args:
        block: `measurements` of metrics.json.
    """
    caption = "predicted less annotated; limits: bias -+ 1.96 SD"
    table = Table(title="measurements", caption=caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.title_justify = table.caption_justify = "left"
    table.add_column("measurement", overflow="fold")
    for heading in ("unit", "n", "bias", "SD", "limits", "MAE"):
        table.add_column(heading, justify="right", no_wrap=True)
    for entry in block.values():
        digits = 3 if entry["kind"] == "ratio" else 2
        bias, spread, mean = (number(entry[key], digits) for key in ("bias", "sd", "mae"))
        limits = " to ".join(number(limit, digits) for limit in entry["limits"])
        table.add_row(escape(entry["label"]), entry["unit"], str(entry["n"]), bias, spread, limits, mean)
    return table


def attribute_table(text: str, parts: Mapping[str, Mapping[str, Any]]) -> Table:
    """One row a group of cases: images and errors.

    Args:
        text: what tells the groups apart.
        parts: an entry of `attributes` of metrics.json.
    """
    unit = shared_unit({label: part for label, part in parts.items() if part["points"]})
    blocks = {label: part[unit] for label, part in parts.items()}
    thresholds = next((list(block["sdr"]) for block in blocks.values() if block), [])
    table = Table(title=text, caption=f"distances in {unit}", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.title_justify = table.caption_justify = "left"
    table.add_column("", overflow="fold", min_width=6)
    for heading in ("images", "MRE", "95 % CI", "median", *(f"<{float(t):g}" for t in thresholds)):
        table.add_column(heading, justify="right", no_wrap=True)
    for label, block in blocks.items():
        mean, interval, middle, _, *shares = _cells(block, thresholds) if block else [DASH] * (4 + len(thresholds))
        table.add_row(escape(label), str(parts[label]["cases"]), mean, interval, middle, *shares)
    return table


def knee_table(rows: Mapping[str, Mapping[str, Any]]) -> Table:
    """PCK and outliers, by knee as published and by point, one row each.

    Args:
        rows: blocks `knees` of metrics.json, by name.
    """
    radii = next(iter(rows.values()))["published"]["pck"]
    corners = ", ".join(next(iter(rows.values()))["corners"])
    caption = f"by knee: mean error of {corners}; an outlier has any point >= 10 mm off"
    table = Table(title="knees, mm", caption=caption, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.title_justify = table.caption_justify = "left"
    table.add_column("", overflow="fold")
    for heading in ("counted", *(f"<{float(radius):g}" for radius in radii), "outliers"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, block in rows.items():
        for kind, count, part in (
            ("by knee", block["knees"], block["published"]),
            ("by point", block["points"]["points"], block["points"]),
        ):
            shares = [percent(part["pck"].get(radius)) for radius in radii]
            table.add_row(escape(f"{name}, {kind}"), str(count), *shares, percent(part["outliers"]["share"]))
    return table
