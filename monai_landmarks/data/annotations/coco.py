"""COCO keypoints: one JSON file, three numbers a landmark: x, y and v (0 unlabelled, 1 hidden, 2 visible).

Source: https://cocodataset.org/#format-data, and https://detectron2.readthedocs.io/en/latest/tutorials/datasets.html
for the keypoints being pixel indices.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monai_landmarks.data.annotations.documents import Malformed
from monai_landmarks.data.annotations.json_documents import Node
from monai_landmarks.data.annotations.marks import Format, Marks, Picture, Reading, Source, Writing
from monai_landmarks.data.tables import Origin

# Keypoints are indices of pixels, counted from 0, so that a whole number is a pixel's centre. Boxes are not: they
# count from the upper left corner, half a pixel further.
ORIGIN: Origin = "centre"
FILE = "annotations.json"
UNLABELLED, HIDDEN, VISIBLE = 0, 1, 2


def recognise(content: Any) -> bool:
    """Images, annotations and categories."""
    if not isinstance(content, Node) or not isinstance(content.value, dict):
        return False
    return {"images", "annotations", "categories"} <= content.value.keys()


def read(source: Source, reading: Reading) -> list[Marks]:
    """Every image of the file; several annotations of an image may share its landmarks among them."""
    root: Node = source.content
    keypoints = _keypoints(root, reading)
    images: dict[int, Marks] = {}
    for image in root["images"].members():
        with reading.findings.at():
            number = image["id"].whole()
            if number in images:
                raise Malformed(f"key {image.path}.id: the id {number} is used twice")
            height, width = image.get("height"), image.get("width")
            size = (height.whole(), width.whole()) if height and width else None
            images[number] = Marks(image["file_name"].text(), size=size)
    for annotation in root["annotations"].members():
        with reading.findings.at():
            _read_annotation(annotation, images, keypoints, reading)
    return list(images.values())


def _keypoints(root: Node, reading: Reading) -> dict[int, list[str]]:
    """Category -> its landmarks."""
    found = {}
    for category in root["categories"].members():
        names = category.get("keypoints")
        if names is not None:
            found[category["id"].whole()] = [name.text() for name in names.members()]
            reading.declare(found[category["id"].whole()])
    if not found:
        raise Malformed("key categories: no category has keypoints; export the annotations as COCO keypoints")
    return found


def _read_annotation(annotation: Node, images: dict[int, Marks], names: dict[int, list[str]], reading: Reading) -> None:
    category = annotation["category_id"].whole()
    values = annotation.get("keypoints")
    if category not in names or values is None:
        reading.findings.count("{n} annotation(s) have no keypoints and are left out")
        return
    marks = images.get(annotation["image_id"].whole())
    if marks is None:
        raise Malformed(f"key {annotation.path}.image_id: there is no image {annotation['image_id'].value}")
    numbers = values.members()
    if len(numbers) != 3 * len(names[category]):
        wanted = f"{len(names[category])} landmarks need {3 * len(names[category])}"
        raise Malformed(f"key {values.path}: holds {len(numbers)} numbers, {wanted}")
    for k, name in enumerate(names[category]):
        with reading.findings.at():
            x, y, v = numbers[3 * k : 3 * k + 3]
            if v.number() not in (UNLABELLED, HIDDEN, VISIBLE):
                raise Malformed(f"key {v.path}: v of {name!r} must be 0, 1 or 2, is {v.value}")
            if v.value == HIDDEN:
                reading.findings.count("{n} point(s) are labelled but not visible (v = 1) and are taken as present")
            if v.value != UNLABELLED:
                marks.place(name, (x.number(), y.number()))


def write(writing: Writing) -> list[Path]:
    """One file with one category, named after the scheme, and one annotation an image that has points."""
    names = writing.dataset.names
    images = [
        {"id": n, "file_name": p.name, "height": p.size[0], "width": p.size[1]}
        for n, p in enumerate(writing.pictures, start=1)
    ]
    annotations = [
        _annotation(n, picture, names, writing.offset)
        for n, picture in enumerate(writing.pictures, start=1)
        if picture.annotation.points
    ]
    name = writing.dataset.scheme.name
    categories = [{"id": 1, "name": name, "supercategory": name, "keypoints": list(names), "skeleton": []}]
    path = writing.file(FILE)
    document = {"images": images, "annotations": annotations, "categories": categories}
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return [path]


def _annotation(number: int, picture: Picture, names: tuple[str, ...], offset: float) -> dict[str, Any]:
    points = picture.xy(offset)
    keypoints = [v for name in names for v in ((*points[name], VISIBLE) if name in points else (0, 0, UNLABELLED))]
    xs, ys = ([point[axis] - offset + 0.5 for point in points.values()] for axis in (0, 1))
    left, top = min(xs), min(ys)
    width, height = max(xs) - left, max(ys) - top
    return {
        "id": number,
        "image_id": number,
        "category_id": 1,
        "keypoints": keypoints,
        "num_keypoints": len(points),
        "bbox": [round(value, 4) for value in (left, top, width, height)],
        "area": round(width * height, 4),
        "iscrowd": 0,
    }


FORMAT = Format(
    name="coco",
    tool="COCO keypoints (CVAT, Label Studio, COCO Annotator, ...)",
    suffixes=(".json",),
    origin=ORIGIN,
    recognise=recognise,
    read=read,
    write=write,
)
