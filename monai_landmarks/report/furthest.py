"""The single points that are furthest off, each with its surroundings: where it is wrong, and by how much."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.draw import overlay
from monai_landmarks.errors import LandmarksError
from monai_landmarks.metrics import Results
from monai_landmarks.report.pictures import jpeg_uri, read_pixels

COUNT = 8
SIDE, RADIUS = 420, 8.0
# The window holds this many times the error, and at least this share of the image's longer side.
WINDOW, SMALLEST = 2.2, 0.16
# Nearer to another landmark than this share of the error: probably taken for it.
CONFUSED = 0.3


@dataclass(frozen=True)
class PointFigure:
    """One point for the template.

    Attributes:
        case_id, landmark: which.
        error: in the report's unit.
        direction: where the prediction lies from the annotation, in words.
        lies_on: another landmark whose annotation the prediction is much nearer to than to its own, or "".
        confidence: of the prediction.
        rank: its place among the image's errors, from 1.
        width: of the picture in the report's unit.
        picture: an address.
    """

    case_id: str
    landmark: str
    error: float
    direction: str
    lies_on: str
    confidence: float
    rank: int
    width: float
    picture: str


def furthest_points(
    results: Results, dataset: LandmarkDataset, errors: np.ndarray, unit: str, count: int = COUNT
) -> list[PointFigure]:
    """The points with the largest finite errors, the worst first; those whose image cannot be read are left out.

    Args:
        results: of the evaluation.
        dataset: where the images are.
        errors: (N, K) in the report's unit.
        unit: "mm" or "px".
        count: how many.
    """
    return [figure for _, figure in zip(range(count), _figures(results, dataset, errors, unit))]


def _figures(results: Results, dataset: LandmarkDataset, errors: np.ndarray, unit: str) -> Iterator[PointFigure]:
    order = np.argsort(-np.where(np.isfinite(errors), errors, -1.0), axis=None, kind="stable")
    # Reading goes on a little beyond broken images, not through a whole data set of them.
    for flat in order[: 4 * COUNT]:
        i, k = (int(v) for v in np.unravel_index(flat, errors.shape))
        if not np.isfinite(errors[i, k]):
            return
        try:
            pixels = read_pixels(dataset, results.case_ids[i])
        except LandmarksError:
            continue
        picture, side = _picture(pixels[0], results.truth[i], results.predicted[i], k)
        spacing = float(results.spacing[i, 1]) if unit == "mm" else 1.0
        yield PointFigure(
            results.case_ids[i],
            results.names[k],
            float(errors[i, k]),
            direction(results.predicted[i, k] - results.truth[i, k]),
            _lies_on(results.truth[i], results.predicted[i, k], k, results.names),
            float(results.confidence[i, k]),
            1 + int((errors[i] > errors[i, k]).sum()),
            side * spacing,
            picture,
        )


def _picture(pixels: np.ndarray, truth: np.ndarray, predicted: np.ndarray, k: int) -> tuple[str, int]:
    """A square around the point, black beyond the image, and the length of its side in pixels."""
    middle = (truth[k] + predicted[k]) / 2
    reach = float(np.abs(predicted[k] - truth[k]).max())
    side = round(max(WINDOW * reach, SMALLEST * max(pixels.shape)))
    start = np.rint(middle - side / 2).astype(int)
    low, high = np.clip(start, 0, pixels.shape), np.clip(start + side, 0, pixels.shape)
    # The image's darkest value beyond it, so that the grey levels stay those of the image.
    window = np.full((side, side), pixels.min(), dtype=np.float32)
    inside = tuple(slice(a, b) for a, b in zip(low - start, high - start))
    window[inside] = pixels[low[0] : high[0], low[1] : high[1]]
    only = np.arange(len(truth))[:, None] == k
    annotated, found = (np.where(only, points - start, np.nan) for points in (truth, predicted))
    return jpeg_uri(overlay(window, annotated, found, size=SIDE, join=True, radius=RADIUS)), side


def _lies_on(truth: np.ndarray, predicted: np.ndarray, k: int, names: tuple[str, ...]) -> str:
    distance = np.nan_to_num(np.linalg.norm(truth - predicted, axis=1), nan=np.inf)
    nearest = int(np.argmin(distance))
    return names[nearest] if nearest != k and distance[nearest] < CONFUSED * distance[k] else ""


def direction(offset: np.ndarray) -> str:
    """In words where an offset (row, column) points in the image: "up", "down and to the right", ..."""
    row, column = (float(v) for v in offset)
    parts = []
    if abs(row) > 0.4 * abs(column):
        parts.append("down" if row > 0 else "up")
    if abs(column) > 0.4 * abs(row):
        parts.append("to the right" if column > 0 else "to the left")
    return " and ".join(parts)
