"""Small images of a radiograph, or of each limb's region in it, with the points in their pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from monai.transforms import Compose
from torch import Tensor

from monai_landmarks.data.dataset import LandmarkDataset, State
from monai_landmarks.data.limbs import of_both_sides, radiograph_items
from monai_landmarks.data.loading import split_items
from monai_landmarks.errors import ConfigError
from monai_landmarks.scheme import Scheme
from monai_landmarks.sides import limb_scheme, side_channels
from monai_landmarks.transforms.geometry import PadToAspectd, image_affine, move_points
from monai_landmarks.transforms.limb_views import is_swapped, looks_left, region_view
from monai_landmarks.transforms.prepare import ResizeSmoothedd, ScalePercentilesd


@dataclass(frozen=True)
class View:
    """Attributes:
    pixels: (rows, columns).
    points: (K, 2) in these pixels, NaN unless present.
    to_original: 4x4, the view's pixels to the radiograph's.
    channels: of the data set's landmarks that the view's points are.
    """

    pixels: np.ndarray
    points: np.ndarray
    to_original: Tensor
    channels: list[int]


class Viewer(Protocol):
    """Makes the views a baseline works on."""

    def dataset(self, dataset: LandmarkDataset) -> LandmarkDataset:
        """The data set with the landmarks that are evaluated."""

    def items(self, dataset: LandmarkDataset, split: str, reader: str) -> list[dict[str, Any]]:
        """The data list of a split, before loading."""

    def views(self, item: Mapping[str, Any], scheme: Scheme) -> list[View]:
        """The views of a loaded radiograph (`LoadRadiographd`)."""


class WholeViewer:
    """The whole radiograph, padded to a square: one view.

    Args:
        size: rows and columns of the view.
    """

    def __init__(self, size: int = 48) -> None:
        self.transform = Compose(
            [
                ScalePercentilesd("image"),
                PadToAspectd("image", (size, size)),
                ResizeSmoothedd("image", (size, size)),
            ]
        )

    def dataset(self, dataset: LandmarkDataset) -> LandmarkDataset:
        """As it is."""
        return dataset

    def items(self, dataset: LandmarkDataset, split: str, reader: str) -> list[dict[str, Any]]:
        """One a case."""
        return split_items(dataset, split, reader)

    def views(self, item: Mapping[str, Any], scheme: Scheme) -> list[View]:
        """One."""
        image = self.transform({"image": item["image"]})["image"]
        return [_view(image, np.asarray(item["points"])[0], list(range(len(scheme.names))))]


class RegionViewer:
    """The region around each limb's true centre, left ones mirrored: what the second of two stages sees, given a
    perfect first. A limb whose centre is not annotated has none, and its points count as not predicted.

    Args:
        centre: the limb landmark the regions lie around.
        side_mm: of the square region.
        size: rows and columns of the view.
    """

    def __init__(self, centre: str, side_mm: float = 140.0, size: int = 48) -> None:
        self.centre = centre
        self.size = size
        self.spacing_mm = side_mm / size

    def dataset(self, dataset: LandmarkDataset) -> LandmarkDataset:
        """With the landmarks of both sides.

        Raises:
            ConfigError: the centre is none of the limb's landmarks, or a case's side is not known.
        """
        names = limb_scheme(dataset.scheme).names
        if self.centre not in names:
            raise ConfigError(f"the limb has no {self.centre}; its landmarks are {', '.join(names)}")
        return of_both_sides(dataset)

    def items(self, dataset: LandmarkDataset, split: str, reader: str) -> list[dict[str, Any]]:
        """One a case."""
        return radiograph_items(dataset, split, reader)

    def views(self, item: Mapping[str, Any], scheme: Scheme) -> list[View]:
        """Up to two, right before left."""
        found = []
        number = limb_scheme(scheme).names.index(self.centre)
        swapped = is_swapped(item["image"])
        for side, channels in side_channels(scheme).items():
            if item["state"][channels[number]] != State.PRESENT:
                continue
            points = np.asarray(item["points"])[0, channels]
            size = (self.size, self.size)
            mirror = looks_left(side, swapped)
            image = region_view(item["image"], item["spacing"], points[number], size, self.spacing_mm, mirror)
            found.append(_view(image, points, channels))
        return found


def _view(image: Any, points: np.ndarray, channels: list[int]) -> View:
    to_original, to_view = image_affine(image)
    moved = move_points(torch.as_tensor(points, dtype=torch.float64), to_view).numpy()
    return View(np.asarray(image)[0].astype(np.float64), moved, to_original, channels)
