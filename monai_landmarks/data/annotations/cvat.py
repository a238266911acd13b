"""CVAT, "CVAT for images 1.1": one XML file; a landmark is a shape of one point, or an element of a skeleton.

Source: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/ and .../xml_format/.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from monai_landmarks.data.annotations.documents import Malformed, parse_number
from monai_landmarks.data.annotations.marks import XY, Format, Marks, Picture, Reading, Source, Writing
from monai_landmarks.data.annotations.xml_documents import Element
from monai_landmarks.data.tables import Origin

# CVAT's canvas puts (0, 0) at the upper left corner of the first pixel and writes hundredths of a pixel.
ORIGIN: Origin = "corner"
FILE = "annotations.xml"


def recognise(content: Any) -> bool:
    """The root element."""
    return isinstance(content, Element) and content.tag == "annotations"


def read(source: Source, reading: Reading) -> list[Marks]:
    """Every image; an element that is `outside` is absent, one that is `occluded` is present."""
    root: Element = source.content
    if not recognise(root):
        raise Malformed(f"line {root.line}: the outermost element is <{root.tag}>, not <annotations>")
    for track in root.all("track"):
        raise Malformed(f"line {track.line}: a video's tracks; export the task as 'CVAT for images 1.1'")
    for label in root.all("label"):
        if label.child_text("type") == "points" and label.child_text("name"):
            reading.declare([label.child_text("name")])
    found = []
    for image in root.all("image"):
        with reading.findings.at():
            size = (image.number("height"), image.number("width"))
            marks = Marks(image.attribute("name"), size=size)
            found.append(marks)
            _read_image(image, marks, reading)
    return found


def _read_image(image: Element, marks: Marks, reading: Reading) -> None:
    for shape in image.children:
        parts = shape.children if shape.tag == "skeleton" else [shape]
        for part in parts:
            if part.tag == "points":
                with reading.findings.at(f"line {part.line}"):
                    _read_points(part, marks, reading)
            elif part.tag != "attribute":
                reading.findings.count(f"{{n}} element(s) <{part.tag}> are no points and are left out")


def _read_points(element: Element, marks: Marks, reading: Reading) -> None:
    label = element.attribute("label")
    if element.attributes.get("outside") == "1":
        reading.findings.count("{n} skeleton point(s) are outside and are taken as absent")
        marks.place(label, None)
        return
    if element.attributes.get("occluded") == "1":
        reading.findings.count("{n} point(s) are occluded and are taken as present")
    marks.place(label, _point(element.attribute("points"), label))


def _point(text: str, label: str) -> XY:
    pairs = text.split(";")
    if len(pairs) > 1:
        raise Malformed(f"the shape {label!r} has {len(pairs)} points; a landmark has one, with a label of its own")
    numbers = [parse_number(number, f"points of {label!r}") for number in pairs[0].split(",")]
    if len(numbers) != 2:
        raise Malformed(f"points of {label!r}: {text!r} must be x,y")
    return numbers[0], numbers[1]


def write(writing: Writing) -> list[Path]:
    """One file. Only a skeleton can say `outside`: it is written where the data set has absent landmarks."""
    skeleton = any(picture.annotation.absent for picture in writing.pictures)
    root = ElementTree.Element("annotations")
    ElementTree.SubElement(root, "version").text = "1.1"
    labels = ElementTree.SubElement(ElementTree.SubElement(ElementTree.SubElement(root, "meta"), "task"), "labels")
    scheme = writing.dataset.scheme
    if skeleton:
        _label(labels, scheme.name, "skeleton")
    for name in scheme.names:
        _label(labels, name, "points", scheme.name if skeleton else "")
    for number, picture in enumerate(writing.pictures):
        _image(root, number, picture, scheme.name if skeleton else "", writing)
    path = writing.file(FILE)
    ElementTree.indent(root)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return [path]


def _label(labels: ElementTree.Element, name: str, kind: str, parent: str = "") -> None:
    label = ElementTree.SubElement(labels, "label")
    for tag, text in (("name", name), ("type", kind), ("attributes", ""), ("parent", parent)):
        if text or tag == "attributes":
            ElementTree.SubElement(label, tag).text = text


def _image(root: ElementTree.Element, number: int, picture: Picture, skeleton: str, writing: Writing) -> None:
    rows, columns = (str(length) for length in picture.size)
    image = ElementTree.SubElement(root, "image", id=str(number), name=picture.name, width=columns, height=rows)
    points: dict[str, XY | None] = {**picture.xy(writing.offset), **dict.fromkeys(picture.annotation.absent)}
    parent = ElementTree.SubElement(image, "skeleton", label=skeleton, z_order="0") if skeleton and points else image
    for name in writing.dataset.names:
        if name in points:
            x, y = points[name] or (writing.offset, writing.offset)
            state = {"outside": str(int(points[name] is None))} if skeleton else {}
            ElementTree.SubElement(
                parent, "points", {"label": name, "occluded": "0", **state, "points": f"{x},{y}", "z_order": "0"}
            )


FORMAT = Format(
    name="cvat",
    tool="CVAT",
    suffixes=(".xml",),
    origin=ORIGIN,
    recognise=recognise,
    read=read,
    write=write,
    holds=frozenset({"absent"}),
)
