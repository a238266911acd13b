"""MONAI transforms that make label regions from points, and dilate or erode masks, on a schedule.

They work on one sample (K, ...) and on a batch (B, K, ...), on CPU and GPU. The scheduled ones hold a 0-based `epoch`
that a handler sets; they are meant for the device, in `prepare_batch`: a curriculum set on a transform inside a data
loader is frozen by persistent workers and by CacheDataset.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Transform
from monai.utils import convert_to_tensor
from torch import Tensor

from monai_landmarks.curriculum import Schedule, radius_in_pixels
from monai_landmarks.transforms.morphology import dilate, erode
from monai_landmarks.transforms.shapes import BinaryShape, Diamond, Shape, point_regions


def _plain(value: Any) -> Tensor:
    return convert_to_tensor(value, track_meta=False)


class PointsToRegions(Transform):
    """Points to K-channel label masks, each channel the region of one point; radius 0 is the one-pixel label mask.

    Args:
        radius: in pixels of the mask (not scaled).
        shape: region shape, the diamond by default.
        dtype: of the mask, float32 or (binary shapes) bool.
    """

    def __init__(self, radius: float = 0.0, shape: Shape | None = None, dtype: torch.dtype = torch.float32) -> None:
        self.radius = radius
        self.shape = shape or Diamond()
        self.dtype = dtype

    def __call__(self, points: Any, size: tuple[int, int]) -> Tensor:  # type: ignore[override]
        """Points (..., K, 2) as (row, column) to masks (..., K, rows, columns); see `point_regions`."""
        return point_regions(_plain(points), size, self.radius, self.shape, self.dtype)


class PointsToRegionsd(MapTransform):
    """Dictionary version of `PointsToRegions`; the mask takes the size of the image under `image_key`.

    Points may carry a leading channel, (1, K, 2), as elsewhere in a data dictionary.
    """

    def __init__(
        self,
        keys: KeysCollection,
        image_key: str = "image",
        radius: float = 0.0,
        shape: Shape | None = None,
        allow_missing_keys: bool = False,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.image_key = image_key
        self.regions = PointsToRegions(radius, shape, dtype)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the points under each key by their masks."""
        item = dict(data)
        rows, columns = item[self.image_key].shape[-2:]
        for key in self.key_iterator(item):
            item[key] = self.regions(squeeze_points(_plain(item[key])), (rows, columns))
        return item


class ScheduledRegions(Transform):
    """Points to label regions whose radius follows a schedule: dilated at first, eroded to the point as it runs.

    The region of radius k is defined by the distance from the point, for every k, so nothing is lost at the image's
    border when the region shrinks again.

    Args:
        schedule: radius for a 0-based epoch, in pixels at a longer side of 512; scaled to the mask's size.
        shape: region shape, the paper's diamond by default.
        dtype: of the regions, float32 or (binary shapes) bool.
    """

    def __init__(self, schedule: Schedule, shape: Shape | None = None, dtype: torch.dtype = torch.float32) -> None:
        self.schedule = schedule
        self.shape = shape or Diamond()
        self.dtype = dtype
        self.epoch = 0

    @property
    def radius(self) -> float:
        """The radius of the current epoch, in pixels at a longer side of 512."""
        return self.schedule(self.epoch)

    def __call__(self, points: Any, size: tuple[int, int]) -> Tensor:  # type: ignore[override]
        """Points (..., K, 2) as (row, column) to regions (..., K, rows, columns) of the current epoch.

        See `point_regions`.
        """
        radius = radius_in_pixels(self.radius, size)
        return point_regions(_plain(points), size, radius, self.shape, self.dtype)


class ScheduledRegionsd(MapTransform):
    """Dictionary version of `ScheduledRegions`: writes regions beside the points, for a batch on the device.

    Args:
        keys: the points, (B, 1, K, 2) or (B, K, 2), or one sample of either.
        image_key: gives the mask's size.
        region_key: where the regions go, (B, K, rows, columns).
        dtype: of the regions, float32 or (binary shapes) bool.
    """

    def __init__(
        self,
        keys: KeysCollection,
        schedule: Schedule,
        shape: Shape | None = None,
        image_key: str = "image",
        region_key: str = "region",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(keys)
        self.image_key = image_key
        self.region_key = region_key
        self.regions = ScheduledRegions(schedule, shape, dtype)

    @property
    def epoch(self) -> int:
        """The 0-based epoch whose radius is used."""
        return self.regions.epoch

    @epoch.setter
    def epoch(self, value: int) -> None:
        self.regions.epoch = value

    @property
    def radius(self) -> float:
        """The radius of the current epoch, in pixels at a longer side of 512."""
        return self.regions.radius

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the regions to the dictionary."""
        item = dict(data)
        rows, columns = item[self.image_key].shape[-2:]
        item[self.region_key] = self.regions(squeeze_points(_plain(item[self.first_key(item)])), (rows, columns))
        return item


class ScheduledMorphology(Transform):
    """Dilates (positive radius) or erodes (negative radius) a mask a user brings, by a schedule.

    Args:
        schedule: radius for a 0-based epoch, in pixels at a longer side of 512. Any callable may go below 0.
        shape: structuring element, the diamond by default.
    """

    def __init__(self, schedule: Schedule, shape: BinaryShape | None = None) -> None:
        self.schedule = schedule
        self.shape = shape or Diamond()
        self.epoch = 0

    def __call__(self, mask: Any) -> Any:
        """A mask (..., rows, columns) with values in [0, 1] to one of the same shape and type; a MetaTensor keeps its
        meta."""
        values = _plain(mask)
        rows, columns = values.shape[-2:]
        radius = radius_in_pixels(self.schedule(self.epoch), (rows, columns))
        result = dilate(values, radius, self.shape) if radius >= 0 else erode(values, -radius, self.shape)
        return MetaTensor(result).copy_meta_from(mask) if isinstance(mask, MetaTensor) else result


class ScheduledMorphologyd(MapTransform):
    """Dictionary version of `ScheduledMorphology`."""

    def __init__(
        self,
        keys: KeysCollection,
        schedule: Schedule,
        shape: BinaryShape | None = None,
        allow_missing_keys: bool = False,
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.morphology = ScheduledMorphology(schedule, shape)

    @property
    def epoch(self) -> int:
        """The 0-based epoch whose radius is used."""
        return self.morphology.epoch

    @epoch.setter
    def epoch(self, value: int) -> None:
        self.morphology.epoch = value

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the mask under each key."""
        item = dict(data)
        for key in self.key_iterator(item):
            item[key] = self.morphology(item[key])
        return item


def squeeze_points(points: Tensor) -> Tensor:
    """(..., 1, K, 2) to (..., K, 2): drops the channel a data dictionary's points carry; (K, 2) stays."""
    return points.squeeze(-3) if points.ndim > 2 and points.shape[-3] == 1 else points
