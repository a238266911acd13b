"""3D Slicer markups: a .mrk.json file an image, named after it; control points in millimetres.

Source: the tool's schema, markups-schema-v1.0.3.json. The file does not name its image, so that its own name must.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai_landmarks.data.annotations.documents import Malformed
from monai_landmarks.data.annotations.itk_grid import Grid, itk_grid
from monai_landmarks.data.annotations.json_documents import Node
from monai_landmarks.data.annotations.locating import locate
from monai_landmarks.data.annotations.marks import XY, Format, Marks, Picture, Reading, Source, Writing
from monai_landmarks.errors import ConfigError, ReadError

ENDING = ".mrk.json"
SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
SIGNS = {"LPS": 1.0, "RAS": -1.0}
MILLIMETRES = {"mm": 1.0, "um": 1e-3}
DEFINED, MISSING, UNSET = "defined", "missing", ("undefined", "preview")
FACING = [-1.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, 0.0, 1.0]


def recognise(content: Any) -> bool:
    """A list of markups."""
    return isinstance(content, Node) and isinstance(content.value, dict) and "markups" in content.value


def read(source: Source, reading: Reading) -> list[Marks]:
    """The point lists of a file, as pixels of the image the file is named after."""
    try:
        marks = Marks(locate(source.stem.removesuffix(".mrk"), source.path, reading), pixels=True)
        grid = itk_grid(reading.images.folder / marks.image)
    except Malformed as error:
        raise Malformed(f"{error}; name the markups after their image: 0001.mrk.json for 0001.dcm") from None
    except ReadError as error:
        raise Malformed(str(error)) from None
    for markup in source.content["markups"].members():
        kind = markup["type"].text()
        if kind != "Fiducial":
            reading.findings.count(f"{{n}} markup(s) of the type {kind!r} are no point lists and are left out")
            continue
        scale, unit = _frame(markup)
        for point in markup["controlPoints"].members():
            with reading.findings.at():
                _read_point(point, scale, unit, grid, marks, reading)
    return [marks]


def _frame(markup: Node) -> tuple[float, float]:
    """Sign of the first two axes against LPS, and millimetres of a unit."""
    system = markup.get("coordinateSystem")
    name = system.text() if system else "LPS"
    if name not in SIGNS:
        raise Malformed(f"key {markup.path}.coordinateSystem: must be LPS or RAS, is {name!r}")
    units = markup.get("coordinateUnits")
    unit = "mm" if units is None else (units[0] if isinstance(units.value, list) else units).text()
    if unit not in MILLIMETRES:
        raise Malformed(f"key {markup.path}.coordinateUnits: must be mm, is {unit!r}")
    return SIGNS[name], MILLIMETRES[unit]


def _read_point(point: Node, sign: float, unit: float, grid: Grid, marks: Marks, reading: Reading) -> None:
    label = point["label"].text()
    reading.declare([label])
    status = point.get("positionStatus")
    state = status.text() if status else DEFINED
    if state in UNSET:
        return
    if state == MISSING:
        marks.place(label, None)
        return
    if state != DEFINED:
        raise Malformed(f"key {point.path}.positionStatus: {state!r} is unknown")
    numbers = point["position"].members()
    if len(numbers) != 3:
        raise Malformed(f"key {point.path}.position: must hold three numbers, holds {len(numbers)}")
    x, y, z = (number.number() * unit for number in numbers)
    marks.place(label, grid.to_pixels((sign * x, sign * y, z)))


def write(writing: Writing) -> list[Path]:
    """A file an image with every landmark of the scheme, those without a point too, so that it can be placed."""
    missing = [picture.name for picture in writing.pictures if not picture.path.is_file()]
    if missing:
        raise ConfigError(
            f"3D Slicer's points are in millimetres of the image file, and {missing[0]} is not there; "
            "name the folder of the images (--images)"
        )
    grids = _grids(writing.pictures)
    return [_write(picture, grid, writing) for picture, grid in zip(writing.pictures, grids)]


def _grids(pictures: Sequence[Picture]) -> list[Grid]:
    """Of all images, before anything is written.

    Raises:
        ReadError: naming every image whose place cannot be told.
    """
    grids, faults = [], []
    for picture in pictures:
        try:
            grids.append(itk_grid(picture.path))
        except ReadError as error:
            faults.append(str(error))
    if faults:
        raise ReadError("\n".join(faults))
    return grids


def _write(picture: Picture, grid: Grid, writing: Writing) -> Path:
    points = picture.annotation.points
    names = writing.dataset.names
    markup = {
        "type": "Fiducial",
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "locked": False,
        "fixedNumberOfControlPoints": False,
        "labelFormat": "%N-%d",
        "lastUsedControlPointNumber": len(names),
        "controlPoints": [
            control_point(number, name, points.get(name), name in picture.annotation.absent, grid)
            for number, name in enumerate(names, start=1)
        ],
    }
    path = writing.file(f"{picture.stem}{ENDING}")
    path.write_text(json.dumps({"@schema": SCHEMA, "markups": [markup]}, indent=1) + "\n", encoding="utf-8")
    return path


def control_point(number: int, name: str, xy: XY | None, absent: bool, grid: Grid) -> dict[str, Any]:
    """A control point as Slicer writes it; without a position it is missing (absent) or undefined (unlabelled)."""
    status = DEFINED if xy else MISSING if absent else UNSET[0]
    return {
        "id": str(number),
        "label": name,
        "description": "",
        "associatedNodeID": "",
        "position": [round(value, 6) for value in grid.to_lps(*xy)] if xy else "",
        "orientation": FACING,
        "selected": True,
        "locked": False,
        "visibility": True,
        "positionStatus": status,
    }


FORMAT = Format(
    name="slicer",
    tool="3D Slicer, markups",
    suffixes=(".json",),
    origin=None,
    recognise=recognise,
    read=read,
    write=write,
    holds=frozenset({"absent"}),
    opens_dicom=True,
)
