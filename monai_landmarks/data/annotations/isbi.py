"""Text as of the ISBI 2015 cephalometric challenge: a file an image, a line `x,y` a landmark, then class lines.

Source: Wang et al., "Evaluation and comparison of anatomical landmark detection methods for cephalometric X-ray
images", IEEE TMI 34 (2015), and the files of the challenge.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai_landmarks.data.annotations.documents import Malformed, parse_number
from monai_landmarks.data.annotations.marks import Format, Marks, Reading, Source, Writing
from monai_landmarks.data.tables import Origin

# Whole numbers, taken as indices of pixels.
ORIGIN: Origin = "centre"
# The challenge's landmarks 1 to 19.
NAMES = (
    "sella",
    "nasion",
    "orbitale",
    "porion",
    "subspinale_A",
    "supramentale_B",
    "pogonion",
    "menton",
    "gnathion",
    "gonion",
    "lower_incisor",
    "upper_incisor",
    "upper_lip",
    "lower_lip",
    "subnasale",
    "soft_tissue_pogonion",
    "PNS",
    "ANS",
    "articulare",
)


def recognise(content: Any) -> bool:
    """A first line of two numbers with a comma between them."""
    if not isinstance(content, str):
        return False
    parts = content.lstrip().partition("\n")[0].split(",")
    try:
        return len([float(part) for part in parts]) == 2
    except ValueError:
        return False


def read(source: Source, reading: Reading) -> list[Marks]:
    """The points of a file; the lines of one number behind them are classes, which are counted and left out."""
    names = reading.names or NAMES
    lines = [(n, line.strip()) for n, line in enumerate(source.content.splitlines(), start=1) if line.strip()]
    pairs = [(n, line) for n, line in lines if "," in line]
    if len(pairs) != len(names):
        remedy = "" if reading.names else "; name them in order with --landmarks"
        raise Malformed(f"has {len(pairs)} lines x,y for {len(names)} landmarks{remedy}")
    if [n for n, _ in pairs] != [n for n, _ in lines[: len(pairs)]]:
        raise Malformed(f"line {next(n for n, line in lines if ',' not in line)}: must be x,y; classes come last")
    reading.assign(names)
    marks = Marks(source.stem)
    for name, (n, line) in zip(names, pairs):
        with reading.findings.at(f"line {n}"):
            numbers = [parse_number(part, name) for part in line.split(",")]
            if len(numbers) != 2:
                raise Malformed(f"{name}: {line!r} must be two numbers x,y")
            marks.place(name, (numbers[0], numbers[1]))
    for _ in lines[len(pairs) :]:
        reading.findings.count("{n} line(s) behind the points are classes, no points, and are left out")
    return [marks]


def write(writing: Writing) -> list[Path]:
    """A file an image whose landmarks all have a point; the order is the scheme's, and there are no class lines."""
    paths = []
    for picture in writing.pictures:
        points = picture.xy(writing.offset)
        path = writing.file(f"{picture.stem}.txt")
        lines = [f"{points[name][0]},{points[name][1]}" for name in writing.dataset.names]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        paths.append(path)
    return paths


FORMAT = Format(
    name="isbi",
    tool="ISBI 2015 challenge",
    suffixes=(".txt",),
    origin=ORIGIN,
    recognise=recognise,
    read=read,
    write=write,
    every_point=True,
    opens_dicom=True,
)
