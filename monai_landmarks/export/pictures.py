"""The radiograph with its points, as it goes into overlays and secondary captures."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from monai_landmarks.data.reader import read_radiograph
from monai_landmarks.draw import overlay
from monai_landmarks.draw_labels import FONT_SHARE
from monai_landmarks.export.predictions import PredictedImage


def picture_of(image: PredictedImage) -> Image.Image:
    """RGB, as large as the radiograph, with the points that are believed present and their names.

    Raises:
        ReadError: the file cannot be read any more.
    """
    pixels = read_radiograph(image.file, frame=image.frame).pixels
    return overlay(pixels, predicted=image.coordinates(), names=[point.name for point in image.points])


def write_lines(picture: Image.Image, lines: Sequence[str]) -> None:
    """Write lines into the upper left corner of a picture, white with a dark outline."""
    size = max(9.0, FONT_SHARE * max(picture.size))
    edge = max(1, round(size / 12))
    ImageDraw.Draw(picture).multiline_text(
        (size / 2, size / 2),
        "\n".join(lines),
        fill=(255, 255, 255),
        font=ImageFont.load_default(size=size),
        stroke_width=edge,
        stroke_fill=(0, 0, 0),
    )
