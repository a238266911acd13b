"""Reading a CSV file and telling its columns apart."""

from __future__ import annotations

import csv
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from monai_landmarks.data.faults import repeated
from monai_landmarks.errors import DatasetError

# Our field: the headings that stand for it, in lower case.
HEADINGS = {
    "image": ("image", "file", "filename", "case"),
    "reader": ("reader", "annotator"),
    "split": ("split", "set"),
    "patient": ("patient", "patient_id", "patientid"),
    "side": ("side",),
    "frame": ("frame",),
    "spacing_mm": ("spacing_mm",),
    "magnification": ("magnification",),
}
LONG_HEADINGS = {"landmark": ("landmark",), "x": ("x",), "y": ("y",)}
IDENTIFIERS = re.compile(r"(patient_?)?(first_?|last_?)?name|dob|birth_?(date|day)|date_of_birth|mrn|ssn|accession.*")
DELIMITERS = ",;\t"


@dataclass
class Row:
    """A line's number in the file and its cells by heading, without surrounding blanks."""

    line: int
    cells: dict[str, str]


@dataclass
class Table:
    """A CSV file whose columns are known.

    Attributes:
        headings: our field -> heading in the file.
        points: landmark -> headings of its x and y (wide tables only).
        attributes: headings of all other columns.
        decimal_comma: numbers may be written 12,5 (never where the comma parts the cells).
        faults: what is wrong with columns and lines, found while reading.
    """

    path: Path
    headings: dict[str, str]
    points: dict[str, tuple[str, str]]
    attributes: list[str]
    decimal_comma: bool
    rows: list[Row] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def is_long(self) -> bool:
        """A row a point, instead of a row an image (and reader)."""
        return "landmark" in self.headings

    def cell(self, row: Row, name: str) -> str:
        """The text of one of our fields; empty where the table has no such column."""
        return row.cells[self.headings[name]] if name in self.headings else ""


def read_table(path: Path, *, ignore: tuple[str, ...] = ()) -> Table:
    """Read a CSV file (comma, semicolon or tab; UTF-8 with or without byte order mark).

    Args:
        path: the file.
        ignore: headings of columns to leave out.

    Raises:
        DatasetError: the file cannot be read, or is no landmark table at all.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            first = stream.readline()
            delimiter = max(DELIMITERS, key=first.count)
            stream.seek(0)
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            lines = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except FileNotFoundError:
        raise DatasetError(path, ["the file does not exist"]) from None
    except UnicodeDecodeError:
        raise DatasetError(path, ["not UTF-8 text; save it as CSV UTF-8"]) from None
    except (OSError, csv.Error) as error:
        raise DatasetError(path, [f"not a readable CSV file: {error}"]) from None
    lines = [(number, cells) for number, cells in lines if any(cells)]
    if len(lines) < 2:
        raise DatasetError(path, ["needs a line of headings and at least one line below it"])
    header = lines[0][1]
    table = _columns(path, header, ignore, decimal_comma=delimiter != ",")
    for number, cells in lines[1:]:
        if len(cells) != len(header):
            table.faults.append(f"line {number}: has {len(cells)} cells, the headings are {len(header)}")
            continue
        table.rows.append(Row(number, dict(zip(header, cells))))
    return table


def _columns(path: Path, header: list[str], ignore: tuple[str, ...], decimal_comma: bool) -> Table:
    faults = [f"two columns are called {name!r}" for name in repeated(name for name in header if name)]
    faults += [f"there is no column {name!r} to leave out" for name in ignore if name not in header]
    free = [name for name in header if name and name not in ignore]
    known = HEADINGS | LONG_HEADINGS if _looks_long(free) else HEADINGS
    headings: dict[str, str] = {}
    for ours, names in known.items():
        found = [name for name in free if name.lower() in names]
        if len(found) > 1:
            faults.append(f"columns {' and '.join(found)} both give the {ours}; leave one out")
        if found:
            headings[ours] = found[0]
    if "image" not in headings:
        faults.append(f"no column names the image; call it one of {', '.join(HEADINGS['image'])}")
    rest = [name for name in free if name not in headings.values()]
    points = {} if "landmark" in headings else _point_columns(rest, faults)
    if not points and "landmark" not in headings:
        faults.append("no points: give columns NAME_x and NAME_y, or the columns landmark, x and y")
    if faults:
        raise DatasetError(path, faults)
    used = {name for pair in points.values() for name in pair}
    attributes = [name for name in rest if name not in used]
    private = [name for name in attributes if IDENTIFIERS.fullmatch(name.lower().replace(" ", "_"))]
    faults = [f"column {name!r} may identify patients; leave it out (--ignore-column)" for name in private]
    return Table(path, headings, points, attributes, decimal_comma, faults=faults)


def _looks_long(header: list[str]) -> bool:
    return {name for names in LONG_HEADINGS.values() for name in names} <= {name.lower() for name in header}


def _point_columns(header: list[str], faults: list[str]) -> dict[str, tuple[str, str]]:
    """Landmark -> its two headings, in the order of the file; a lone `_x` or `_y` is a fault."""
    halves: dict[str, dict[str, str]] = {}
    for name in header:
        stem, _, axis = name.rpartition("_")
        if stem and axis.lower() in ("x", "y"):
            halves.setdefault(stem, {})[axis.lower()] = name
    # A single odd column beside no pair at all is an attribute, not a landmark.
    complete = Counter(len(half) for half in halves.values())[2]
    if complete:
        for half in halves.values():
            faults += [f"column {only!r} has no partner for its other axis" for only in half.values() if len(half) < 2]
    return {stem: (half["x"], half["y"]) for stem, half in halves.items() if len(half) == 2}
