"""JSON and XML files whose every value knows where it stands, so that a fault names its key or line."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

from monai_landmarks.data.faults import repeated
from monai_landmarks.errors import DatasetError

# Of nested XML elements; annotation tools write six or so.
DEEPEST = 100
# Digits of a whole number.
LONGEST_NUMBER = 9


class Malformed(Exception):
    """A value is not what the format says; the text names the key or the line. `Findings.at` collects it."""


@dataclass(frozen=True)
class Node:
    """A value of a JSON file and its path in it, such as `shapes[3].points`."""

    value: Any
    path: str = ""

    def __getitem__(self, key: str | int) -> Node:
        """The member of that name or number.

        Raises:
            Malformed: it is not there.
        """
        found = self.get(key)
        if found is None:
            raise Malformed(f"{self._place()}{key!r} is missing")
        return found

    def get(self, key: str | int) -> Node | None:
        """The member of that name or number; None where it is not there, or null."""
        if isinstance(key, int):
            members = self._of_kind(list, "a list")
            value = members[key] if key < len(members) else None
            return None if value is None else Node(value, f"{self.path}[{key}]")
        value = self._of_kind(dict, "an object").get(key)
        return None if value is None else Node(value, f"{self.path}.{key}".lstrip("."))

    def members(self) -> list[Node]:
        """The members of a list."""
        return [Node(value, f"{self.path}[{n}]") for n, value in enumerate(self._of_kind(list, "a list"))]

    def fields(self) -> dict[str, Node]:
        """The members of an object by name."""
        return {key: Node(value, f"{self.path}[{key!r}]") for key, value in self._of_kind(dict, "an object").items()}

    def number(self) -> float:
        """A finite number."""
        try:
            value = math.nan if isinstance(self.value, bool | str) else float(self.value)
        except (TypeError, OverflowError):
            value = math.nan
        if not math.isfinite(value):
            raise Malformed(f"{self._place()}must be a number, is {_short(self.value)}")
        return value

    def whole(self) -> int:
        """A whole number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise Malformed(f"{self._place()}must be a whole number, is {_short(self.value)}")
        return self.value

    def text(self) -> str:
        """A text that is not empty, without surrounding blanks."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise Malformed(f"{self._place()}must be a text, is {_short(self.value)}")
        return self.value.strip()

    def _of_kind(self, kind: type, name: str) -> Any:
        if not isinstance(self.value, kind):
            raise Malformed(f"{self._place()}must be {name}, is {_short(self.value)}")
        return self.value

    def _place(self) -> str:
        return f"key {self.path}: " if self.path else "file: "


@dataclass
class Element:
    """An element of an XML file and the line it starts in."""

    tag: str
    attributes: dict[str, str]
    line: int
    children: list[Element] = field(default_factory=list)
    text: str = ""

    def attribute(self, name: str) -> str:
        """An attribute that must be there and not empty."""
        value = self.attributes.get(name, "").strip()
        if not value:
            raise Malformed(f"line {self.line}: <{self.tag}> has no attribute {name!r}")
        return value

    def number(self, name: str) -> int:
        """An attribute that is a whole number."""
        return parse_whole(self.attribute(name), f"line {self.line}: {name}")

    def all(self, tag: str) -> Iterator[Element]:
        """Every element of that name below this one, in the file's order."""
        for child in self.children:
            if child.tag == tag:
                yield child
            yield from child.all(tag)

    def child_text(self, tag: str) -> str:
        """The text of the first child of that name; empty where there is none."""
        return next((child.text.strip() for child in self.children if child.tag == tag), "")


def _short(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def read_text(path: Path) -> str:
    """The text of a UTF-8 file.

    Raises:
        DatasetError: it is not there or no text.
    """
    try:
        return _read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DatasetError(path, ["not UTF-8 text; save it as UTF-8"]) from None


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DatasetError(path, ["the file does not exist"]) from None
    except OSError as error:
        raise DatasetError(path, [f"cannot be opened ({error.strerror})"]) from None


def load_json(path: Path) -> Node:
    """The content of a JSON file.

    Raises:
        DatasetError: no JSON (with line and column), or a key that is written twice in one object.
    """
    twice: list[str] = []
    try:
        value = json.loads(read_text(path), object_pairs_hook=lambda pairs: _object(pairs, twice))
    except json.JSONDecodeError as error:
        raise DatasetError(path, [f"line {error.lineno}, column {error.colno}: no JSON: {error.msg}"]) from None
    except (RecursionError, ValueError):
        # A million brackets, or a number of thousands of digits.
        raise DatasetError(
            path, ["no annotation file: its JSON is nested too deeply or holds absurd numbers"]
        ) from None
    if twice:
        raise DatasetError(path, [f"key {key!r} is written twice in one object; keep one" for key in twice])
    return Node(value)


def _object(pairs: list[tuple[str, Any]], twice: list[str]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        twice += repeated(key for key, _ in pairs)
    return content


def load_xml(path: Path) -> Element:
    """The root element of an XML file.

    A document type is refused, and with it every entity a file could define: no annotation tool writes one.

    Raises:
        DatasetError: no XML (with line and column), or a document type.
    """
    content = _read_bytes(path)
    root = Element("", {}, 0)
    open_elements = [root]
    parser = expat.ParserCreate()

    def start(tag: str, attributes: dict[str, str]) -> None:
        element = Element(tag, attributes, parser.CurrentLineNumber)
        if len(open_elements) > DEEPEST:
            raise DatasetError(path, [f"line {element.line}: elements are nested too deeply for an annotation file"])
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def data(text: str) -> None:
        open_elements[-1].text += text

    parser.StartElementHandler = start
    parser.EndElementHandler = lambda tag: open_elements.pop()
    parser.CharacterDataHandler = data
    parser.StartDoctypeDeclHandler = _refuser(path, parser)
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        what = expat.ErrorString(error.code)
        raise DatasetError(path, [f"line {error.lineno}, column {error.offset + 1}: no XML: {what}"]) from None
    except LookupError:
        raise DatasetError(path, ["line 1: no XML: unknown encoding; save it as UTF-8"]) from None
    return root.children[0]


def _refuser(path: Path, parser: expat.XMLParserType) -> Callable[..., None]:
    def refuse(*_: Any) -> None:
        fault = f"line {parser.CurrentLineNumber}: has a document type (<!DOCTYPE>), which is refused; remove it"
        raise DatasetError(path, [fault])

    return refuse


def parse_whole(text: str, where: str) -> int:
    """A whole number from text, without sign.

    Raises:
        Malformed: it is none; the message starts with `where`.
    """
    if not text.isdecimal() or len(text) > LONGEST_NUMBER:
        raise Malformed(f"{where}: {text[:40]!r} is no whole number")
    return int(text)


def parse_number(text: str, where: str) -> float:
    """A finite number from text.

    Raises:
        Malformed: it is none; the message starts with `where`.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Malformed(f"{where}: {text.strip()!r} is no number")
    return value
