"""What may be wrong with a data set's content, seen across its cases. Pure functions; none opens an image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from monai_landmarks.data.dataset import Annotation, LandmarkDataset
from monai_landmarks.data.probe import Probe
from monai_landmarks.scheme import Scheme

FEWEST = 5
# A pair whose order is the same in fewer cases than this, as in lateral views, says nothing about swaps.
CLEAR_MAJORITY = 0.9
# Distances below this share of the pair's median distance are no evidence.
SMALL_SHARE = 0.25


def duplicate_images(probes: Sequence[Probe]) -> list[list[str]]:
    """Groups of cases whose pixels are equal, bit by bit."""
    groups: dict[str, list[str]] = defaultdict(list)
    for probe in probes:
        if probe.pixel_hash:
            groups[probe.pixel_hash].append(probe.case_id)
    return [members for members in groups.values() if len(members) > 1]


def patients_in_two_splits(dataset: LandmarkDataset) -> dict[str, list[str]]:
    """Patient -> the splits (more than one) their cases are in."""
    splits: dict[str, set[str]] = defaultdict(set)
    for case in dataset.cases:
        if case.split is not None:
            splits[case.patient_key].add(case.split)
    return {patient: sorted(names) for patient, names in splits.items() if len(names) > 1}


def points_outside(dataset: LandmarkDataset, sizes: Mapping[str, tuple[int, int]]) -> dict[str, list[str]]:
    """Case -> "reader: landmark (x, y)" of points that lie on no pixel, sizes being (rows, columns) by case.

    The image covers [-0.5, columns - 0.5] x [-0.5, rows - 0.5], as pixel centres are at integers.
    """
    found: dict[str, list[str]] = {}
    for case in dataset.cases:
        if case.id not in sizes:
            continue
        rows, columns = sizes[case.id]
        for annotation in case.annotations:
            for name, (x, y) in annotation.points.items():
                if not (-0.5 <= x <= columns - 0.5 and -0.5 <= y <= rows - 0.5):
                    text = f"{annotation.reader}: {name} ({x:g}, {y:g})"
                    found.setdefault(case.id, []).append(text)
    return found


def size_mismatches(
    dataset: LandmarkDataset, sizes: Mapping[str, tuple[int, int]]
) -> dict[str, tuple[tuple[int, int], tuple[int, int]]]:
    """Case -> (recorded, found) sizes (rows, columns) that differ: the points may belong to another image."""
    recorded = {case.id: case.size for case in dataset.cases if case.size is not None and case.id in sizes}
    return {name: (size, sizes[name]) for name, size in recorded.items() if size != sizes[name]}


def swapped_pairs(dataset: LandmarkDataset) -> dict[str, list[str]]:
    """Case -> "reader: a / b" of left/right pairs that stand in the opposite order of the majority.

    A pair is judged from 5 annotations on, if 90 % of them agree which one has the larger column; distances below
    a quarter of the median distance are no evidence. Each reader is judged alone, as a mean would hide a swap.
    """
    entries = [(case.id, annotation) for case in dataset.cases for annotation in case.annotations]
    found: dict[str, list[str]] = defaultdict(list)
    for first, second in pairs(dataset.scheme):
        seen = [(c, a, a.points[second][0] - a.points[first][0]) for c, a in entries if _both(a, first, second)]
        if len(seen) < FEWEST:
            continue
        distances = np.array([distance for _, _, distance in seen])
        majority = np.sign(np.median(distances))
        if np.mean(np.sign(distances) == majority) < CLEAR_MAJORITY:
            continue
        limit = SMALL_SHARE * np.median(np.abs(distances))
        for case_id, annotation, distance in seen:
            if distance * majority < -limit:
                found[case_id].append(f"{annotation.reader}: {first} / {second}")
    return dict(found)


def pairs(scheme: Scheme) -> list[tuple[str, str]]:
    """The left/right pairs of a scheme, each once."""
    order = {name: k for k, name in enumerate(scheme.names)}
    return [(m.name, m.pair) for m in scheme.landmarks if m.pair is not None and order[m.name] < order[m.pair]]


def _both(annotation: Annotation, first: str, second: str) -> bool:
    return first in annotation.points and second in annotation.points


def side_mismatches(dataset: LandmarkDataset, probes: Sequence[Probe]) -> dict[str, tuple[str, str]]:
    """Case -> (side in the data set file, laterality in the image file) that contradict each other."""
    told = {probe.case_id: {"B": "both"}.get(probe.laterality, probe.laterality) for probe in probes}
    return {
        case.id: (case.side, told[case.id])
        for case in dataset.cases
        if case.side and told.get(case.id) and told[case.id] != case.side
    }
