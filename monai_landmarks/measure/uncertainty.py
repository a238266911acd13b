"""What errors of the landmarks do to a measurement, to first order."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from monai_landmarks.elements import Element
from monai_landmarks.measure.evaluate import difference, evaluate

# Half the step of the central differences, mm: far below any error, far above rounding.
STEP = 1e-3


def propagate(
    elements: Sequence[Element],
    points: Mapping[str, np.ndarray],
    errors: Mapping[str, float],
    kinds: Mapping[str, str],
    needed: Mapping[str, tuple[str, ...]],
) -> dict[str, float | None]:
    """One standard deviation of each measurement for independent errors of the landmarks.

    u^2 = sum over landmarks k of s_k^2 * |gradient of the measurement by point k|^2, the gradient by central
    differences: first order, hence too small where the measurement bends, as an absolute value does near zero
    (JCGM 100:2008, 5.1.2).

    Args:
        elements: of the scheme.
        points: every landmark (2,) in mm, NaN where missing.
        errors: s_k, the standard deviation of either coordinate, mm, by landmark; see `coordinate_errors`.
        kinds: of `kinds_of`.
        needed: of `needed_landmarks`.

    Returns:
        In each measurement's unit; None where a landmark's error is not known or the measurement has no value.
    """
    names = list(points)
    steps = STEP * np.eye(2 * len(names)).reshape(-1, len(names), 2)
    base = np.stack([points[name] for name in names])
    forward, backward = (
        evaluate(elements, {name: moved[:, k] for k, name in enumerate(names)})
        for moved in (base + steps, base - steps)
    )
    sigma = np.repeat([errors.get(name, np.nan) for name in names], 2)
    found: dict[str, float | None] = {}
    for measurement, ahead in forward.items():
        slope = np.broadcast_to(difference(kinds[measurement], backward[measurement], ahead), sigma.shape) / (2 * STEP)
        involved = np.repeat([name in needed[measurement] for name in names], 2)
        spread = math.sqrt(float(np.sum((slope[involved] * sigma[involved]) ** 2)))
        found[measurement] = spread if math.isfinite(spread) else None
    return found


def coordinate_errors(metrics: Mapping[str, Any]) -> dict[str, float]:
    """The landmarks' errors for `measure_points`, from what an evaluation found (metrics.json).

    The standard deviation of a coordinate is the landmark's RMSE / sqrt(2) in mm, as d^2 is the sum of two squared
    coordinate errors; a landmark's bias counts as error. It is the RMSE of the points that got
    a prediction, as nothing is measured without. Landmarks without one are left out.
    """
    errors = {}
    for name, entry in metrics["landmarks"].items():
        found = entry.get("mm") or {}
        rmse = found.get("rmse_predicted", found.get("rmse"))
        if rmse is not None:
            errors[name] = rmse / math.sqrt(2.0)
    return errors
