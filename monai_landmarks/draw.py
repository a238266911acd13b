"""Points on radiographs: anti-aliased, outlined discs whose size follows the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
TRUTH: Colour = (40, 120, 255)
PREDICTED: Colour = (235, 40, 40)
OUTLINE: Colour = (255, 255, 255)
# Shares of the picture's longer side.
RADIUS_SHARE = 0.01
FONT_SHARE = 0.014
# Of the truth's radius: both are seen where they coincide.
PREDICTED_SHARE = 0.6


def to_uint8(pixels: np.ndarray, low: float = 1.0, high: float = 99.0) -> np.ndarray:
    """Grey values for display: the percentiles `low` and `high` become 0 and 255, the rest is clipped.

    Args:
        pixels: (H, W) or (1, H, W), any number type; pixels that are not finite become 0.
        low: lower percentile.
        high: upper percentile.

    Returns:
        (H, W) uint8; all 0 for a flat image.
    """
    image = np.asarray(pixels, dtype=np.float32)
    image = image[0] if image.ndim == 3 else image
    finite = np.isfinite(image)
    if not finite.any():
        return np.zeros(image.shape, dtype=np.uint8)
    bottom, top = np.percentile(image[finite], [low, high])
    if top <= bottom:  # nearly all pixels are equal: keep what little there is
        bottom, top = image[finite].min(), image[finite].max()
    scaled = (np.where(finite, image, bottom) - bottom) / max(float(top - bottom), 1e-12)
    return np.rint(np.clip(scaled, 0, 1) * 255).astype(np.uint8)


def marker_radius(shape: tuple[int, int]) -> float:
    """A disc's radius in pixels that can be seen on a picture of `shape` (rows, columns) and hides little."""
    return max(2.5, RADIUS_SHARE * max(shape))


def draw_points(
    image: np.ndarray | Image.Image,
    points: np.ndarray,
    colour: Colour,
    radius: float | None = None,
    labels: Sequence[str] | None = None,
) -> Image.Image:
    """A copy of the picture with a disc on every point, exact to a fraction of a pixel.

    Args:
        image: (H, W) or (H, W, 3) uint8, or a picture.
        points: (K, 2) as (row, column), pixel centres at integers; rows with NaN are left out.
        colour: red, green, blue of the disc; a thin white ring surrounds it.
        radius: in pixels, ring not counted; follows the picture's size without it.
        labels: K texts, written to the right of their points (to the left near the right border).
    """
    canvas = np.array(_picture(image), dtype=np.float32)
    height, width = canvas.shape[:2]
    size = marker_radius((height, width)) if radius is None else radius
    ring = max(1.0, 0.3 * size)
    points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    for row, column in points[np.isfinite(points).all(axis=1)]:
        _blend_disc(canvas, row, column, size + ring, OUTLINE)
        _blend_disc(canvas, row, column, size, colour)
    picture = Image.fromarray(np.rint(canvas).astype(np.uint8))
    if labels is not None:
        _write_labels(picture, points, labels, colour, size + ring)
    return picture


def overlay(
    pixels: np.ndarray,
    truth: np.ndarray | None = None,
    predicted: np.ndarray | None = None,
    names: Sequence[str] | None = None,
    size: int | None = None,
) -> Image.Image:
    """A radiograph with the truth in blue and the prediction in red on top of it, a little smaller.

    Args:
        pixels: (H, W) or (1, H, W), as read.
        truth: (K, 2) as (row, column) in these pixels, or None; NaN where there is none.
        predicted: likewise.
        names: K names, written once a landmark: beside the prediction, else beside the truth.
        size: the picture's longer side in pixels; that of the radiograph without it.
    """
    picture = Image.fromarray(to_uint8(pixels))
    scale = 1.0
    if size is not None:
        scale = size / max(picture.size)
        shape = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(shape, Image.Resampling.LANCZOS)
    picture = picture.convert("RGB")
    radius = marker_radius((picture.height, picture.width))
    places: np.ndarray | None = None
    for points, colour, disc in ((truth, TRUTH, radius), (predicted, PREDICTED, PREDICTED_SHARE * radius)):
        if points is None:
            continue
        scaled = _scaled(points, scale)
        picture = draw_points(picture, scaled, colour, disc)
        places = scaled if places is None else np.where(np.isfinite(scaled), scaled, places)
    if names is not None and places is not None:
        _write_labels(picture, places, names, OUTLINE, 1.3 * radius)
    return picture


def _scaled(points: np.ndarray, scale: float) -> np.ndarray:
    """Points of the resized picture: pixel centres are at integers in both, so corners scale, not centres."""
    return (np.asarray(points, dtype=np.float64).reshape(-1, 2) + 0.5) * scale - 0.5


def _picture(image: np.ndarray | Image.Image) -> Image.Image:
    picture = image if isinstance(image, Image.Image) else Image.fromarray(np.ascontiguousarray(image))
    return picture.convert("RGB")


def _blend_disc(canvas: np.ndarray, row: float, column: float, radius: float, colour: Colour) -> None:
    """Blend a disc into (H, W, 3) in place; a pixel's share is what its distance to the rim says."""
    height, width = canvas.shape[:2]
    reach = radius + 1
    top, bottom = max(0, int(np.floor(row - reach))), min(height, int(np.ceil(row + reach)) + 1)
    left, right = max(0, int(np.floor(column - reach))), min(width, int(np.ceil(column + reach)) + 1)
    if top >= bottom or left >= right:
        return
    distance = np.hypot(np.arange(top, bottom)[:, None] - row, np.arange(left, right)[None] - column)
    share = np.clip(radius + 0.5 - distance, 0, 1)[..., None].astype(np.float32)
    patch = canvas[top:bottom, left:right]
    patch += share * (np.asarray(colour, dtype=np.float32) - patch)


def _write_labels(picture: Image.Image, points: np.ndarray, labels: Sequence[str], colour: Colour, gap: float) -> None:
    size = max(9.0, FONT_SHARE * max(picture.size))
    font = ImageFont.load_default(size=size)
    pen = ImageDraw.Draw(picture)
    for (row, column), label in zip(points, labels, strict=True):
        if not np.isfinite((row, column)).all():
            continue
        x = column + 1.5 * gap
        if x + pen.textlength(label, font=font) > picture.width:
            x = column - 1.5 * gap - pen.textlength(label, font=font)
        pen.text(
            (x, row),
            label,
            fill=colour,
            font=font,
            anchor="lm",
            stroke_width=max(1, round(size / 12)),
            stroke_fill=(0, 0, 0),
        )
