"""VGG Image Annotator 2, CSV: a line a region, its shape and attributes as JSON in the cells.

Source: https://www.robots.ox.ac.uk/~vgg/software/via/docs/ (VIA 2.0).
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

from monai_landmarks.data.annotations.documents import Malformed
from monai_landmarks.data.annotations.json_documents import Node
from monai_landmarks.data.annotations.marks import Format, Marks, Reading, Source, Writing
from monai_landmarks.data.annotations.via import file_size
from monai_landmarks.data.annotations.via_regions import ATTRIBUTE, ORIGIN, place_region
from monai_landmarks.errors import DatasetError

HEADER = (
    "filename",
    "file_size",
    "file_attributes",
    "region_count",
    "region_id",
    "region_shape_attributes",
    "region_attributes",
)
FILE = "via_annotations.csv"
# Name and size in bytes.
Image = tuple[str, str]


def recognise(content: Any) -> bool:
    """The headings of a region's shape and attributes."""
    return isinstance(content, str) and "region_shape_attributes" in content.partition("\n")[0]


def read(source: Source, reading: Reading) -> list[Marks]:
    """Images in the order of the file; an image without regions has a line of its own."""
    text = source.content.lstrip("#")  # VIA 1.0 put one before the headings.
    found: dict[Image, Marks] = {}
    rows = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    missing = [name for name in HEADER if name not in (rows.fieldnames or ())]
    if missing:
        raise DatasetError(source.path, [f"line 1: the column(s) {', '.join(missing)} are missing"])
    try:
        for row in rows:
            with reading.findings.at(f"line {rows.line_num}"):
                _read_row(row, found, reading)
    except csv.Error as error:
        raise DatasetError(source.path, [f"line {rows.line_num}: not a readable CSV file: {error}"]) from None
    return list(found.values())


def _read_row(row: dict[str, Any], found: dict[Image, Marks], reading: Reading) -> None:
    name = (row["filename"] or "").strip()
    if not name or None in row or None in row.values():
        raise Malformed(f"must have {len(HEADER)} cells and name the image")
    # VIA tells images of one name, from two folders, apart by their size in bytes.
    marks = found.setdefault((name, row["file_size"]), Marks(name))
    shape = _cell(row, "region_shape_attributes")
    if shape.value:
        place_region(marks, shape, _cell(row, "region_attributes"), reading.findings)


def _cell(row: dict[str, Any], heading: str) -> Node:
    try:
        return Node(json.loads(row[heading] or "{}"), heading)
    except json.JSONDecodeError as error:
        raise Malformed(f"{heading}: no JSON: {error.msg}") from None
    except (RecursionError, ValueError):
        raise Malformed(f"{heading}: nested too deeply, or with absurd numbers") from None


def write(writing: Writing) -> list[Path]:
    """One file that VIA reads with Annotation > Import annotations (csv)."""
    path = writing.file(FILE)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(HEADER)
        for picture in writing.pictures:
            points = picture.xy(writing.offset)
            head = (picture.name, file_size(picture), "{}", len(points))
            if not points:
                writer.writerow((*head, 0, "{}", "{}"))
            for number, (name, (x, y)) in enumerate(points.items()):
                shape = json.dumps({"name": "point", "cx": x, "cy": y})
                writer.writerow((*head, number, shape, json.dumps({ATTRIBUTE: name})))
    return [path]


FORMAT = Format(
    name="via-csv",
    tool="VGG Image Annotator 2",
    suffixes=(".csv",),
    origin=ORIGIN,
    recognise=recognise,
    read=read,
    write=write,
)
