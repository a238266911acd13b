"""LabelMe: a JSON file an image, shapes of the type point.

Source: https://github.com/wkentaro/labelme (the tool's own files, version 5).
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from monai_landmarks.data.annotations.documents import Malformed
from monai_landmarks.data.annotations.json_documents import Node
from monai_landmarks.data.annotations.marks import Format, Marks, Picture, Reading, Source, Writing
from monai_landmarks.data.tables import Origin

# A shape's points are positions on the painted image, whose (0, 0) is the upper left corner of the first pixel.
ORIGIN: Origin = "corner"
VERSION = "5.4.1"


def recognise(content: Any) -> bool:
    """Shapes and the path of an image."""
    if not isinstance(content, Node) or not isinstance(content.value, dict):
        return False
    return {"shapes", "imagePath"} <= content.value.keys()


def read(source: Source, reading: Reading) -> list[Marks]:
    """The image of the file; shapes of other types are counted and left out."""
    root: Node = source.content
    height, width = root.get("imageHeight"), root.get("imageWidth")
    size = (height.whole(), width.whole()) if height and width else None
    marks = Marks(root["imagePath"].text(), size=size)
    for shape in root["shapes"].members():
        with reading.findings.at():
            kind = shape["shape_type"].text()
            if kind != "point":
                reading.findings.count(f"{{n}} shape(s) of the type {kind!r} are no points and are left out")
                continue
            points = shape["points"].members()
            if len(points) != 1 or len(points[0].members()) != 2:
                raise Malformed(f"key {shape.path}.points: a point has one pair of numbers [[x, y]]")
            x, y = points[0].members()
            marks.place(shape["label"].text(), (x.number(), y.number()))
    return [marks]


def write(writing: Writing) -> list[Path]:
    """A file an image, in the images' own folders; imagePath leads from there to the image."""
    return [_write(picture, writing) for picture in writing.pictures]


def _write(picture: Picture, writing: Writing) -> Path:
    shapes: list[dict[str, Any]] = [
        {"label": name, "points": [[x, y]], "group_id": None, "description": "", "shape_type": "point", "flags": {}}
        for name, (x, y) in picture.xy(writing.offset).items()
    ]
    path = writing.file(f"{picture.stem}.json")
    image = os.path.relpath(picture.path.resolve(), path.parent.resolve()) if picture.path.is_file() else picture.name
    document: dict[str, Any] = {
        "version": VERSION,
        "flags": {},
        "shapes": shapes,
        "imagePath": Path(image).as_posix(),
        "imageData": None,
        "imageHeight": picture.size[0],
        "imageWidth": picture.size[1],
    }
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return path


FORMAT = Format(
    name="labelme",
    tool="LabelMe",
    suffixes=(".json",),
    origin=ORIGIN,
    recognise=recognise,
    read=read,
    write=write,
)
