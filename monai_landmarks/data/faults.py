"""What can be wrong with a data set file, each fault naming the case, the field and the remedy."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset

HEADER = {"format": "monai_landmarks.dataset", "version": 1, "coordinates": "xy_pixel_centre"}
SCOPES = ("modality", "body_part", "view")


def header_faults(document: Any) -> list[str]:
    """Faults that make it pointless to look further: another kind of file, version or coordinates."""
    if not isinstance(document, dict):
        return [f"file: must hold one JSON object, holds a {type(document).__name__}"]
    faults = []
    for field, value in HEADER.items():
        found = document.get(field)
        if found != value or isinstance(found, bool):
            faults.append(f"file, field {field}: must be {value!r}, is {found!r}{_version_hint(field, found)}")
    if "root" in document:
        faults.append("file, field root: is not part of the format; image paths are relative to the file's folder")
    return faults


def _version_hint(field: str, found: Any) -> str:
    newer = field == "version" and isinstance(found, int) and found > HEADER["version"]  # type: ignore[operator]
    return "; written by a newer monai_landmarks, update it" if newer else ""


def describe_fault(document: Any, error: Any) -> str:
    """One of pydantic's errors (`ValidationError.errors()`), with the case's id instead of its number."""
    location = list(error["loc"])
    where = "file" if not location else f"field {'.'.join(str(part) for part in location)}"
    if len(location) > 1 and location[0] == "cases":
        case = document["cases"][location[1]]
        number = f"number {location[1] + 1}"
        name = case.get("id", number) if isinstance(case, dict) else number
        where = f"case {name}"
        if len(location) > 2:
            where += f", field {'.'.join(str(part) for part in location[2:])}"
    return f"{where}: {error['msg'].removeprefix('Value error, ')}"


def find_faults(dataset: LandmarkDataset) -> list[str]:
    """What is wrong with the content although every field has its right type. Opens no image."""
    faults = [] if dataset.cases else ["file, field cases: is empty; a data set needs at least one case"]
    faults += [
        f"file, field scope: unknown key {key!r}; use {', '.join(SCOPES)}" for key in dataset.scope if key not in SCOPES
    ]
    names = set(dataset.names)
    seen: set[str] = set()
    split_of: dict[str, str] = {}
    for case in dataset.cases:
        where = f"case {case.id}"
        if case.id in seen:
            faults.append(f"{where}: the id is used twice; ids must be unique")
        seen.add(case.id)
        if not (dataset.root / case.image).is_file():
            faults.append(f"{where}, field image: no file {case.image} (paths start at the data set file's folder)")
        if case.split is not None:
            first = split_of.setdefault(case.patient_key, case.split)
            if first != case.split:
                faults.append(f"{where}: patient {case.patient_key} is in {first} and in {case.split}; keep one")
        faults += [f"{where}, {fault}" for fault in _case_faults(case)]
        for annotation in case.annotations:
            faults += [f"{where}, reader {annotation.reader}: {f}" for f in _annotation_faults(annotation, names)]
    return faults


def _case_faults(case: Case) -> list[str]:
    faults = []
    if case.size is not None and min(case.size) < 1:
        faults.append(f"field size: {list(case.size)} must be positive [rows, columns]; null if unknown")
    if case.spacing_mm is not None and not all(math.isfinite(mm) and mm > 0 for mm in case.spacing_mm):
        faults.append(f"field spacing_mm: {list(case.spacing_mm)} must be positive [row, column]; null if unknown")
    if case.magnification is not None and not math.isfinite(case.magnification):
        faults.append(f"field magnification: {case.magnification} must be finite; null if unknown")
    readers = [a.reader for a in case.annotations]
    faults += [f"reader {r}: appears twice; keep one annotation a reader" for r in repeated(readers)]
    if "mean" in readers:
        faults.append("reader mean: the name is reserved for the mean of all readers; choose another")
    return faults


def _annotation_faults(annotation: Annotation, names: set[str]) -> list[str]:
    faults = []
    for field in ("points", "absent", "confidence"):
        faults += [f"unknown landmark {n!r} in {field}" for n in getattr(annotation, field) if n not in names]
    faults += [f"{n!r} has a point and is called absent; keep one" for n in annotation.absent if n in annotation.points]
    faults += [f"{n!r} is called absent twice; keep one" for n in repeated(annotation.absent)]
    for name, point in annotation.points.items():
        if not all(math.isfinite(v) for v in point):
            faults.append(f"point {name!r} is not finite: {list(point)}; leave it out if it is not known")
    for name, value in annotation.confidence.items():
        if not 0 <= value <= 1:
            faults.append(f"confidence of {name!r} is {value}; it must lie in [0, 1]")
    return faults


def repeated(items: Iterable[str]) -> list[str]:
    """The items that occur more than once, sorted."""
    seen: set[str] = set()
    twice: set[str] = set()
    for item in items:
        (twice if item in seen else seen).add(item)
    return sorted(twice)
