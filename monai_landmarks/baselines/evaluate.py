"""Baselines fitted and evaluated on a data set, as a network is: in original pixels and millimetres."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from monai_landmarks.baselines.shapes import MeanShape, ShapeRegression
from monai_landmarks.baselines.views import View, Viewer
from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.errors import ConfigError
from monai_landmarks.metrics import Results, results_from_arrays
from monai_landmarks.transforms.geometry import move_points
from monai_landmarks.transforms.load import LoadRadiographd

MEAN_SHAPE, PCA_SHAPE = "mean shape", "PCA shape"
HELD_OUT = 5


class Model(Protocol):
    """What both baselines can do."""

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Images (N, rows, columns) to points (N, K, 2)."""


@dataclass(frozen=True)
class Baseline:
    """A fitted model and what it gives on the evaluated split."""

    model: Model
    results: Results


@dataclass(frozen=True)
class _Shown:
    """A loaded radiograph: what is known of it, and its views."""

    item: dict[str, Any]
    views: list[View]


def evaluate_baselines(
    dataset: LandmarkDataset, viewer: Viewer, split: str = "test", reader: str = "mean"
) -> dict[str, Baseline]:
    """Mean shape and PCA shape, fitted on the training split and evaluated on another.

    The PCA shape's settings are chosen on the validation split; where that is empty, on every fifth training patient.

    Args:
        dataset: with splits.
        viewer: whole radiographs, or regions of limbs.
        split: to evaluate.
        reader: whose points.

    Returns:
        By name; the results are of `viewer.dataset(dataset)`.

    Raises:
        ConfigError: a split has no cases, or training too few.
    """
    own = viewer.dataset(dataset)
    training = _shown(dataset, viewer, "training", reader)
    if dataset.select("validation"):
        fitted, validation = training, _shown(dataset, viewer, "validation", reader)
    else:
        patients = sorted({str(shown.item["patient"]) for shown in training})[HELD_OUT - 1 :: HELD_OUT]
        fitted = [shown for shown in training if shown.item["patient"] not in patients]
        validation = [shown for shown in training if shown.item["patient"] in patients]
    evaluated = _shown(dataset, viewer, split, reader)
    points = _arrays(training)[1]
    models: Mapping[str, Model] = {
        MEAN_SHAPE: MeanShape.fit(points),
        PCA_SHAPE: ShapeRegression.fit(*_arrays(fitted), *_arrays(validation)),
    }
    presence = np.isfinite(points).all(axis=-1).mean(axis=0)
    return {name: Baseline(m, _results(m, evaluated, own, split, presence)) for name, m in models.items()}


def _shown(dataset: LandmarkDataset, viewer: Viewer, split: str, reader: str) -> list[_Shown]:
    scheme = viewer.dataset(dataset).scheme
    load = LoadRadiographd("image")
    shown = []
    for item in viewer.items(dataset, split, reader):
        unloaded: dict[Hashable, Any] = dict(item.items())
        loaded = {str(key): value for key, value in load(unloaded).items()}
        views = viewer.views(loaded, scheme)
        del loaded["image"]
        shown.append(_Shown(loaded, views))
    return shown


def _arrays(shown: Sequence[_Shown]) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, rows, columns) and points (N, K, 2) of every view.

    Raises:
        ConfigError: there is none.
    """
    views = [view for one in shown for view in one.views]
    if not views:
        raise ConfigError("a baseline needs training and validation images with points; give the data set more cases")
    return np.stack([view.pixels for view in views]), np.stack([view.points for view in views])


def _results(
    model: Model, evaluated: Sequence[_Shown], dataset: LandmarkDataset, split: str, presence: np.ndarray
) -> Results:
    """What `LandmarkErrors` would have collected, named."""
    rows = []
    for shown in evaluated:
        item = shown.item
        predicted = np.full((len(dataset.names), 4), np.nan)
        predicted[:, 2:] = 0.0
        scale = np.full(2, np.nan)
        for view in shown.views:
            points = torch.as_tensor(model.predict(view.pixels[None])[0])
            predicted[view.channels, :2] = move_points(points, view.to_original).numpy()
            predicted[view.channels, 2] = predicted[view.channels, 3] = presence
            scale = np.abs(torch.diagonal(torch.linalg.inv(view.to_original))[:2].numpy())
        truth = np.column_stack([np.asarray(item["points"])[0], np.asarray(item["state"])])
        constants = np.array([*item["spacing"].tolist(), *scale, float(item["index"])])
        rows.append(np.hstack([predicted, truth, np.tile(constants, (len(truth), 1))]))
    planes = [str(shown.item["spacing_plane"]) for shown in evaluated]
    return results_from_arrays(np.stack(rows), dataset, dataset.select(split), planes)
