"""One self-contained HTML file: numbers, curves and images of a run, readable on paper and on a phone."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.metrics import Results
from monai_landmarks.metrics.tables import DASH, mean_text, number, percent, shared_unit
from monai_landmarks.report import wording
from monai_landmarks.report.boxes import axis_limit, axis_svg, box_svg
from monai_landmarks.report.cases import case_figures
from monai_landmarks.report.figures import COLOURS, cumulative_curve, training_curves
from monai_landmarks.report.furthest import furthest_points
from monai_landmarks.report.measurements import measurement_section
from monai_landmarks.report.parts import attribute_sections, knee_section
from monai_landmarks.report.plane_section import plane_section
from monai_landmarks.report.schedule import schedule_section
from monai_landmarks.report.sites import SiteTable, other_images, shared_images, site_table, split_by_site

THIS_MODEL = "this model"
STATISTICS = (
    ("points", "points"),
    ("mre", "MRE"),
    ("std", "standard deviation"),
    ("median", "median"),
    ("rmse", "RMSE"),
    ("rmse_published", "RMSE as published"),
    ("mean_of_image_means", "mean of the images' means"),
    ("max", "largest"),
)


def write_report(
    output: Path,
    *,
    results: Results,
    metrics: dict[str, Any],
    dataset: LandmarkDataset,
    history: Sequence[Mapping[str, Any]] | None = None,
    compare: Mapping[str, tuple[dict[str, Any], Results]] | None = None,
    title: str = "Landmark report",
    provenance: Mapping[str, str] | None = None,
    notes: Sequence[str] = (),
    public: bool = False,
) -> Path:
    """Write the report of a run.

    Args:
        output: the HTML file.
        results: truth and predictions of the evaluated split.
        metrics: what `summarise` made of them.
        dataset: where the images of the best, median and worst cases are found.
        history: a row an epoch (epoch, loss, val_mre, radius); None leaves the training curves out.
        compare: metrics and results of other models on the same images, or of this one on other images (an external
            site), by the name of their row.
        title: of the page.
        provenance: versions, data set digest, command, ...: what it takes to repeat the run.
        notes: sentences a reader must not miss, such as "The radiographs are simulated."
        public: leave out patient images, case ids, and whatever in the provenance looks like a file path.

    Returns:
        `output`.
    """
    rows = {THIS_MODEL: (metrics, results), **(compare or {})}
    shown = None if public else dataset
    context = {
        "title": title,
        "notes": [*notes, *_comparison_notes(rows)],
        "training": training_curves(history) if history else None,
        "validated": any(math.isfinite(row.get("val_mre", math.nan)) for row in history or ()),
        "schedule": schedule_section(history, results, shown) if history else None,
        "provenance": _provenance(provenance or {}, public),
        **_findings(rows, dataset, shown),
    }
    return _write(_render(context), output)


def _findings(
    rows: Mapping[str, tuple[dict[str, Any], Results]], dataset: LandmarkDataset, shown: LandmarkDataset | None
) -> dict[str, Any]:
    """Everything measured; `shown` gives the images, None leaves them out."""
    metrics, results = rows[THIS_MODEL]
    unit = shared_unit({name: row[0] for name, row in rows.items()})
    errors = {name: _errors(row[1], unit) for name, row in rows.items()}
    plane = metrics["spacing_plane"] if unit == "mm" else None
    limits = _thresholds(metrics[unit])
    return {
        "unit": unit,
        "plane": wording.plane_label(plane) if plane else "original pixels",
        "plane_sentence": wording.plane_sentence(metrics),
        "headline": wording.headline(metrics, unit),
        "metrics": metrics,
        "block": metrics[unit],
        "glossary": wording.GLOSSARY,
        "presence": _presence(metrics),
        "details": _details(metrics),
        "error_plane": plane_section(results, shown, metrics, unit),
        "measured": measurement_section(results, dataset.scheme, metrics["spacing_plane"]),
        "sites": _sites(rows, dataset, unit),
        "attributes": attribute_sections(metrics, unit),
        "knees": knee_section(metrics),
        "cases": case_figures(results, shown, errors[THIS_MODEL], max(limits, default=0.0), unit) if shown else None,
        "furthest": furthest_points(results, shown, errors[THIS_MODEL], unit) if shown else [],
        **_pooled(rows, unit, errors),
        **_landmarks(metrics, results, unit, errors[THIS_MODEL]),
    }


def _write(page: str, output: Path) -> Path:
    """Replace the file whole."""
    output.parent.mkdir(parents=True, exist_ok=True)
    temporary = output.with_suffix(output.suffix + ".part")
    temporary.write_text(page, encoding="utf-8")
    return temporary.replace(output)


def _render(context: Mapping[str, Any]) -> str:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    folder = files("monai_landmarks.report")
    environment = Environment(
        loader=FunctionLoader(lambda name: folder.joinpath(name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "mean_error": mean_text, "percent": percent, "signed": _signed}
    return environment.get_template("template.html").render(context)


def _number(value: float | None) -> str:
    """For the template: a dash also for what has no finite value."""
    return number(value) if value is not None and np.isfinite(value) else DASH


def _signed(value: float) -> str:
    """For the template: a number with its sign, none for zero."""
    text = f"{value:+.2f}".replace("-", "−")
    return "0.00" if float(text[1:]) == 0 else text


def _errors(results: Results, unit: str) -> np.ndarray:
    return results.errors_mm() if unit == "mm" else results.errors_px()


def _thresholds(block: Mapping[str, Any] | None) -> list[float]:
    return [float(t) for t in block["sdr"]] if block else []


def _pooled(
    rows: Mapping[str, tuple[dict[str, Any], Results]], unit: str, errors: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """The table of models and their cumulative curves."""
    own = rows[THIS_MODEL][0]
    thresholds = list((own[unit] or {"sdr": {}})["sdr"])
    table = [
        {
            "name": name,
            "colour": COLOURS[i % len(COLOURS)],
            "block": metrics[unit],
            "plane": wording.plane_label(metrics["spacing_plane"]) if unit == "mm" else "",
        }
        for i, (name, (metrics, _)) in enumerate(rows.items())
    ]
    curve = None
    if own[unit]:
        limit = 2.0 * axis_limit(np.array([]), _thresholds(own[unit]))
        label = f"distance, {'mm (' + table[0]['plane'] + ')' if unit == 'mm' else 'px of the original image'}"
        curve = cumulative_curve(errors, label, _thresholds(own[unit]), limit)
    # The strictest and the laxest threshold stand where there is no room for all.
    ends = list(dict.fromkeys([*thresholds[:1], *thresholds[-1:]]))
    return {"rows": table, "thresholds": thresholds, "ends": ends, "curve": curve}


def _landmarks(metrics: Mapping[str, Any], results: Results, unit: str, errors: np.ndarray) -> dict[str, Any]:
    """Rows of the per-landmark table, then of the groups', each with its box plot on the common axis."""
    limit = axis_limit(errors, _thresholds(metrics[unit]))

    def row(name: str, entry: Mapping[str, Any], columns: list[int]) -> dict[str, Any]:
        return {"name": name, "block": entry[unit], "box": box_svg(errors[:, columns], limit, unit)}

    column = {name: [k] for k, name in enumerate(results.names)}
    return {
        "landmarks": [row(n, entry, column[n]) for n, entry in metrics["landmarks"].items()],
        "groups": [row(n, entry, results.groups.get(n, [])) for n, entry in metrics["groups"].items()],
        "axis": axis_svg(limit),
    }


def _presence(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Every landmark that was absent somewhere or was missed; the others have nothing to tell."""
    entries = {name: entry["presence"] for name, entry in metrics["landmarks"].items()}
    telling = {n: p for n, p in entries.items() if p["absent"] or p["sensitivity"] not in (None, 1.0)}
    return {"sentence": wording.presence_sentence(metrics["presence"]), "rows": telling}


def _details(metrics: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Every pooled statistic in every unit."""
    blocks = [metrics[unit] or {} for unit in ("mm", "px", "network_px")]
    table = []
    for key, label in STATISTICS:
        values = [block.get(key) for block in blocks]
        cells = [str(v) if isinstance(v, int) else _number(v) for v in values]
        table.append((label, cells))
    outliers = [block.get("outliers") for block in blocks]
    table.append(("outliers", [f"{o['count']} over {o['over']:g}" if o else DASH for o in outliers]))
    return table


def _sites(
    rows: Mapping[str, tuple[dict[str, Any], Results]], dataset: LandmarkDataset, unit: str
) -> list[tuple[str, SiteTable]]:
    """A table of the sites within this evaluation, and one for each evaluation of other images; with their headings."""
    metrics, results = rows[THIS_MODEL]
    block = metrics[unit]
    if not block:
        return []
    compared = {name: row[1] for name, row in rows.items() if name != THIS_MODEL}
    groups = {"Sites in this evaluation": split_by_site(results, dataset)}
    for name, other in other_images(results, compared).items():
        groups[f"This evaluation and “{name}”"] = {"this evaluation": results, name: other}
    limits, outlier = _thresholds(block), float(block["outliers"]["over"])
    return [(title, site_table(sites, unit, limits, outlier)) for title, sites in groups.items() if sites]


def _comparison_notes(rows: Mapping[str, tuple[dict[str, Any], Results]]) -> list[str]:
    """A comparison on other images, all or some, is said to be one."""
    own = rows[THIS_MODEL][1]
    notes = []
    for name, (_, results) in rows.items():
        shared = shared_images(own, results)
        if not shared:
            notes.append(f"“{name}” was evaluated on other images: its numbers are those of other patients.")
        elif shared != len(own.case_ids) or shared != len(results.case_ids):
            notes.append(f"“{name}” shares {shared} images with this evaluation: its row cannot be compared directly.")
    return notes


def _provenance(provenance: Mapping[str, str], public: bool) -> dict[str, str]:
    return {key: text for key, text in provenance.items() if not public or not set("/\\") & set(text)}
