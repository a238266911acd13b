"""KNEEL's numbers (arXiv 1907.12237): a knee counts once, by the mean error of its corner landmarks or its worst point.

Ours are of points: a knee's mean hides a corner that is off, and its worst point hides fifteen that are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from monai_landmarks.errors import ConfigError
from monai_landmarks.metrics.points import sdr
from monai_landmarks.metrics.results import Results
from monai_landmarks.metrics.summary import jsonable
from monai_landmarks.scheme import Scheme
from monai_landmarks.sides import is_paired, limb_scheme, side_channels

# Published with the cross-validation and with the test set: plateau corners and the outermost condyle points.
CROSS_VALIDATION = ("tibia_0", "tibia_8", "femur_9", "femur_15")
TEST = ("tibia_0", "tibia_4", "tibia_8", "femur_9", "femur_12", "femur_15")
RADII_MM = (1.0, 1.5, 2.0, 2.5)
OUTLIER_MM = 10.0


def limb_channels(scheme: Scheme) -> list[list[int]]:
    """The channels of each limb, in the limb's order: two of a paired scheme, one of a single limb's.

    Raises:
        ConfigError: some landmarks have a side and some have none.
    """
    return list(side_channels(scheme).values()) if is_paired(scheme) else [list(range(len(scheme.names)))]


def check_corners(scheme: Scheme, corners: Sequence[str]) -> None:
    """Refuse corners that a limb does not have.

    Raises:
        ConfigError: naming them.
    """
    names = limb_scheme(scheme).names
    if unknown := [name for name in corners if name not in names]:
        raise ConfigError(f"limb_corners: {', '.join(unknown)} is no landmark of a limb; known are {', '.join(names)}")


def limb_errors(results: Results, scheme: Scheme) -> np.ndarray:
    """(M, K) errors in mm of the limbs that have an error, K landmarks of a limb; NaN and infinity as of points."""
    errors = results.errors_mm()
    rows = np.concatenate([errors[:, channels] for channels in limb_channels(scheme)])
    kept: np.ndarray = rows[~np.isnan(rows).all(axis=1)]
    return kept


def summarise_knees(results: Results, scheme: Scheme, corners: Sequence[str]) -> dict[str, Any]:
    """The block `knees` of metrics.json; null where there is nothing to tell, such as without a pixel spacing.

    Args:
        results: of an evaluation.
        scheme: of its landmarks, both sides or one limb.
        corners: landmarks of a limb; the published PCK is of the mean of their errors.

    Returns:
        corners, knees (those with an error), `published`: pck (share of the knees whose mean of corner errors is
        below a radius, strictly) and outliers (share of the knees with any point at least 10 mm off); `points`: the
        same of single points. A point that was not predicted is infinitely far off.
    """
    check_corners(scheme, corners)
    errors = limb_errors(results, scheme)
    names = limb_scheme(scheme).names
    chosen = errors[:, [names.index(name) for name in corners]]
    known = ~np.isnan(chosen)
    count = known.sum(axis=1)
    means = np.where(known, chosen, 0.0).sum(axis=1)[count > 0] / count[count > 0]
    points = errors[~np.isnan(errors)]
    worst = np.max(np.where(np.isnan(errors), 0.0, errors), axis=1, initial=0.0)
    block: dict[str, Any] = {
        "corners": list(corners),
        "knees": len(errors),
        "published": {"knees": len(means), "pck": sdr(means, RADII_MM), "outliers": _outliers(worst)},
        "points": {"points": len(points), "pck": sdr(points, RADII_MM), "outliers": _outliers(points)},
    }
    whole: dict[str, Any] = jsonable(block)
    return whole


def _outliers(errors: np.ndarray) -> dict[str, Any]:
    count = int(np.sum(errors >= OUTLIER_MM))
    return {"from": OUTLIER_MM, "count": count, "share": count / len(errors) if len(errors) else None}
