"""VGG Image Annotator 2, JSON: a project (`_via_img_metadata`) or the annotations alone.

Source: https://www.robots.ox.ac.uk/~vgg/software/via/docs/ (VIA 2.0).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from monai_landmarks.data.annotations.json_documents import Node
from monai_landmarks.data.annotations.marks import Format, Marks, Picture, Reading, Source, Writing
from monai_landmarks.data.annotations.via_regions import ATTRIBUTE, LABELS, ORIGIN, place_region

PROJECT = "_via_img_metadata"
FILE = "via_project.json"


def recognise(content: Any) -> bool:
    """A project, or an object of images with regions."""
    if not isinstance(content, Node) or not isinstance(content.value, dict):
        return False
    if PROJECT in content.value:
        return True
    images = list(content.value.values())
    return bool(images) and all(isinstance(image, dict) and {"filename", "regions"} <= image.keys() for image in images)


def read(source: Source, reading: Reading) -> list[Marks]:
    """The images of a project; landmarks in the order of the attribute's options."""
    root: Node = source.content
    found = []
    project = root.get(PROJECT)
    if project is not None:
        _declare(root, reading)
        root = project
    for image in root.fields().values():
        with reading.findings.at():
            marks = Marks(image["filename"].text())
            found.append(marks)
            regions = image["regions"]
            # VIA 1 wrote an object where VIA 2 writes a list.
            for region in regions.fields().values() if isinstance(regions.value, dict) else regions.members():
                with reading.findings.at():
                    place_region(marks, region["shape_attributes"], region["region_attributes"], reading.findings)
    return found


def _declare(root: Node, reading: Reading) -> None:
    attributes = root.get("_via_attributes")
    regions = attributes.get("region") if attributes else None
    fields = regions.fields() if regions else {}
    for name, attribute in fields.items():
        options = attribute.get("options")
        # A text attribute's options are a text.
        if options and isinstance(options.value, dict) and (len(fields) == 1 or name.lower() in LABELS):
            reading.declare([option.strip() for option in options.value if option.strip()])


def write(writing: Writing) -> list[Path]:
    """One project file; VIA asks for the images (Project > Add local files) when it opens it."""
    images = {f"{picture.name}{file_size(picture)}": _image(picture, writing.offset) for picture in writing.pictures}
    options = dict.fromkeys(writing.dataset.names, "")
    attribute = {"type": "dropdown", "description": "", "options": options, "default_options": {}}
    project = {
        "_via_settings": {"core": {"default_filepath": ""}, "project": {"name": writing.dataset.scheme.name}},
        PROJECT: images,
        "_via_attributes": {"region": {ATTRIBUTE: attribute}, "file": {}},
        "_via_data_format_version": "2.0.10",
        "_via_image_id_list": list(images),
    }
    path = writing.file(FILE)
    path.write_text(json.dumps(project, indent=1) + "\n", encoding="utf-8")
    return [path]


def file_size(picture: Picture) -> int:
    """Bytes, by which VIA tells files of one name apart; -1 where the file is not there."""
    return picture.path.stat().st_size if picture.path.is_file() else -1


def _image(picture: Picture, offset: float) -> dict[str, Any]:
    regions = [
        {"shape_attributes": {"name": "point", "cx": x, "cy": y}, "region_attributes": {ATTRIBUTE: name}}
        for name, (x, y) in picture.xy(offset).items()
    ]
    return {"filename": picture.name, "size": file_size(picture), "regions": regions, "file_attributes": {}}


FORMAT = Format(
    name="via",
    tool="VGG Image Annotator 2",
    suffixes=(".json",),
    origin=ORIGIN,
    recognise=recognise,
    read=read,
    write=write,
)
