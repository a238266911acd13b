"""XML files whose every element knows its line, so that a fault names it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.parsers import expat

from monai_landmarks.data.annotations.documents import Malformed, parse_whole, read_bytes
from monai_landmarks.errors import DatasetError

# Of nested elements; annotation tools write six or so.
DEEPEST = 100


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


def load_xml(path: Path) -> Element:
    """The root element of an XML file.

    A document type is refused, and with it every entity a file could define: no annotation tool writes one.

    Raises:
        DatasetError: no XML (with line and column), or a document type.
    """
    content = read_bytes(path)
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
