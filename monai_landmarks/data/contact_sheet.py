"""A contact sheet: many cases on one picture, their points on them."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from monai_landmarks.data.dataset import Case, LandmarkDataset
from monai_landmarks.data.reader import read_radiograph
from monai_landmarks.draw import overlay
from monai_landmarks.errors import ReadError

GAP = 6
CAPTION = 18
GROUND = (24, 24, 24)
TEXT = (230, 230, 230)
WARNING = (255, 170, 40)


def contact_sheet(
    dataset: LandmarkDataset,
    *,
    first: Collection[str] = (),
    limit: int = 24,
    columns: int = 6,
    size: int = 300,
) -> Image.Image:
    """A picture with `limit` cases at most: those of `first`, marked, then others spread over the file.

    Args:
        dataset: cases are drawn with the mean of their readers.
        first: ids of cases to show before all others, such as those `check` warns of.
        limit: number of pictures.
        columns: pictures a row.
        size: longer side of a picture in pixels.
    """
    cases = choose_cases(dataset.cases, first, limit)
    columns = min(columns, len(cases))
    height = size + CAPTION
    rows = math.ceil(len(cases) / columns)
    sheet = Image.new("RGB", (columns * (size + GAP) + GAP, rows * (height + GAP) + GAP), GROUND)
    for number, case in enumerate(cases):
        row, column = divmod(number, columns)
        tile = _tile(dataset, case, size, marked=case.id in first)
        sheet.paste(tile, (GAP + column * (size + GAP), GAP + row * (height + GAP)))
    return sheet


def choose_cases(cases: Sequence[Case], first: Collection[str], limit: int) -> list[Case]:
    """The cases named in `first` (in the file's order), then evenly spaced others, `limit` in all."""
    chosen = [case for case in cases if case.id in first][:limit]
    others = [case for case in cases if case.id not in first]
    room = min(limit - len(chosen), len(others))
    return chosen + [others[i * len(others) // room] for i in range(room)]


def save_contact_sheet(sheet: Image.Image, path: str | Path) -> None:
    """Write the picture, its folder too if needed; the suffix says the format."""
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(target)


def _tile(dataset: LandmarkDataset, case: Case, size: int, *, marked: bool) -> Image.Image:
    tile = Image.new("RGB", (size, size + CAPTION), (0, 0, 0))
    pen = ImageDraw.Draw(tile)
    font = ImageFont.load_default(size=12)
    try:
        picture = _picture(dataset, case, size)
        tile.paste(picture, ((size - picture.width) // 2, (size - picture.height) // 2))
    except ReadError:
        pen.text((size / 2, size / 2), "cannot be read", fill=WARNING, font=font, anchor="mm")
    caption = _shortened(f"{case.id}  {case.split or ''}", size - 8, font)
    pen.rectangle((0, size, size, size + CAPTION), fill=GROUND)
    pen.text((4, size + CAPTION / 2), caption, fill=WARNING if marked else TEXT, font=font, anchor="lm")
    if marked:
        pen.rectangle((0, 0, size - 1, size - 1), outline=WARNING, width=2)
    return tile


def _picture(dataset: LandmarkDataset, case: Case, size: int) -> Image.Image:
    radiograph = read_radiograph(dataset.root / case.image, frame=case.frame, polarity=case.polarity)
    points, _ = case.points(dataset.scheme)
    return overlay(np.asarray(radiograph.pixels), truth=points, size=size)


def _shortened(text: str, width: float, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text's end replaced by dots where it is too long."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
