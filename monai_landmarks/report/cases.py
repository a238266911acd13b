"""Best, median and worst images, predictions red and truth blue, as in figure 1 of arXiv 2309.16066."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.draw import overlay
from monai_landmarks.errors import LandmarksError
from monai_landmarks.metrics import Results
from monai_landmarks.metrics.points import image_means
from monai_landmarks.report.pictures import claimed_points, jpeg_uri, read_pixels

PER_KIND = 3
LONGER_SIDE = 720
NAMED = 3
# Read at half the size, three images beside each other.
FONT = 20


@dataclass(frozen=True)
class CaseFigure:
    """One image for the template; `picture` is None where the image cannot be shown, and `fault` says why.

    `furthest` holds the landmarks that are furthest off with their errors, the worst first.
    """

    case_id: str
    mean: float
    furthest: list[tuple[str, float]]
    picture: str | None
    fault: str


def choose(errors: np.ndarray, per_kind: int = PER_KIND) -> dict[str, list[int]]:
    """Numbers of the best, median and worst images by mean error; no image twice, none without a point."""
    means = image_means(errors)
    order = [int(i) for i in np.argsort(means, kind="stable") if not np.isnan(means[i])]
    count = max(1, min(per_kind, len(order) // 3))
    middle = (len(order) - count + 1) // 2
    best = order[:count]
    worst = [i for i in order[-count:] if i not in best]
    median = [i for i in order[middle : middle + count] if i not in best and i not in worst]
    return {"Best": best, "Median": median, "Worst": worst[::-1]}


def case_figures(
    results: Results, dataset: LandmarkDataset, errors: np.ndarray, named_from: float, unit: str
) -> dict[str, list[CaseFigure]]:
    """The chosen images, drawn. An image that cannot be read is named and does not stop the report.

    Args:
        results: of the evaluation.
        dataset: where the images are.
        errors: (N, K) in the report's unit.
        named_from: a point as far off as this is named in the picture, up to three of them.
        unit: of the errors.
    """
    chosen = choose(errors)
    return {
        kind: [_figure(results, i, errors[i], dataset, named_from, unit) for i in rows]
        for kind, rows in chosen.items()
        if rows
    }


def _figure(
    results: Results, i: int, errors: np.ndarray, dataset: LandmarkDataset, named_from: float, unit: str
) -> CaseFigure:
    case_id = results.case_ids[i]
    known = np.where(np.isnan(errors), -1.0, errors)
    furthest = [int(k) for k in np.argsort(-known, kind="stable")[:NAMED] if known[k] >= 0]
    names = [""] * len(results.names)
    for k in furthest:
        if named_from <= errors[k] < np.inf:
            names[k] = f"{results.names[k]} {errors[k]:.1f} {unit}"
    try:
        pixels, fault = read_pixels(dataset, case_id), ""
        found = claimed_points(results, i)
        picture = jpeg_uri(overlay(pixels, results.truth[i], found, names, LONGER_SIDE, join=True, font=FONT))
    except LandmarksError as error:
        picture, fault = None, str(error)
    mean = float(image_means(errors[None])[0])
    return CaseFigure(case_id, mean, [(results.names[k], float(errors[k])) for k in furthest], picture, fault)
