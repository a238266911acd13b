"""The report's section on errors in the image plane: which ground to draw them on, the figure and its table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.draw import to_uint8
from monai_landmarks.errors import LandmarksError
from monai_landmarks.metrics import Results
from monai_landmarks.metrics.points import image_means
from monai_landmarks.report.pictures import read_pixels
from monai_landmarks.report.plane import PlaneErrors, enlargement, mean_shape, plane_errors
from monai_landmarks.report.plane_figure import Scene, plane_figure

LONGER_SIDE = 1100
TRIED = 3


@dataclass(frozen=True)
class PlaneSection:
    """What the template shows.

    Attributes:
        figure: an address.
        factor: how much the errors are enlarged in it.
        wide: whether it wants the page's whole width.
        ground: what they are drawn on, in words.
        limit: points further off are left out.
        beyond: how many those are.
        rows: a landmark each.
    """

    figure: str
    factor: int
    wide: bool
    ground: str
    limit: float
    beyond: int
    rows: list[PlaneErrors]


def plane_section(
    results: Results, dataset: LandmarkDataset | None, metrics: dict[str, Any], unit: str
) -> PlaneSection | None:
    """Errors in the image plane; None where nothing was measured.

    Args:
        results: of the evaluation.
        dataset: gives the image to draw on; None draws on the mean shape, which shows no patient.
        metrics: what `summarise` made of the results.
        unit: "mm" or "px".
    """
    if not metrics[unit]:
        return None
    limit = float(metrics[unit]["outliers"]["over"])
    rows = plane_errors(results, unit, limit)
    if not any(len(row.vectors) for row in rows):
        return None
    scene, ground = _example(results, dataset, unit) if dataset is not None else (None, "")
    if scene is None:
        scene, ground = Scene(mean_shape(results, unit), np.ones(2)), "the mean of the annotated shapes"
    if not scene.extent > 0:
        return None
    factor = enlargement(rows, scene.extent, scene.gap)
    figure = plane_figure(rows, scene, factor, unit)
    return PlaneSection(figure, factor, scene.wide, ground, limit, sum(row.beyond for row in rows), rows)


def _example(results: Results, dataset: LandmarkDataset, unit: str) -> tuple[Scene | None, str]:
    """An image of middling error among those with the most landmarks; none if the first few cannot be read."""
    errors = results.errors_mm() if unit == "mm" else results.errors_px()
    measured = (~np.isnan(errors)).sum(axis=1)
    candidates = np.flatnonzero((measured == measured.max()) & (measured > 1))
    order = candidates[np.argsort(image_means(errors)[candidates], kind="stable")]
    for i in order[len(order) // 2 :][:TRIED]:
        try:
            pixels = to_uint8(read_pixels(dataset, results.case_ids[i]))
        except LandmarksError:
            continue
        scale = min(1.0, LONGER_SIDE / max(pixels.shape))
        shape = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        small = np.asarray(Image.fromarray(pixels).resize(shape, Image.Resampling.LANCZOS))
        points = (results.truth[i] + 0.5) * scale - 0.5
        per_unit = scale / results.spacing[i] if unit == "mm" else np.full(2, scale)
        return Scene(points, per_unit, small), f"image {results.case_ids[i]}, an image of middling error"
    return None, ""
