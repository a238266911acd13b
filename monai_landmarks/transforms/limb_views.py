"""Views of one limb in a radiograph: a half of the image, or a region around a point, at a given spacing.

Training (`HalfViewd`, `RegionViewd`) and inference (`monai_landmarks.engines.stages`) call the same two functions, so
the geometry of what a network is shown cannot differ between them.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, get_args

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform
from torch import Tensor

from monai_landmarks.data.dataset import Side
from monai_landmarks.data.spacing import needed_spacing
from monai_landmarks.data.stream import ScopeError
from monai_landmarks.errors import ConfigError, ReadError
from monai_landmarks.sides import LimbSide
from monai_landmarks.transforms.regions import squeeze_points
from monai_landmarks.transforms.spaced_view import spaced_view

# A canvas grows by this many pixels: networks halve their input several times.
STEP = 64


def half_view(
    image: MetaTensor,
    spacing: Sequence[float] | Tensor,
    side: LimbSide,
    alone: bool,
    size: Sequence[int],
    spacing_mm: float,
    swapped: bool = False,
    mirror: bool = False,
) -> MetaTensor:
    """The half of a radiograph that holds one limb, in the middle of the view; the other half is not shown.

    Args:
        image: (1, rows, columns), the original pixels.
        spacing: mm (row, column) of its pixels.
        side: the patient's; the right limb is in the image's left half.
        alone: the image shows this limb only: all of it is the view.
        size: rows and columns of the view.
        spacing_mm: of the view's pixels (to half a pixel of the image in the whole view: its affine is exact).
        swapped: the image's left is the patient's left.
        mirror: the view is mirrored left to right.

    Returns:
        float32 (1, *size) in [0, 1] (percentiles 5 and 99 of what it shows), 0 outside; its affine leads back.

    Raises:
        ReadError: the spacing is unknown, or cannot be meant.
    """
    columns = half_columns(image.shape[-1], side, alone, swapped)
    bounds = ((0, int(image.shape[-2])), columns)
    centre = [(first + stop - 1) / 2 for first, stop in bounds]
    return spaced_view(image, bounds, spacing, centre, size, spacing_mm, mirror)


def region_view(
    image: MetaTensor,
    spacing: Sequence[float] | Tensor,
    centre: Sequence[float] | Tensor,
    size: Sequence[int],
    spacing_mm: float,
    mirror: bool,
) -> MetaTensor:
    """The region around a point (row, column) of the original pixels, which may lie anywhere; else as `half_view`."""
    bounds = ((0, int(image.shape[-2])), (0, int(image.shape[-1])))
    return spaced_view(image, bounds, spacing, [float(place) for place in centre], size, spacing_mm, mirror)


def half_columns(columns: int, side: LimbSide, alone: bool, swapped: bool) -> tuple[int, int]:
    """First column of a limb's half, and the one after its last; of an odd number the middle one belongs to both."""
    if alone:
        return 0, columns
    return (0, (columns + 1) // 2) if (side == "R") != swapped else (columns // 2, columns)


def looks_left(side: LimbSide, swapped: bool) -> bool:
    """Whether a limb looks as left ones do in an image as displayed; its mirror image then looks like a right one."""
    return (side == "L") != swapped


def is_swapped(image: MetaTensor) -> bool:
    """Whether the image's left is the patient's left: PatientOrientation's first value, the way rows run, is right."""
    return str(image.meta.get("orientation", "")).upper().startswith("R")


def canvas_size(
    image_size: Sequence[int],
    spacing: Sequence[float] | Tensor,
    alone: bool,
    size: Sequence[int],
    spacing_mm: float,
) -> tuple[int, int]:
    """A view's rows and columns, grown in steps of 64 until it shows the whole half.

    Raises:
        ReadError: the spacing is unknown, or cannot be meant.
    """
    half = (int(image_size[0]), int(image_size[1]) if alone else (int(image_size[1]) + 1) // 2)
    needed = [pixels * mm / spacing_mm for pixels, mm in zip(half, needed_spacing(spacing, image_size))]
    rows, columns = (s + STEP * max(0, math.ceil((n - s) / STEP - 1e-9)) for s, n in zip(size, needed))
    return int(rows), int(columns)


class HalfViewd(MapTransform):
    """Replace a radiograph by its limb's half (`half_view`); training items of `limb_items`, after LoadRadiographd.

    The view's size is fixed, so that items form batches: of an image larger than that the middle is shown.

    Args:
        keys: the image.
        size: rows and columns of the network's input.
        spacing_mm: of the view's pixels.
        margin: the view has `size` times this many pixels, room for augmentation.
        mirror: limbs on the image's right side are mirrored, so that all look like right ones.
    """

    def __init__(
        self, keys: KeysCollection, size: Sequence[int], spacing_mm: float, margin: float = 1.0, mirror: bool = False
    ) -> None:
        super().__init__(keys)
        self.size = [round(side * margin) for side in size]
        self.spacing_mm = float(spacing_mm)
        self.mirror = mirror

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Cut the half."""
        item = dict(data)
        side, alone = item["side"], bool(item["alone"])
        for key in self.key_iterator(item):
            swapped = is_swapped(item[key])
            mirror = self.mirror and looks_left(side, swapped)
            with _named(item):
                item[key] = half_view(
                    item[key], item["spacing"], side, alone, self.size, self.spacing_mm, swapped, mirror
                )
        return item


class RegionViewd(MapTransform):
    """Replace a radiograph by the region around the limb's true point (`region_view`); else as `HalfViewd`.

    Args:
        keys: the image.
        centre: channel of the point in the limb.
        size: rows and columns of the network's input.
        spacing_mm: of the view's pixels.
        margin: the view has `size` times this many pixels, room for augmentation.
        mirror: limbs on the image's right side are mirrored, so that all look like right ones.
        points_key: points of the original image, (1, K, 2).
    """

    def __init__(
        self,
        keys: KeysCollection,
        centre: int,
        size: Sequence[int],
        spacing_mm: float,
        margin: float = 1.0,
        mirror: bool = True,
        points_key: str = "points",
    ) -> None:
        super().__init__(keys)
        self.centre = centre
        self.size = [round(side * margin) for side in size]
        self.spacing_mm = float(spacing_mm)
        self.mirror = mirror
        self.points_key = points_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Cut the region."""
        item = dict(data)
        centre = squeeze_points(torch.as_tensor(np.asarray(item[self.points_key])))[self.centre]
        if not torch.isfinite(centre).all():
            raise ConfigError(
                f"case {item.get('case_id')}: its region's centre, landmark number {self.centre}, is not annotated; "
                "give limb_items the centre's name"
            )
        for key in self.key_iterator(item):
            mirror = self.mirror and looks_left(item["side"], is_swapped(item[key]))
            with _named(item):
                item[key] = region_view(item[key], item["spacing"], centre, self.size, self.spacing_mm, mirror)
        return item


@contextmanager
def _named(item: Mapping[Hashable, Any]) -> Iterator[None]:
    """Say in which case of a data set an image cannot be shown."""
    try:
        yield
    except ReadError as error:
        raise ReadError(f"case {item.get('case_id')}: {error}") from None


class KnowSided(MapTransform):
    """Say which sides a radiograph shows: what the item says ("side"), else the file's laterality, else the user.

    Adds sides ("L", "R" or "both") and swapped (`is_swapped`, a bool).

    Args:
        keys: the image.
        side: the user's answer, for images that have none.

    Raises:
        ConfigError: `side` is none of L, R and both.
        ScopeError: when called on an image nobody knows the side of.
    """

    def __init__(self, keys: KeysCollection, side: str | None = None) -> None:
        super().__init__(keys)
        if side is not None and side not in get_args(Side):
            raise ConfigError(f"--side {side}: give L, R or both")
        self.side = side

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the entries."""
        item = dict(data)
        image = item[self.first_key(item)]
        told: dict[str, Literal["L", "R", "both"]] = {"L": "L", "R": "R", "B": "both"}
        side = item.get("side") or told.get(str(image.meta.get("laterality", "")).upper()) or self.side
        if side is None:
            raise ScopeError(
                "it does not say which side it shows; give --side L, --side R or --side both (image left is the "
                "patient's right)"
            )
        return {**item, "sides": side, "swapped": is_swapped(image)}
