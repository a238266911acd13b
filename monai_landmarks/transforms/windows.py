"""Windows around landmarks: what the second of two passes, or of two stages, is trained on."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import BorderPad, MapTransform, Randomizable, RandomizableTransform, SpatialCrop

from monai_landmarks.data.dataset import State
from monai_landmarks.transforms.geometry import image_affine, move_points
from monai_landmarks.transforms.regions import squeeze_points


class RandWindowd(RandomizableTransform, MapTransform):
    """Cut a square window around a random landmark, off its centre by a random jitter; outside the image is zero.

    The jitter stands for the first pass's error. MONAI's pad and crop keep the affine, so `PointsFollowImaged` finds
    the points in the window; those outside it have no location loss. An image without any point gives a window
    anywhere.

    Args:
        keys: the image (1, rows, columns), a MetaTensor.
        window: side of the window in pixels, even. Cut it larger than what is trained on where an affine follows.
        jitter: largest shift along each axis, in pixels.
        points_key: points of the original image, (1, K, 2), NaN where there is none.
    """

    def __init__(self, keys: KeysCollection, window: int, jitter: float, points_key: str = "points") -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, 1.0)
        self.window = int(window)
        self.jitter = float(jitter)
        self.points_key = points_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Cut the window."""
        item = dict(data)
        for key in self.key_iterator(item):
            image = item[key]
            points = squeeze_points(torch.as_tensor(np.asarray(item[self.points_key]), dtype=torch.float64))
            centre = self._draw(move_points(points, image_affine(image)[1]).numpy(), image.shape[-2:])
            half = self.window // 2
            padded = BorderPad(spatial_border=half)(image)
            crop = SpatialCrop(roi_start=centre.tolist(), roi_end=(centre + self.window).tolist())
            item[key] = crop(padded)
        return item

    def _draw(self, points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """The window's centre in whole pixels, inside the image."""
        known = points[np.isfinite(points).all(-1)]
        if len(known):
            middle = known[self.R.randint(len(known))]
        else:
            middle = self.R.uniform(0, 1, 2) * size
        shifted = np.rint(middle + self.R.uniform(-self.jitter, self.jitter, 2)).astype(int)
        return np.clip(shifted, 0, np.array(size) - 1)


class RandCentresd(Randomizable, MapTransform):
    """Say where each landmark's window lies, off its point by a random jitter that stands for the coarse stage's error.

    The item gets `centres` (K, 2), int64 pixels inside the image; `window_points` (K, 2), the points in their windows;
    `whole_points` (K, 2), the points in the image at `coarse_size`; and `state` (K,), unlabelled where there is none.

    Args:
        keys: the image (1, rows, columns).
        window: side of the windows in pixels, even.
        jitter: largest shift along each axis, in pixels.
        coarse_size: rows and columns of what the coarse stage sees.
        points_key: (K, 2) in the image's pixels, NaN for none.
    """

    def __init__(
        self,
        keys: KeysCollection,
        window: int,
        jitter: float,
        coarse_size: Sequence[int],
        points_key: str = "network_points",
    ) -> None:
        super().__init__(keys)
        self.window = int(window)
        self.jitter = float(jitter)
        self.coarse_size = coarse_size
        self.points_key = points_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add them."""
        item = dict(data)
        points = torch.as_tensor(item[self.points_key]).float()
        size = torch.tensor(item[self.first_key(item)].shape[-2:])
        jitter = torch.as_tensor(self.R.uniform(-self.jitter, self.jitter, points.shape))
        centres = (points.nan_to_num() + jitter).round().long().clamp(min=0).minimum(size - 1)
        known = points.isfinite().all(-1)
        item["centres"] = centres
        item["window_points"] = points - centres + self.window // 2
        item["whole_points"] = (points + 0.5) * torch.tensor(self.coarse_size) / size - 0.5
        item["state"] = torch.where(known, int(State.PRESENT), int(State.UNLABELLED))
        return item
