"""Points on radiographs: anti-aliased, outlined discs whose size follows the picture."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from monai_landmarks.draw_labels import write_labels

Colour = tuple[int, int, int]
TRUTH: Colour = (40, 120, 255)
PREDICTED: Colour = (235, 40, 40)
OUTLINE: Colour = (255, 255, 255)
LINE: Colour = (255, 214, 10)
SHADE: Colour = (0, 0, 0)
# Of the picture's longer side.
RADIUS_SHARE = 0.01
# Of the truth's radius: both are seen where they coincide.
PREDICTED_SHARE = 0.6
LINE_SHARE = 0.5


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
        labels: K texts, written beside their points, never over each other where there is room.
    """
    canvas = np.array(_picture(image), dtype=np.float32)
    height, width = canvas.shape[:2]
    size = marker_radius((height, width)) if radius is None else radius
    ring = max(1.0, 0.3 * size)
    points = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    for point in points[np.isfinite(points).all(axis=1)]:
        _blend(canvas, point, point, size + ring, OUTLINE)
        _blend(canvas, point, point, size, colour)
    picture = Image.fromarray(np.rint(canvas).astype(np.uint8))
    if labels is not None:
        write_labels(picture, points, labels, colour, size + ring)
    return picture


def draw_lines(
    image: np.ndarray | Image.Image, starts: np.ndarray, ends: np.ndarray, colour: Colour, width: float
) -> Image.Image:
    """A copy of the picture with a line from each start to its end.

    Args:
        image: as in `draw_points`.
        starts: (K, 2) as (row, column); lines with NaN at either end are left out.
        ends: likewise.
        colour: red, green, blue.
        width: of a line in pixels, its thin dark rim not counted.
    """
    canvas = np.array(_picture(image), dtype=np.float32)
    for start, end in zip(starts, ends, strict=True):
        if np.isfinite([start, end]).all():
            _blend(canvas, start, end, width / 2 + 1, SHADE)
            _blend(canvas, start, end, width / 2, colour)
    return Image.fromarray(np.rint(canvas).astype(np.uint8))


def overlay(
    pixels: np.ndarray,
    truth: np.ndarray | None = None,
    predicted: np.ndarray | None = None,
    names: Sequence[str] | None = None,
    size: int | None = None,
    *,
    join: bool = False,
    radius: float | None = None,
    font: float | None = None,
) -> Image.Image:
    """A radiograph with the truth in blue and the prediction in red on top of it, a little smaller.

    Args:
        pixels: (H, W) or (1, H, W), as read.
        truth: (K, 2) as (row, column) in these pixels, or None; NaN where there is none.
        predicted: likewise.
        names: K names, written once a landmark: beside the prediction, else beside the truth; "" for none.
        size: the picture's longer side in pixels; that of the radiograph without it.
        join: draw a line from each truth to its prediction.
        radius: of a truth's disc in pixels of the picture; follows its size without it.
        font: height of the names in pixels; likewise.
    """
    picture = Image.fromarray(to_uint8(pixels))
    scale = 1.0
    if size is not None:
        scale = size / max(picture.size)
        shape = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
        picture = picture.resize(shape, Image.Resampling.LANCZOS)
    picture = picture.convert("RGB")
    radius = marker_radius((picture.height, picture.width)) if radius is None else radius
    if join and truth is not None and predicted is not None:
        picture = draw_lines(picture, _scaled(truth, scale), _scaled(predicted, scale), LINE, LINE_SHARE * radius)
    places: np.ndarray | None = None
    for points, colour, disc in ((truth, TRUTH, radius), (predicted, PREDICTED, PREDICTED_SHARE * radius)):
        if points is None:
            continue
        scaled = _scaled(points, scale)
        picture = draw_points(picture, scaled, colour, disc)
        places = scaled if places is None else np.where(np.isfinite(scaled), scaled, places)
    if names is not None and places is not None:
        hidden = None if truth is None else _scaled(truth, scale)
        write_labels(picture, places, names, OUTLINE, 1.3 * radius, font, hidden)
    return picture


def _scaled(points: np.ndarray, scale: float) -> np.ndarray:
    """Points of the resized picture: pixel centres are at integers in both, so corners scale, not centres."""
    return (np.asarray(points, dtype=np.float64).reshape(-1, 2) + 0.5) * scale - 0.5


def _picture(image: np.ndarray | Image.Image) -> Image.Image:
    picture = image if isinstance(image, Image.Image) else Image.fromarray(np.ascontiguousarray(image))
    return picture.convert("RGB")


def _blend(canvas: np.ndarray, start: np.ndarray, end: np.ndarray, radius: float, colour: Colour) -> None:
    """Blend a thick line with round ends, or a disc where both ends are one, into (H, W, 3) in place.

    A pixel's share is what its distance to the rim says.
    """
    size = np.array(canvas.shape[:2])
    low = np.maximum(0, np.floor(np.minimum(start, end) - radius - 1)).astype(int)
    high = np.minimum(size, np.ceil(np.maximum(start, end) + radius + 1).astype(int) + 1)
    if (low >= high).any():
        return
    rows, columns = np.arange(low[0], high[0])[:, None], np.arange(low[1], high[1])[None]
    along = np.asarray(end, dtype=float) - start
    length = float(along @ along)
    place = ((rows - start[0]) * along[0] + (columns - start[1]) * along[1]) / length if length else 0.0
    place = np.clip(place, 0, 1)
    distance = np.hypot(rows - start[0] - place * along[0], columns - start[1] - place * along[1])
    share = np.clip(radius + 0.5 - distance, 0, 1)[..., None].astype(np.float32)
    patch = canvas[low[0] : high[0], low[1] : high[1]]
    patch += share * (np.asarray(colour, dtype=np.float32) - patch)
