"""How far what is measured on predicted points is from what is measured on annotated ones."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monai_landmarks.element_order import kinds_of
from monai_landmarks.measure import measure_batch, measurements_of
from monai_landmarks.measure.evaluate import difference
from monai_landmarks.measurements import DISTANCE, UNITS, Measurement
from monai_landmarks.metrics.agreement import agreement
from monai_landmarks.metrics.results import Results
from monai_landmarks.scheme import Scheme

COLUMNS = ("case_id", "patient", "measurement", "unit", "spacing_plane", "truth", "predicted", "difference")


@dataclass(frozen=True)
class MeasurementErrors:
    """M measurements of N images, twice.

    Attributes:
        measurements: what was measured.
        kinds: "distance", "angle" or "ratio" of each.
        units: unit of each; "px" for distances if no image has a pixel spacing.
        truth: (N, M) from the annotated points; NaN where one is missing, or a distance has no spacing.
        predicted: (N, M) from the predicted points.
        planes: N planes the millimetres hold in.
    """

    measurements: list[Measurement]
    kinds: list[str]
    units: list[str]
    truth: np.ndarray
    predicted: np.ndarray
    planes: list[str]

    def differences(self) -> np.ndarray:
        """(N, M) predicted less truth; of angles the shorter way round."""
        columns = [difference(kind, self.truth[:, k], self.predicted[:, k]) for k, kind in enumerate(self.kinds)]
        return np.stack(columns, axis=1) if columns else np.zeros_like(self.truth)


def measurement_errors(results: Results, scheme: Scheme) -> MeasurementErrors:
    """Measure truth and prediction of every image; see `measure_twice` for units."""
    return measure_twice(scheme, results.truth, results.predicted, results.spacing, results.planes)


def measure_twice(
    scheme: Scheme, first: np.ndarray, second: np.ndarray, spacing: np.ndarray, planes: Sequence[str]
) -> MeasurementErrors:
    """Measure two sets of points (N, K, 2), the first as truth.

    Distances are in mm, of images with a pixel spacing only, or in px if no image has one. Angles and ratios of
    images without a spacing are those of square pixels.

    Args:
        scheme: landmarks and measurements.
        first, second: (row, column), not finite where missing.
        spacing: (N, 2) mm per pixel (row, column), NaN where unknown.
        planes: N planes the spacing holds in.
    """
    kinds = kinds_of(scheme.measurements, scheme.names)
    measurements = measurements_of(scheme)
    known = np.isfinite(spacing).all(axis=1)
    in_mm = bool(known.any())
    scale = np.where(known[:, None], spacing, 1.0)
    truth, predicted = (
        measure_batch(scheme, np.where(np.isfinite(points), points, np.nan), scale) for points in (first, second)
    )
    distances = np.array([kinds[m.name] == DISTANCE for m in measurements], dtype=bool)
    if in_mm:
        for values in (truth, predicted):
            values[np.ix_(~known, distances)] = np.nan
    units = ["px" if distance and not in_mm else UNITS[kinds[m.name]] for m, distance in zip(measurements, distances)]
    return MeasurementErrors(measurements, [kinds[m.name] for m in measurements], units, truth, predicted, list(planes))


def summarise_measurements(errors: MeasurementErrors, plane: str) -> dict[str, dict[str, Any]]:
    """The block `measurements` of metrics.json, by the measurement's name; null where there is too little to tell.

    Args:
        errors: of `measurement_errors`.
        plane: the plane of every millimetre of the evaluation.
    """
    block = {}
    differences = errors.differences()
    for k, measurement in enumerate(errors.measurements):
        found = agreement(differences[:, k])
        truth = errors.truth[:, k]
        # Predictions of images whose annotation lacks a landmark have nothing to be compared with.
        missed = np.isfinite(truth) & ~np.isfinite(errors.predicted[:, k])
        compared = truth[np.isfinite(differences[:, k])]
        block[measurement.name] = {
            "label": measurement.title,
            "kind": errors.kinds[k],
            "unit": errors.units[k],
            "plane": plane if errors.units[k] == "mm" else "",
            "n": found.n,
            "unpredicted": int(missed.sum()),
            "bias": _number(found.bias),
            "sd": _number(found.sd),
            "limits": [_number(found.low), _number(found.high)],
            "mae": _number(found.mae),
            "truth_mean": _number(float(compared.mean())) if compared.size else None,
            "truth_sd": _number(float(compared.std(ddof=1))) if compared.size > 1 else None,
        }
    return block


def write_measurements(errors: MeasurementErrors, results: Results, path: Path) -> None:
    """Write measurements.csv, a row per case and measurement: numbers read back exactly, unknown ones are empty."""
    path.parent.mkdir(parents=True, exist_ok=True)
    differences = errors.differences()
    temporary = path.with_suffix(path.suffix + ".part")
    with temporary.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(COLUMNS)
        for i, case_id in enumerate(results.case_ids):
            for k, measurement in enumerate(errors.measurements):
                unit = errors.units[k]
                numbers = (errors.truth[i, k], errors.predicted[i, k], differences[i, k])
                about = [case_id, results.patients[i], measurement.name, unit, errors.planes[i] if unit == "mm" else ""]
                writer.writerow([*about, *(repr(float(v)) if np.isfinite(v) else "" for v in numbers)])
    temporary.replace(path)


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
