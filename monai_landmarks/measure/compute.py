"""Points of an image to its measurements."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np

from monai_landmarks.element_order import kinds_of, needed_landmarks
from monai_landmarks.measure.evaluate import evaluate
from monai_landmarks.measure.uncertainty import propagate
from monai_landmarks.measure.values import Measured
from monai_landmarks.measurements import DISTANCE, UNITS, Measurement
from monai_landmarks.scheme import Scheme

NO_ANSWER = "the points give no answer: some of them coincide, or its lines are parallel"


def measure_points(
    scheme: Scheme,
    points: np.ndarray,
    *,
    spacing: tuple[float, float] | None,
    plane: str = "",
    errors_mm: Mapping[str, float] | None = None,
    unlabelled: Collection[str] = (),
) -> list[Measured]:
    """Every measurement of a scheme for one image, in the scheme's order.

    Pixels become millimetres before anything is measured, so that angles are right for pixels that are not square.
    Without a spacing, pixels are taken to be square: angles and ratios are given, lengths are in pixels and have no
    normal range.

    Args:
        scheme: landmarks and measurements.
        points: (K, 2) (row, column) in the landmarks' order, NaN where absent.
        spacing: mm per pixel (row, column); None where unknown.
        plane: the plane the spacing holds in.
        errors_mm: standard deviation of either coordinate of a landmark in mm, by its name: the errors are taken to
            be independent and alike in all directions. `coordinate_errors` makes it from an evaluation.
        unlabelled: landmarks of which nobody said where or whether they are; others without a point are absent.

    Raises:
        ValueError: the points do not fit the scheme.
    """
    points = np.asarray(points, dtype=np.float64)
    if points.shape != (len(scheme.names), 2):
        raise ValueError(f"points has shape {points.shape}, expected ({len(scheme.names)}, 2)")
    scaled = points * (spacing or (1.0, 1.0))
    located = dict(zip(scheme.names, scaled))
    values = evaluate(scheme.measurements, located)
    kinds = kinds_of(scheme.measurements, scheme.names)
    needed = needed_landmarks(scheme.measurements, scheme.names)
    spread: Mapping[str, float | None] = {}
    if errors_mm and spacing:
        spread = propagate(scheme.measurements, located, errors_mm, kinds, needed)
    missing = {name for name, point in located.items() if not np.isfinite(point).all()}
    square = spacing is None or np.isclose(spacing[0], spacing[1], rtol=1e-6)
    measured = []
    for element in measurements_of(scheme):
        name = element.name
        in_pixels = spacing is None and kinds[name] == DISTANCE
        value = float(values[name])
        known = np.isfinite(value)
        measured.append(
            Measured(
                name=name,
                label=element.title,
                kind=kinds[name],
                unit="px" if in_pixels else UNITS[kinds[name]],
                value=value if known else None,
                uncertainty=spread.get(name) if known else None,
                normal=None if in_pixels else element.normal,
                plane=plane if spacing and (kinds[name] == DISTANCE or not square) else "",
                reason=None if known else reason_for(needed[name], missing, unlabelled),
                landmarks=needed[name],
            )
        )
    return measured


def measurements_of(scheme: Scheme) -> list[Measurement]:
    """The elements of a scheme that have a value."""
    return [element for element in scheme.measurements if isinstance(element, Measurement)]


def reason_for(needed: Sequence[str], missing: set[str], unlabelled: Collection[str] = ()) -> str:
    """Why a measurement has no value: which landmarks are absent, and which nobody has labelled."""
    without = [name for name in needed if name in missing]
    kinds = {
        "absent": [name for name in without if name not in unlabelled],
        "unlabelled": [name for name in without if name in unlabelled],
    }
    reasons = [
        f"{', '.join(names)} {'is' if len(names) == 1 else 'are'} {kind}" for kind, names in kinds.items() if names
    ]
    return "; ".join(reasons) or NO_ANSWER


def measure_batch(scheme: Scheme, points: np.ndarray, spacing: np.ndarray) -> np.ndarray:
    """Values (N, M) of the M measurements for N images, in mm, degrees or as ratios; NaN where there is none.

    Args:
        scheme: landmarks and measurements.
        points: (N, K, 2) (row, column), NaN where absent.
        spacing: (N, 2) mm per pixel (row, column); ones measure lengths in pixels.
    """
    scaled = points * spacing[:, None, :]
    values = evaluate(scheme.measurements, {name: scaled[:, k] for k, name in enumerate(scheme.names)})
    columns = [np.broadcast_to(column, (len(points),)) for column in values.values()]
    return np.stack(columns, axis=1) if columns else np.zeros((len(points), 0))
