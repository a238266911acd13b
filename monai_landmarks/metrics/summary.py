"""metrics.json, version 1: every number an evaluation reports, per unit, landmark, group and image.

The schema is published in docs/reference/metrics.schema.json.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from monai_landmarks.data.dataset import State
from monai_landmarks.metrics import points
from monai_landmarks.metrics.results import Results

FORMAT = "monai_landmarks.metrics"
VERSION = 1
UNKNOWN_PLANE = "unknown"
PCK_ALPHAS = (0.01, 0.02, 0.05)
PCK_REFERENCE = "diagonal of the box around the image's annotated points, original pixels"
PRESENCE_THRESHOLD = 0.5


@dataclass(frozen=True)
class _Unit:
    """Errors in one unit with the thresholds they are held against."""

    name: str
    errors: np.ndarray
    thresholds: tuple[float, ...]
    outlier: float


def summarise(
    results: Results,
    split: str,
    thresholds_mm: Sequence[float] = (2.0, 2.5, 3.0, 4.0),
    thresholds_px: Sequence[float] = (2.0, 2.5, 3.0, 4.0),
    outlier_mm: float = 10.0,
    outlier_px: float = 10.0,
    bootstrap: int = 1000,
    seed: int = 0,
) -> dict[str, Any]:
    """The content of metrics.json.

    Args:
        results: truth and predictions.
        split: name of the split they come from.
        thresholds_mm: of the detection rate in millimetres.
        thresholds_px: of the detection rate in original and in network pixels.
        outlier_mm: a point further off than this is an outlier.
        outlier_px: the same in original and in network pixels.
        bootstrap: resamples of the patients behind the 95 % intervals; 0 leaves the intervals out.
        seed: of the resampling.

    Returns:
        JSON-ready dictionary: null stands for "cannot be computed", never NaN. `mm` is null if no image has
        a pixel spacing; images without one are not in `mm` and counted in `cases_without_spacing`.
    """
    units = _units(results, thresholds_mm, thresholds_px, outlier_mm, outlier_px)
    resampling = points.PatientBootstrap(results.patients, bootstrap, seed)
    planes = _planes(results)
    summary = {
        "format": FORMAT,
        "version": VERSION,
        "split": split,
        **_counts(results),
        "unpredicted": int(np.isinf(results.errors_px()).sum()),
        "spacing_plane": _one_plane(planes),
        "spacing_planes": planes,
        "cases_without_spacing": len(results.case_ids) - sum(planes.values()),
        "bootstrap": {"unit": "patient", "replicates": bootstrap, "seed": seed, "level": 0.95},
        **_subset(results, units, list(range(len(results.names))), resampling),
        "pck": _pck(results),
        "landmarks": {n: _subset(results, units, [k], resampling) for k, n in enumerate(results.names)},
        "groups": {g: _subset(results, units, members, resampling) for g, members in results.groups.items()},
        "images": _images(results, units),
    }
    return jsonable(summary)


def summarise_part(
    results: Results, thresholds_mm: Sequence[float] = (2.0, 2.5, 3.0, 4.0), bootstrap: int = 1000, seed: int = 0
) -> dict[str, Any]:
    """The pooled numbers of some images, as `summarise` gives those of all; for what metrics.json tells of a part.

    Returns:
        JSON-ready: cases, patients, points, mm, px, network_px, presence.
    """
    units = _units(results, thresholds_mm)
    resampling = points.PatientBootstrap(results.patients, bootstrap, seed)
    pooled = _subset(results, units, list(range(len(results.names))), resampling)
    return jsonable({**_counts(results), **pooled})


def write_metrics(metrics: dict[str, Any], path: str | Path) -> None:
    """Write metrics.json whole or not at all."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(target.suffix + ".part")
    temporary.write_text(json.dumps(metrics, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    temporary.replace(target)


def _units(
    results: Results,
    thresholds_mm: Sequence[float],
    thresholds_px: Sequence[float] = (2.0, 2.5, 3.0, 4.0),
    outlier_mm: float = 10.0,
    outlier_px: float = 10.0,
) -> list[_Unit]:
    pixels = tuple(float(r) for r in thresholds_px)
    return [
        _Unit("mm", results.errors_mm(), tuple(float(r) for r in thresholds_mm), outlier_mm),
        _Unit("px", results.errors_px(), pixels, outlier_px),
        _Unit("network_px", results.errors_network_px(), pixels, outlier_px),
    ]


def _counts(results: Results) -> dict[str, int]:
    return {"cases": len(results.case_ids), "patients": len(set(results.patients))}


def _subset(
    results: Results, units: list[_Unit], columns: list[int], resampling: points.PatientBootstrap
) -> dict[str, Any]:
    """Every statistic of some landmarks, pooled over them."""
    count = int(np.sum(~np.isnan(results.errors_px()[:, columns])))
    blocks = {unit.name: _statistics(unit, unit.errors[:, columns], resampling) for unit in units}
    return {"points": count, **blocks, "presence": _presence(results, columns)}


def _statistics(unit: _Unit, errors: np.ndarray, resampling: points.PatientBootstrap) -> dict[str, Any] | None:
    """One unit's block; None without any error in that unit."""
    count = int(np.sum(~np.isnan(errors)))
    if not count:
        return None
    over = points.outliers(errors, unit.outlier)
    predicted = np.where(np.isinf(errors), np.nan, errors)
    return {
        "cases": int(np.sum(~np.isnan(errors).all(axis=1))),
        "points": count,
        "unpredicted": int(np.isinf(errors).sum()),
        "mre": points.mre(errors),
        "mre_predicted": points.mre(predicted),
        "std": points.sd(errors),
        "rmse": points.rmse(errors),
        "rmse_predicted": points.rmse(predicted),
        "median": points.median(errors),
        "rmse_published": points.rmse_published(errors),
        "mean_of_image_means": points.mean_of_image_means(errors),
        "max": points.maximum(errors),
        "outliers": {"over": unit.outlier, "count": over, "share": over / count},
        "sdr": points.sdr(errors, unit.thresholds),
        "ci95": {"mre": resampling.mre(errors), "sdr": resampling.sdr(errors, unit.thresholds)},
    }


def _presence(results: Results, columns: list[int]) -> dict[str, Any]:
    presence, state = results.presence[:, columns], results.state[:, columns]
    return {
        "threshold": PRESENCE_THRESHOLD,
        "present": int(np.sum(state == State.PRESENT)),
        "absent": int(np.sum(state == State.ABSENT)),
        "unlabelled": int(np.sum(state == State.UNLABELLED)),
        "sensitivity": points.sensitivity(presence, state, PRESENCE_THRESHOLD),
        "specificity": points.specificity(presence, state, PRESENCE_THRESHOLD),
    }


def _pck(results: Results) -> dict[str, Any]:
    shares = points.pck(results.errors_px(), points.box_diagonal(results.truth), PCK_ALPHAS)
    return {"reference": PCK_REFERENCE, "shares": shares}


def _images(results: Results, units: list[_Unit]) -> dict[str, Any]:
    images = {}
    for i, case_id in enumerate(results.case_ids):
        rows = {unit.name: unit.errors[i] for unit in units}
        blocks = {
            name: {"mre": points.mre(row), "median": points.median(row), "max": points.maximum(row)}
            if not np.isnan(row).all()
            else None
            for name, row in rows.items()
        }
        images[case_id] = {"points": int(np.sum(~np.isnan(rows["px"]))), **blocks}
    return images


def _planes(results: Results) -> dict[str, int]:
    """How many of the images with a known spacing have it in which plane."""
    known = np.isfinite(results.spacing).all(axis=1)
    return dict(sorted(Counter(plane for plane, ok in zip(results.planes, known) if ok).items()))


def _one_plane(planes: dict[str, int]) -> str:
    if not planes:
        return UNKNOWN_PLANE
    return next(iter(planes)) if len(planes) == 1 else "mixed"


def jsonable(value: Any) -> Any:
    """What JSON can hold: tuples to lists, numeric keys to text ("2.0"), NaN and infinity to None."""
    if isinstance(value, dict):
        return {str(key): jsonable(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(entry) for entry in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value
