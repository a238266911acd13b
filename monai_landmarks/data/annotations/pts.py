"""BoneFinder and other active shape model tools: a .pts file an image, `version`, `n_points`, `{`, a line a point, `}`.

The format names neither landmarks nor image nor unit. BoneFinder's files are in pixels of an image without spacing and
in millimetres where the image has one (`Reading.units`). Source: files of the tool (https://bone-finder.com).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom

from monai_landmarks.data.annotations.documents import Malformed, parse_number, parse_whole
from monai_landmarks.data.annotations.locating import locate
from monai_landmarks.data.annotations.marks import XY, Format, Marks, Reading, Source
from monai_landmarks.data.formats import sniff
from monai_landmarks.data.polarity import tag_text
from monai_landmarks.data.quiet import quiet
from monai_landmarks.data.spacing import positive_pair
from monai_landmarks.data.tables import Origin

# The tools are built on VXL, whose images have pixel centres at whole numbers.
ORIGIN: Origin = "centre"
TAGS = ("PixelSpacing", "ImagerPixelSpacing")


def recognise(content: Any) -> bool:
    """The first line."""
    return isinstance(content, str) and content.lstrip().startswith("version:")


def read(source: Source, reading: Reading) -> list[Marks]:
    """The points of a file, named point_01, point_02, ... where no names are given."""
    lines = [(n, line.strip()) for n, line in enumerate(source.content.splitlines(), start=1) if line.strip()]
    wanted = _count(lines)
    texts = [line for _, line in lines]
    if "{" not in texts or "}" not in texts or texts.index("}") < texts.index("{"):
        raise Malformed(f"line {lines[-1][0]}: the points must stand between lines '{{' and '}}'")
    points = lines[texts.index("{") + 1 : texts.index("}")]
    if len(points) != wanted:
        raise Malformed(f"line {lines[texts.index('}')][0]}: n_points is {wanted}, but there are {len(points)} points")
    names = reading.names or tuple(f"point_{k:02d}" for k in range(1, wanted + 1))
    if len(names) != wanted:
        raise Malformed(f"has {wanted} points, but {len(names)} landmarks are named")
    reading.assign(names)
    marks = Marks(source.stem)
    scale = _pixels_per_unit(source, reading)
    for name, (n, line) in zip(names, points):
        with reading.findings.at(f"line {n}"):
            numbers = [parse_number(part, name) for part in line.split()]
            if len(numbers) != 2:
                raise Malformed(f"{name}: {line!r} must be two numbers: x y")
            marks.place(name, (numbers[0] * scale[0], numbers[1] * scale[1]))
    return [marks]


def _count(lines: list[tuple[int, str]]) -> int:
    for n, line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "n_points":
            return parse_whole(value.strip(), f"line {n}: n_points")
    raise Malformed("key n_points is missing")


def _pixels_per_unit(source: Source, reading: Reading) -> XY:
    """Pixels of a unit along x and y."""
    if reading.units == "px":
        reading.findings.count(
            "{n} .pts file(s) are taken to be in pixels; the format does not say, BoneFinder writes millimetres for "
            "images with a spacing: then add --units mm"
        )
        return 1.0, 1.0
    spacing = reading.spacing
    if spacing is None:
        spacing = _stored_spacing(reading.images.folder / locate(source.stem, source.path, reading))
    return 1 / spacing[1], 1 / spacing[0]


def _stored_spacing(path: Path) -> XY:
    """(row, column) spacing as the image file states it, no magnification applied."""
    found = []
    if sniff(path) == "DICOM":
        with quiet:
            header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
        found = list(filter(None, (positive_pair(tag_text(header, tag).split("\\")) for tag in TAGS)))
    if len(set(found)) != 1:
        what = "states no spacing" if not found else "states two spacings that differ"
        raise Malformed(f"{path.name} {what}; give that of the .pts files with --spacing")
    return found[0]


FORMAT = Format(
    name="pts",
    tool="BoneFinder and other active shape model tools",
    suffixes=(".pts",),
    origin=ORIGIN,
    recognise=recognise,
    read=read,
    write=None,
    any_units=True,
)
