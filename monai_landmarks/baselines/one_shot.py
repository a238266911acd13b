"""Floors of a one-shot detector: the template's points copied, and the mean shape of annotations it never had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from monai_landmarks.baselines.shapes import MeanShape
from monai_landmarks.data.dataset import Case, LandmarkDataset
from monai_landmarks.data.image_size import image_size
from monai_landmarks.errors import ConfigError
from monai_landmarks.metrics import Results

COPIED, MEAN_SHAPE = "template copied", "mean shape"


def one_shot_floors(
    results: Results, dataset: LandmarkDataset, template: str, reader: str = "mean"
) -> dict[str, Results]:
    """What a detector must beat, on the images of its own evaluation: the same truth, other predictions.

    Places are shares of an image's rows and columns, as in a network's input whose aspect ratio is not kept.

    Args:
        results: of the detector.
        dataset: holds the template, the evaluated cases and, for the mean shape, a training split with all its
            annotations.
        template: case id of the template.
        reader: whose points.

    Returns:
        By name, "template copied" and, where another training case than the template has points, "mean shape".
        Confidence and presence are 1; both are 0 and the point NaN where the floor does not know the landmark.

    Raises:
        ConfigError: the data set lacks the template or an evaluated case; the template has no point; an image's size is
            not known.
    """
    cases = {case.id: case for case in dataset.cases}
    if missing := [name for name in (template, *results.case_ids) if name not in cases]:
        raise ConfigError(f"the data set has no case {', '.join(missing)}; give the one the detector was evaluated on")
    copied = _shares(dataset, [cases[template]], reader)
    if not np.isfinite(copied).any():
        raise ConfigError(f"template {template}: reader {reader} has placed no point in it; choose an annotated case")
    shapes = {COPIED: MeanShape.fit(copied).mean}
    training = _shares(dataset, dataset.select("training"), reader)
    if np.isfinite(training).all(-1).any(-1).sum() > 1:
        shapes[MEAN_SHAPE] = MeanShape.fit(training).mean
    sizes = np.array([_size(dataset, cases[name]) for name in results.case_ids], dtype=np.float64)
    return {name: _placed(results, shape * sizes[:, None] - 0.5) for name, shape in shapes.items()}


def _shares(dataset: LandmarkDataset, cases: Sequence[Case], reader: str) -> np.ndarray:
    """Points (N, K, 2) as shares of the images' rows and columns, of the cases that have any."""
    known = [(case, case.points(dataset.scheme, reader)[0]) for case in cases]
    shares = [(points + 0.5) / _size(dataset, case) for case, points in known if np.isfinite(points).any()]
    return np.reshape(shares, (-1, len(dataset.names), 2))


def _size(dataset: LandmarkDataset, case: Case) -> tuple[int, int]:
    """Rows and columns, from the data set file, else from the image."""
    size = case.size or image_size(dataset.root / case.image, case.frame)
    if size is None:
        raise ConfigError(f"case {case.id}: its image's size is not known; write it into the data set file as size")
    return size


def _placed(results: Results, points: np.ndarray) -> Results:
    found = np.isfinite(points).all(axis=-1).astype(np.float64)
    return replace(results, predicted=points, confidence=found, presence=found)
