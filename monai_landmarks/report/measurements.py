"""The report's section on measurements: how predicted values agree with those of the annotated points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from monai_landmarks.measurements import RATIO
from monai_landmarks.metrics import Results, measurement_errors, summarise_measurements
from monai_landmarks.metrics.measurements import MeasurementErrors
from monai_landmarks.metrics.tables import number
from monai_landmarks.report.bland_altman import Panel, bland_altman_figure
from monai_landmarks.report.figures import svg_uri
from monai_landmarks.scheme import Scheme


@dataclass(frozen=True)
class MeasurementSection:
    """What the template shows.

    Attributes:
        figure: an address.
        rows: label, description and the texts of unit, n, annotated mean +- SD, bias, SD, limits, MAE and unpredicted.
    """

    figure: str
    rows: list[dict[str, Any]]


def measurement_section(results: Results, scheme: Scheme, plane: str) -> MeasurementSection | None:
    """Agreement of predicted and annotated measurements; None where the scheme measures nothing or nothing is known.

    Args:
        results: of the evaluation.
        scheme: what is measured.
        plane: the plane of every millimetre of the evaluation.
    """
    errors = measurement_errors(results, scheme)
    block = summarise_measurements(errors, plane)
    known = [k for k, entry in enumerate(block.values()) if entry["n"]]
    if not known:
        return None
    panels = [_panel(errors, k) for k in known]
    rows = [_row(entry, errors.measurements[k].description or "") for k, entry in enumerate(block.values())]
    return MeasurementSection(svg_uri(bland_altman_figure(panels, "predicted − annotated")), rows)


def _panel(errors: MeasurementErrors, k: int) -> Panel:
    differences = errors.differences()[:, k]
    unit = "" if errors.kinds[k] == RATIO else errors.units[k]
    # Of angles, the mean lies between the two the shorter way round.
    return Panel(errors.measurements[k].title, unit, errors.truth[:, k] + differences / 2, differences)


def _row(entry: dict[str, Any], description: str) -> dict[str, Any]:
    digits = 3 if entry["kind"] == RATIO else 2

    def signed(value: float | None) -> str:
        return number(value) if value is None else f"{value:+.{digits}f}".replace("-", "−")

    low, high = entry["limits"]
    return {
        "label": entry["label"],
        "description": description,
        "unit": "ratio" if entry["kind"] == RATIO else entry["unit"],
        "n": entry["n"],
        "truth": f"{number(entry['truth_mean'], digits)} ± {number(entry['truth_sd'], digits)}".replace("-", "−"),
        "bias": signed(entry["bias"]),
        "sd": number(entry["sd"], digits),
        "limits": f"{signed(low)} to {signed(high)}" if low is not None else number(None),
        "mae": number(entry["mae"], digits),
        "unpredicted": entry["unpredicted"],
    }
