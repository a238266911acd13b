"""Names beside points: they cover neither each other nor the points, and have a leader where they stand off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

# Of the picture's longer side.
FONT_SHARE = 0.014
# Where a name may stand: to the right first, then to the left, then around.
DIRECTIONS = np.radians([0, 180, -35, 35, 215, 145, -65, 65, 245, 115, -90, 90])
RINGS = 14
# What a name's place costs, in lines of text that it stands off its point.
COVERS_NAME, COVERS_POINT, LEAVES_PICTURE = 60.0, 8.0, 60.0
SPACE = 0.3
# Another point that is nearer to a name than this many times its own makes it doubtful whose name it is.
RIVAL = 1.3


def place_labels(
    points: np.ndarray, sizes: np.ndarray, picture: tuple[int, int], gap: float, others: np.ndarray | None = None
) -> np.ndarray:
    """Where names stand: greedy, the most crowded point first, each at the cheapest of the places around its point.

    Args:
        points: (N, 2) as (row, column).
        sizes: (N, 2) height and width of each name.
        picture: rows and columns of the picture.
        gap: half a point's size; names stay this far from every point where they can.
        others: (M, 2) points without a name, to keep off as well.

    Returns:
        (N, 2) upper left corners as (row, column).
    """
    corners = np.zeros_like(points)
    if not len(points):
        return corners
    every = points if others is None else np.concatenate([points, others])
    discs = np.concatenate([every - gap, every + gap], axis=1)
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    crowd = (distance < 4 * sizes[:, :1].max()).sum(axis=1)
    taken = np.zeros((0, 4))
    for k in np.argsort(-crowd, kind="stable"):
        places, cost = _candidates(points[k], sizes[k], gap)
        boxes = np.concatenate([places, places + sizes[k]], axis=1)
        line = sizes[k, 0] ** 2
        cost += COVERS_NAME * _common(boxes, taken).sum(axis=1) / line
        cost += COVERS_POINT * (_common(boxes, discs) > 0).sum(axis=1)
        inside = _common(boxes, np.array([[0, 0, *picture]], dtype=float))[:, 0]
        cost += LEAVES_PICTURE * (sizes[k].prod() - inside) / line
        corners[k] = places[int(np.argmin(cost))]
        # A little room around each name, so that two never look like one.
        room = SPACE * sizes[k, 0]
        taken = np.vstack([taken, [*(corners[k] - room), *(corners[k] + sizes[k] + room)]])
    return corners


def _candidates(point: np.ndarray, size: np.ndarray, gap: float) -> tuple[np.ndarray, np.ndarray]:
    """Upper left corners around a point, ring by ring, and how far off they are in lines of text."""
    rings = np.repeat(np.arange(RINGS) * 0.75, len(DIRECTIONS))
    angles = np.tile(DIRECTIONS, RINGS)
    towards = np.stack([np.sin(angles), np.cos(angles)], axis=1)
    reach = 1.5 * gap + rings * size[0]
    # The name's edge that faces the point touches the ring.
    corners = point + reach[:, None] * towards - size * (1 - towards) / 2
    order = np.tile(np.arange(len(DIRECTIONS)), RINGS) / 100
    return corners, rings + order


def _common(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Area that each of the boxes (top, left, bottom, right) has in common with each of the others."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    return np.clip(high - low, 0, None).prod(axis=2)


def write_labels(
    picture: Image.Image,
    points: np.ndarray,
    labels: Sequence[str],
    colour: tuple[int, int, int],
    gap: float,
    height: float | None = None,
    others: np.ndarray | None = None,
) -> None:
    """Write a name beside each point, into the picture itself.

    Args:
        picture: RGB.
        points: (K, 2) as (row, column); where one is not finite, nothing is written.
        labels: K names; an empty one is left out.
        colour: of the text; a dark outline surrounds it.
        gap: half a point's size in pixels.
        height: of the text in pixels; follows the picture's size without it.
        others: (M, 2) more points to keep off.
    """
    size = max(9.0, FONT_SHARE * max(picture.size)) if height is None else height
    font = ImageFont.load_default(size=size)
    pen = ImageDraw.Draw(picture)
    shown = [k for k, label in enumerate(labels) if label and np.isfinite(points[k]).all()]
    places = np.asarray(points, dtype=float)[shown].reshape(-1, 2)
    extents = np.array([[1.25 * size, pen.textlength(labels[k], font=font)] for k in shown]).reshape(-1, 2)
    unnamed = np.concatenate(
        [np.asarray(every, dtype=float).reshape(-1, 2) for every in (points, others) if every is not None]
    )
    unnamed = unnamed[np.isfinite(unnamed).all(axis=1)]
    corners = place_labels(places, extents, (picture.height, picture.width), gap, unnamed)
    edge = max(1, round(size / 12))
    for point, corner, extent in zip(places, corners, extents):
        ends = leader(point, corner, extent, gap, places)
        if ends is not None:
            line = [(column, row) for row, column in ends]
            pen.line(line, fill=(0, 0, 0), width=3 * edge)
            pen.line(line, fill=colour, width=edge)
    for k, corner, extent in zip(shown, corners, extents):
        middle = (corner[1], corner[0] + extent[0] / 2)
        pen.text(middle, labels[k], fill=colour, font=font, anchor="lm", stroke_width=edge, stroke_fill=(0, 0, 0))


def leader(
    point: np.ndarray, corner: np.ndarray, extent: np.ndarray, gap: float, every: np.ndarray
) -> np.ndarray | None:
    """Ends (2, 2) of a line from a point's rim to its name; None where the name plainly belongs to the point.

    Args:
        point: (2,) the point as (row, column).
        corner: (2,) upper left of its name.
        extent: (2,) height and width of the name.
        gap: half a point's size.
        every: (N, 2) all points, this one among them.
    """
    nearest = np.clip(point, corner, corner + extent)
    length = float(np.hypot(*(nearest - point)))
    others = every[np.abs(every - point).max(axis=1) > 1e-6]
    rivals = np.linalg.norm(np.clip(others, corner, corner + extent) - others, axis=1)
    if length <= 1.5 * gap + 1 and not (rivals < RIVAL * length).any():
        return None
    return np.array([point + (nearest - point) * min(1.0, gap / max(length, 1e-9)), nearest])
