"""The plain CSV table of `monai_landmarks.data.tables`, written: a row an image and reader, two columns a landmark."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_landmarks.data.annotations.marks import Format, Picture, Writing
from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.data.numbers import finite_number
from monai_landmarks.data.table_cases import ABSENT
from monai_landmarks.data.table_file import HEADINGS, IDENTIFIERS
from monai_landmarks.data.tables import Origin

# What `import` takes a table for, unless it is told otherwise.
ORIGIN: Origin = "centre"
FILE = "landmarks.csv"


def recognise(content: Any) -> bool:
    """Any text whose first line has columns; the other CSV format is asked first."""
    return isinstance(content, str) and len(content.partition("\n")[0].replace(";", ",").split(",")) > 1


def write(writing: Writing) -> list[Path]:
    """One table with every column that holds something."""
    rows = [_row(picture, writing) for picture in writing.pictures]
    used = dict.fromkeys(heading for row in rows for heading, text in row.items() if text != "")
    points = [f"{name}_{axis}" for name in writing.dataset.names for axis in ("x", "y")]
    headings = [*(heading for heading in used if heading not in points), *points]
    path = writing.file(FILE)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, headings, restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return [path]


def _row(picture: Picture, writing: Writing) -> dict[str, Any]:
    case, annotation = picture.case, picture.annotation
    row: dict[str, Any] = {
        "image": picture.name,
        "reader": annotation.reader if annotation.points or annotation.absent else "",
        "split": case.split or "",
        "patient": case.patient or "",
        "side": case.side or "",
        "frame": case.frame if case.frame > 1 else "",
        "spacing_mm": " ".join(str(mm) for mm in case.spacing_mm or ()),
        "magnification": case.magnification or "",
    }
    row |= {name: case.attributes[name] for name in case.attributes if name not in lost_attributes(writing.dataset)}
    points = picture.xy(writing.offset)
    for name in writing.dataset.names:
        x, y = points.get(name, (ABSENT, ABSENT) if name in annotation.absent else ("", ""))
        row[f"{name}_x"], row[f"{name}_y"] = x, y
    return row


def lost_attributes(dataset: LandmarkDataset) -> list[str]:
    """Attributes that are no numbers or texts, or whose name a table gives another meaning."""
    taken = {heading for headings in HEADINGS.values() for heading in headings} | {"landmark", "x", "y"}
    return [name for name, values in _attributes(dataset).items() if _misread(name, values, taken)]


def retyped_attributes(dataset: LandmarkDataset) -> list[str]:
    """Attributes that come back as something else: a table's column holds numbers where all its cells look so."""
    lost = lost_attributes(dataset)
    return [name for name, values in _attributes(dataset).items() if name not in lost and _is_retyped(values)]


def _attributes(dataset: LandmarkDataset) -> dict[str, list[Any]]:
    """Every attribute's values."""
    values: dict[str, list[Any]] = {}
    for case in dataset.cases:
        for name, value in case.attributes.items():
            values.setdefault(name, []).append(value)
    return values


def _is_retyped(values: Sequence[Any]) -> bool:
    numeric = all(_looks_like_number(str(value)) for value in values if value != "")
    return any(isinstance(value, str) == numeric for value in values if value != "")


def _looks_like_number(text: str) -> bool:
    try:
        finite_number(text)
    except ValueError:
        return False
    return True


def _misread(name: str, values: Sequence[Any], taken: set[str]) -> bool:
    plain = all(isinstance(value, str | int | float) and not isinstance(value, bool) for value in values)
    lower = name.lower()
    as_point = lower.endswith(("_x", "_y"))
    private = IDENTIFIERS.fullmatch(lower.replace(" ", "_")) is not None
    return not plain or lower in taken or as_point or private or name != name.strip()


FORMAT = Format(
    name="csv",
    tool="a spreadsheet",
    suffixes=(".csv", ".tsv"),
    origin=ORIGIN,
    recognise=recognise,
    read=None,
    write=write,
    holds=frozenset({"absent", "readers", "splits", "patients", "sides", "frames", "spacing", "attributes"}),
    opens_dicom=True,
)
