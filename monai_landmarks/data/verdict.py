"""Findings in words: faults that make a data set unusable, warnings that somebody should look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monai_landmarks.data.dataset import LandmarkDataset, find_faults

SHOWN = 8


def faults_of(dataset: LandmarkDataset, found: Mapping[str, Any]) -> tuple[str, ...]:
    """Faults of the file's content and among the findings of a fingerprint, each with its case and its remedy."""
    faults = find_faults(dataset)  # among them the missing files and the patients in two splits
    present = {case.id for case in dataset.cases if (dataset.root / case.image).is_file()}
    faults += [f"case {c}: {error}" for c, error in found["unreadable"].items() if c in present]
    for case, points in found["points_outside"].items():
        where = f"{len(points)} point(s) outside the image"
        remedy = "correct them, call them absent, or import with the right --origin"
        faults.append(f"case {case}: {where}: {_some(points)}; {remedy}")
    for case, (recorded, size) in found["size_mismatches"].items():
        sizes = f"{list(recorded)} is recorded, the image has {list(size)}"
        faults.append(f"case {case}, field size: {sizes}; do the points belong to this image?")
    split_of = {case.id: case.split for case in dataset.cases}
    for group in found["duplicates"]:
        if len({split_of[case] for case in group} - {None}) > 1:
            faults.append(f"cases {_some(group)} have the same pixels and are in several splits; keep one")
    return tuple(faults)


def warnings_of(dataset: LandmarkDataset, found: Mapping[str, Any]) -> tuple[str, ...]:
    """Warnings among the findings of a fingerprint."""
    warnings = []
    split_of = {case.id: case.split for case in dataset.cases}
    for group in found["duplicates"]:
        if len({split_of[case] for case in group} - {None}) <= 1:
            warnings.append(f"cases {_some(group)} have the same pixels")
    for case, pairs in found["swapped_pairs"].items():
        warnings.append(f"case {case}: left and right may be swapped ({_some(pairs)})")
    for case, (side, laterality) in found["side_mismatches"].items():
        warnings.append(f"case {case}: side is {side} here and {laterality} in the image file")
    listed = {
        "polarity_outliers": "look inverted; look at the contact sheet, then set the case's polarity to invert",
        "burned_in": "have text burned into the pixels, which may name the patient",
        "unannotated": "have no annotation",
    }
    for name, text in listed.items():
        if found[name]:
            warnings.append(f"{len(found[name])} case(s) {text}: {_some(found[name])}")
    return tuple(warnings + _gaps(found))


def _gaps(found: Mapping[str, Any]) -> list[str]:
    """What the counts say is missing."""
    warnings = [f"landmark {n} is present in no case" for n, c in found["coverage"].items() if not c["present"]]
    planes = [plane for plane in found["planes"] if plane != "unknown"]
    if "unknown" in found["planes"]:
        warnings.append(
            f"{found['planes']['unknown']} image(s) of unknown spacing: errors in pixels only; set spacing_mm"
        )
    if len(planes) > 1:
        warnings.append(f"spacings hold in different planes ({', '.join(planes)}): compare millimetres with care")
    cases = found["cases"]
    if cases["unassigned"]:
        warnings.append(f"{cases['unassigned']} case(s) are in no split (monai-landmarks split)")
    if cases["unassigned"] < sum(cases.values()):
        empty = [name for name, count in cases.items() if not count and name != "unassigned"]
        warnings += [f"no case is in {name}" for name in empty]
    return warnings


def _some(items: Sequence[str]) -> str:
    """The first few items, and how many there are besides."""
    more = f" and {len(items) - SHOWN} more" if len(items) > SHOWN else ""
    return ", ".join(items[:SHOWN]) + more
