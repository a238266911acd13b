"""How far two readers of the same images are apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from monai_landmarks.data.dataset import Case, LandmarkDataset, State
from monai_landmarks.data.spacing import Spacing
from monai_landmarks.metrics import points
from monai_landmarks.metrics.agreement import Agreement, agreement
from monai_landmarks.metrics.measurements import MeasurementErrors, measure_twice

THRESHOLDS = (2.0, 2.5, 3.0, 4.0)


@dataclass(frozen=True)
class PairRow:
    """What two readers make of one landmark, or of all.

    Attributes:
        landmark: its name; "all" for all points pooled.
        n: points that both have placed.
        disagree: how often one has placed it where the other says it is absent.
        mre, median, largest: of the distance of the two points.
        sdr: share of the distances below each threshold, strictly.
        x, y: differences to the right and downward, second reader less first.
    """

    landmark: str
    n: int
    disagree: int
    mre: float
    median: float
    largest: float
    sdr: dict[float, float]
    x: Agreement
    y: Agreement


@dataclass(frozen=True)
class ReaderPair:
    """Two readers.

    Attributes:
        first, second: their names.
        cases: images both have read.
        unit: "mm" if every one of them has a pixel spacing, else "px".
        planes: the planes the millimetres hold in.
        rows: all points pooled, then each landmark.
        places: (2, N, K, 2) points of both, (row, column) in the unit, NaN where not placed.
        measurements: the scheme's, of both.
    """

    first: str
    second: str
    cases: list[str]
    unit: str
    planes: list[str]
    rows: list[PairRow]
    places: np.ndarray
    measurements: MeasurementErrors


def shared_cases(dataset: LandmarkDataset, cases: Sequence[Case]) -> dict[tuple[str, str], list[Case]]:
    """The cases that two readers have both read, for every two that share one, in the order of their appearance."""
    readers = [(case, {a.reader for a in case.annotations}) for case in cases]
    pairs = {
        (first, second): [case for case, names in readers if {first, second} <= names]
        for first, second in combinations(dataset.readers, 2)
    }
    return {pair: shared for pair, shared in pairs.items() if shared}


def compare_readers(
    dataset: LandmarkDataset,
    pair: tuple[str, str],
    cases: Sequence[Case],
    spacings: Mapping[str, Spacing],
    thresholds: Sequence[float] = THRESHOLDS,
) -> ReaderPair:
    """Compare two readers on the cases both have read.

    Args:
        dataset: gives the scheme.
        pair: their names; differences are the second's points less the first's.
        cases: of `shared_cases`.
        spacings: pixel spacing by the case's id.
        thresholds: of the share of close points, in the unit.
    """
    read = [[case.points(dataset.scheme, reader) for case in cases] for reader in pair]
    placed = np.stack([[found for found, _ in side] for side in read])
    states = np.stack([[state for _, state in side] for side in read])
    known = [spacings[case.id] for case in cases]
    spacing = np.array([s.mm or (np.nan, np.nan) for s in known], dtype=float)
    unit = "mm" if np.isfinite(spacing).all() else "px"
    scale = spacing if unit == "mm" else np.ones_like(spacing)
    places = placed * scale[None, :, None, :]
    disagree = (states == State.PRESENT).any(axis=0) & (states == State.ABSENT).any(axis=0)
    rows = [_row("all", places, disagree, thresholds)]
    for k, name in enumerate(dataset.names):
        rows.append(_row(name, places[:, :, k : k + 1], disagree[:, k : k + 1], thresholds))
    planes = sorted({s.plane for s in known}) if unit == "mm" else []
    measured = measure_twice(dataset.scheme, placed[0], placed[1], spacing, [s.plane for s in known])
    return ReaderPair(*pair, [case.id for case in cases], unit, planes, rows, places, measured)


def _row(name: str, places: np.ndarray, disagree: np.ndarray, thresholds: Sequence[float]) -> PairRow:
    apart = places[1] - places[0]
    distance = np.hypot(apart[..., 0], apart[..., 1])
    return PairRow(
        landmark=name,
        n=int(np.isfinite(distance).sum()),
        disagree=int(disagree.sum()),
        mre=points.mre(distance),
        median=points.median(distance),
        largest=points.maximum(distance),
        sdr=points.sdr(distance, thresholds),
        x=agreement(apart[..., 1]),
        y=agreement(apart[..., 0]),
    )
