"""The numbers of the paper's tables, from cases.csv: pixels at 512, both definitions of RMSE, left and right pooled."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from published import POINT_NAMES

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.metrics import Results, points

SIZE = 512
THRESHOLDS = (2.0, 2.5, 3.0, 4.0)


def errors_at_512(results: Results, sizes: Mapping[str, tuple[int, int]]) -> np.ndarray:
    """(N, K) distances in pixels of the image padded to a square and resized to 512, as published.

    Whatever input a network had, its errors are held against the same thresholds: an error in original pixels times
    512 / longer side.

    Args:
        results: of an evaluation.
        sizes: rows and columns of each case's original image.
    """
    scale = np.array([SIZE / max(sizes[case]) for case in results.case_ids])
    return results.errors_px() * scale[:, None]


def score(results: Results, sizes: Mapping[str, tuple[int, int]]) -> dict[str, Any]:
    """One row of table 1: pixels at 512, SDR as fractions; None where it cannot be computed."""
    errors = errors_at_512(results, sizes)
    values = {
        "images": len(results.case_ids),
        "points": int(np.sum(~np.isnan(errors))),
        "rmse": _finite(points.rmse(errors)),
        "rmse_published": _finite(points.rmse_published(errors)),
        "mre": _finite(points.mre(errors)),
        "mre_mm": _finite(points.mre(results.errors_mm())),
    }
    return values | {"sdr": {str(r): _finite(share) for r, share in points.sdr(errors, THRESHOLDS).items()}}


def score_folder(evaluated: Path, dataset_file: Path) -> dict[str, Any]:
    """`score` of an evaluation's folder (cases.csv) on a data set."""
    sizes = {case.id: case.size for case in load_dataset(dataset_file).cases if case.size is not None}
    return score(Results.read_csv(evaluated / "cases.csv"), sizes)


def pooled_mm(results: Results, groups: Mapping[str, Sequence[str]] = POINT_NAMES) -> dict[str, float | None]:
    """A row of table 2: mean error in mm of each group of landmarks, all their points pooled, and the groups' mean."""
    errors = results.errors_mm()
    columns = {name: [results.names.index(member) for member in members] for name, members in groups.items()}
    values = {name: points.mre(errors[:, members]) for name, members in columns.items()}
    return {name: _finite(value) for name, value in values.items()} | {"mean": _finite(np.mean(list(values.values())))}


def _finite(value: float | np.floating[Any]) -> float | None:
    return float(value) if math.isfinite(value) else None
