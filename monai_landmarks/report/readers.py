"""The inter-reader report: CSV tables, a page in Markdown and Bland-Altman figures."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from monai_landmarks.measurements import RATIO
from monai_landmarks.metrics.agreement import agreement
from monai_landmarks.metrics.readers import PairRow, ReaderPair
from monai_landmarks.metrics.tables import number, percent
from monai_landmarks.report.bland_altman import Panel, bland_altman_figure
from monai_landmarks.report.wording import plane_label

AGREEMENT = ("n", "bias", "sd", "low", "high", "mae")
MEASUREMENTS = ("first", "second", "measurement", "unit", *AGREEMENT)


def write_reader_report(pairs: Sequence[ReaderPair], folder: Path, figures: bool) -> list[Path]:
    """Write readers.csv, measurements.csv (where the scheme measures something), readers.md and a figure a pair.

    Args:
        pairs: at least one.
        folder: made if missing.
        figures: draw Bland-Altman figures; needs matplotlib.

    Returns:
        The files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / "readers.csv", folder / "readers.md"]
    _write_rows(files[0], _landmark_rows(pairs))
    if pairs[0].measurements.measurements:
        files.append(folder / "measurements.csv")
        _write_rows(files[-1], _measurement_rows(pairs))
    names: list[str | None] = []
    for count, pair in enumerate(pairs, 1):
        names.append(f"bland_altman_{count}.png" if figures else None)
        if figures:
            files.append(folder / f"bland_altman_{count}.png")
            label = f"{pair.second} − {pair.first}"
            bland_altman_figure(_panels(pair), label).savefig(files[-1], dpi=150)
    page = "\n".join(line for pair, name in zip(pairs, names) for line in _page(pair, name))
    files[1].write_text(f"# Readers compared\n\n{page}\n", encoding="utf-8")
    return files


def _landmark_rows(pairs: Sequence[ReaderPair]) -> list[dict[str, object]]:
    rows = []
    for pair in pairs:
        for row in pair.rows:
            cells: dict[str, object] = {"first": pair.first, "second": pair.second, "landmark": row.landmark}
            cells |= {"unit": pair.unit, "spacing_plane": " ".join(pair.planes), "n": row.n, "disagree": row.disagree}
            cells |= {"mre": row.mre, "median": row.median, "largest": row.largest}
            cells |= {f"sdr_{threshold:g}": share for threshold, share in row.sdr.items()}
            for axis, found in (("x", row.x), ("y", row.y)):
                cells |= {f"{axis}_{key}": getattr(found, key) for key in ("bias", "sd", "low", "high")}
            rows.append(cells)
    return rows


def _measurement_rows(pairs: Sequence[ReaderPair]) -> list[dict[str, object]]:
    rows = []
    for pair in pairs:
        differences = pair.measurements.differences()
        for k, measurement in enumerate(pair.measurements.measurements):
            found = agreement(differences[:, k])
            values = (pair.first, pair.second, measurement.name, pair.measurements.units[k])
            rows.append(dict(zip(MEASUREMENTS, (*values, *(getattr(found, key) for key in AGREEMENT)))))
    return rows


def _write_rows(path: Path, rows: Sequence[dict[str, object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        for row in rows:
            writer.writerow({key: _cell(value) for key, value in row.items()})


def _cell(value: object) -> object:
    if not isinstance(value, float):
        return value
    return repr(value) if np.isfinite(value) else ""


def _page(pair: ReaderPair, figure: str | None) -> list[str]:
    unit = f"mm ({', '.join(map(plane_label, pair.planes))})" if pair.unit == "mm" else "pixels of the images"
    lines = [f"## {pair.first} and {pair.second}", ""]
    lines += [
        f"{len(pair.cases)} images read by both; distances in {unit}. Differences: {pair.second} less {pair.first}."
    ]
    lines += [
        "",
        f"| landmark | points | MRE | median | largest | {_headings(pair)} | x, bias ± SD | y, bias ± SD | absent |",
    ]
    lines.append("|---" * (8 + len(pair.rows[0].sdr)) + "|")
    lines += [_line(row) for row in pair.rows]
    lines += ["", "Absent: one reader placed the point where the other calls it absent."]
    if pair.measurements.measurements:
        lines += [
            "",
            "| measurement | unit | n | bias | SD | limits of agreement | mean abs. difference |",
            "|---" * 7 + "|",
        ]
        lines += _measurement_lines(pair)
    if figure:
        lines += ["", f"![Bland-Altman plots]({figure})"]
    return [*lines, ""]


def _headings(pair: ReaderPair) -> str:
    return " | ".join(f"< {threshold:g} {pair.unit}" for threshold in pair.rows[0].sdr)


def _line(row: PairRow) -> str:
    def text(value: float) -> str:
        return number(value if np.isfinite(value) else None)

    shares = [percent(share if np.isfinite(share) else None) for share in row.sdr.values()]
    axes = [f"{text(found.bias)} ± {text(found.sd)}" for found in (row.x, row.y)]
    cells = [row.landmark, str(row.n), text(row.mre), text(row.median), text(row.largest), *shares, *axes]
    return f"| {' | '.join(cells)} | {row.disagree} |"


def _measurement_lines(pair: ReaderPair) -> list[str]:
    lines = []
    differences, measured = pair.measurements.differences(), pair.measurements
    for k, measurement in enumerate(measured.measurements):
        found, digits = agreement(differences[:, k]), 3 if measured.kinds[k] == RATIO else 2
        values = (found.bias, found.sd, found.low, found.high, found.mae)
        bias, sd, low, high, mae = (number(v if np.isfinite(v) else None, digits) for v in values)
        cells = (measurement.title, measured.units[k], str(found.n), bias, sd, f"{low} to {high}", mae)
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _panels(pair: ReaderPair) -> list[Panel]:
    """Columns and rows of all points, then every measurement."""
    middle, apart = pair.places.mean(axis=0), pair.places[1] - pair.places[0]
    panels = [
        Panel(f"{name} of every point", pair.unit, middle[..., axis].ravel(), apart[..., axis].ravel())
        for name, axis in (("x", 1), ("y", 0))
    ]
    measured, differences = pair.measurements, pair.measurements.differences()
    for k, measurement in enumerate(measured.measurements):
        unit = "" if measured.kinds[k] == RATIO else measured.units[k]
        panels.append(Panel(measurement.title, unit, measured.truth[:, k] + differences[:, k] / 2, differences[:, k]))
    return panels
