"""Turning the rows of a landmark table into cases, every fault noted with its line."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai_landmarks.data.dataset import Annotation, Case
from monai_landmarks.data.image_files import ImageFolder
from monai_landmarks.data.numbers import finite_number
from monai_landmarks.data.pseudonyms import pseudonyms
from monai_landmarks.data.table_file import Row, Table

SIDES = {"l": "L", "left": "L", "r": "R", "right": "R", "both": "both", "b": "both"}
ABSENT = "absent"
# Who placed the points where nobody says.
READER = "reader"


@dataclass
class RowReader:
    """Turns the text of a row into values; raises ValueError with what is wrong."""

    table: Table
    splits: dict[str, str]
    offset: float

    def number(self, text: str) -> float:
        """A finite number."""
        return finite_number(text.replace(",", ".") if self.table.decimal_comma else text)

    def split(self, text: str) -> str:
        """Our name of a split."""
        if text.lower() not in self.splits:
            raise ValueError(f"split {text!r} is unknown; say what it means (--split-names {text}=training)")
        return self.splits[text.lower()]

    def side(self, text: str) -> str:
        """L, R or both."""
        if text.lower() not in SIDES:
            raise ValueError(f"side {text!r} must be L, R or both")
        return SIDES[text.lower()]

    def frame(self, text: str) -> int:
        """A frame number, counted from 1."""
        if not text.isdigit() or int(text) < 1:
            raise ValueError(f"frame {text!r} must be a whole number from 1")
        return int(text)

    def positive(self, text: str) -> float:
        """A number above zero."""
        try:
            value = self.number(text)
        except ValueError:
            value = math.nan
        if not value > 0:
            raise ValueError(f"{text!r} must be a positive number; leave it empty if unknown")
        return value

    def spacing_mm(self, text: str) -> tuple[float, float]:
        """One number, or row and column with a blank or `x` between them."""
        values = [self.positive(part) for part in text.lower().replace("x", " ").split()]
        if len(values) not in (1, 2):
            raise ValueError(f"spacing_mm {text!r} must be one number or two: row column")
        return values[0], values[-1]

    def point(self, x: str, y: str) -> tuple[float, float] | str | None:
        """(x, y) with pixel centres at integers, ABSENT, or None where nothing is known."""
        words = {x.lower(), y.lower()}
        if ABSENT in words and words <= {ABSENT, ""}:
            return ABSENT
        if words == {""}:
            return None
        try:
            return self.number(x) - self.offset, self.number(y) - self.offset
        except ValueError:
            raise ValueError(f"({x!r}, {y!r}) is no point; write two numbers, nothing, or {ABSENT}") from None


@dataclass
class _Draft:
    """A case as far as its rows have been read; every value with the line it comes from."""

    image: str
    frame: int
    values: dict[str, tuple[Any, int]] = field(default_factory=dict)
    annotations: dict[str, Annotation] = field(default_factory=dict)
    lines: dict[tuple[str, str], int] = field(default_factory=dict)


class CaseBuilder:
    """Gathers rows into cases and notes every fault with its line."""

    def __init__(self, table: Table, folder: ImageFolder, rows: RowReader, reader: str | None = None) -> None:
        self.table, self.folder, self.rows, self.reader = table, folder, rows, reader or READER
        self.faults = list(table.faults)
        self.drafts: dict[tuple[str, int], _Draft] = {}
        self.patients = pseudonyms(table)
        self._landmarks: dict[str, None] = dict.fromkeys(table.points)
        self._numeric = {name for name in table.attributes if self._is_numeric(name)}

    @property
    def landmarks(self) -> list[str]:
        """Names in the order of the table."""
        return list(self._landmarks)

    def _is_numeric(self, heading: str) -> bool:
        try:
            return bool([self.rows.number(row.cells[heading]) for row in self.table.rows if row.cells[heading]])
        except ValueError:
            return False

    def add(self, row: Row) -> None:
        """Take one row in."""
        name = self.table.cell(row, "image")
        try:
            if not name:
                raise ValueError("the image is not named")
            frame = self.rows.frame(self.table.cell(row, "frame") or "1")
            image = self.folder.find(name)
        except (ValueError, LookupError) as error:
            self.faults.append(f"line {row.line}: {error.args[0]}")
            return
        draft = self.drafts.setdefault((image, frame), _Draft(image, frame))
        self._take_fields(draft, row)
        self._take_points(draft, row)

    def _take_fields(self, draft: _Draft, row: Row) -> None:
        readers = {
            "split": self.rows.split,
            "side": self.rows.side,
            "patient": self.patients.__getitem__,
            "spacing_mm": self.rows.spacing_mm,
            "magnification": self.rows.positive,
        }
        for name, read in readers.items():
            text = self.table.cell(row, name)
            if text:
                self._take(draft, name, read, text, row.line)
        for heading in self.table.attributes:
            text = row.cells[heading]
            if text:
                self._take(draft, f"attribute {heading}", self._attribute(heading), text, row.line)

    def _attribute(self, heading: str) -> Any:
        def read(text: str) -> int | float | str:
            if heading not in self._numeric:
                return text
            value = self.rows.number(text)
            return int(value) if value.is_integer() and text.lstrip("+-").isdigit() else value

        return read

    def _take(self, draft: _Draft, name: str, read: Any, text: str, line: int) -> None:
        try:
            value = read(text)
        except ValueError as error:
            self.faults.append(f"line {line}: {error}")
            return
        first, first_line = draft.values.setdefault(name, (value, line))
        if first != value:
            shown = "" if name == "patient" else f" {text!r}"
            remedy = " or leave the column out (--ignore-column)" if name.startswith("attribute") else ""
            where = f"contradicts line {first_line}, image {draft.image}"
            self.faults.append(f"line {line}: {name}{shown} {where}; make them equal{remedy}")

    def _take_points(self, draft: _Draft, row: Row) -> None:
        reader = self.table.cell(row, "reader") or self.reader
        annotation = draft.annotations.setdefault(reader, Annotation(reader=reader))
        if self.table.is_long:
            landmark = self.table.cell(row, "landmark")
            if not landmark:
                self.faults.append(f"line {row.line}: the landmark is not named")
                return
            self._landmarks.setdefault(landmark)
            texts = {landmark: (self.table.cell(row, "x"), self.table.cell(row, "y"))}
        else:
            texts = {name: (row.cells[x], row.cells[y]) for name, (x, y) in self.table.points.items()}
        key = (reader, next(iter(texts)))
        first = draft.lines.setdefault(key, row.line)
        if first != row.line:
            what = f"{draft.image}, reader {reader}" + (f", {key[1]}" if self.table.is_long else "")
            self.faults.append(f"line {row.line}: {what} is already in line {first}; keep one")
            return
        for name, (x, y) in texts.items():
            self._take_point(annotation, name, x, y, row.line)

    def _take_point(self, annotation: Annotation, name: str, x: str, y: str, line: int) -> None:
        try:
            point = self.rows.point(x, y)
        except ValueError as error:
            self.faults.append(f"line {line}, {name}: {error}")
            return
        if isinstance(point, tuple):
            annotation.points[name] = point
        elif point == ABSENT:
            annotation.absent.append(name)

    def cases(self, spacing: tuple[float, float] | None) -> list[Case]:
        """The cases, in the order of the table; ids are file names, with the folder where names repeat."""
        ids = case_ids(list(self.drafts))
        return [self._case(draft, ids[key], spacing) for key, draft in self.drafts.items()]

    def _case(self, draft: _Draft, case_id: str, spacing: tuple[float, float] | None) -> Case:
        values = {name: value for name, (value, _) in draft.values.items()}
        prefix = "attribute "
        attributes = {n.removeprefix(prefix): v for n, v in values.items() if n.startswith(prefix)}
        fields = {n: v for n, v in values.items() if not n.startswith(prefix)}
        fields.setdefault("spacing_mm", spacing)
        known = [a for a in draft.annotations.values() if a.points or a.absent]
        return Case(
            id=case_id,
            image=draft.image,
            frame=draft.frame,
            attributes=attributes,
            annotations=known,
            **fields,
        )


def case_ids(keys: Sequence[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """The shortest names that tell images apart: stem, file name, path; with the frame if one has several."""
    images = list(dict.fromkeys(image for image, _ in keys))
    for shorten in (
        lambda p: p.stem,
        lambda p: p.name,
        lambda p: p.with_suffix("").as_posix(),
        lambda p: str(p),
    ):
        names = {image: shorten(Path(image)) for image in images}
        if len(set(names.values())) == len(images):
            break
    several = len(keys) > len(images)
    return {(image, frame): names[image] + (f"_frame{frame}" if several else "") for image, frame in keys}
