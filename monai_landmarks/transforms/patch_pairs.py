"""Pairs of views of one image and copies of a template, in which the same place is known: what embeddings learn from.

Sources: CC2D (Yao et al., MICCAI 2021), He et al., "Landmarks Are Alike Yet Distinct", and SAM (Yan et al., IEEE TMI
2022: many places of a pair). Where they are silent:

| topic | here |
|---|---|
| centre of the patch's rotation | the point, which so stays in the patch's central part |
| patch that would reach over the image's border | shifted inwards as far as the point stays central; 0 beyond it |
| what jitters | the patch alone: brightness, a factor, then contrast, a factor about the mean; cut to [0, 1] |
| sampling | bilinear, once, from the image to the patch |
| many places | uniform in the patch, drawn last, so that they change no other draw |
| template copies | shift, scale, rotation uniform in their ranges, about the image's centre; 0 beyond the border |
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, Randomizable
from monai.utils import convert_to_tensor
from torch import Tensor

from monai_landmarks.errors import ConfigError
from monai_landmarks.transforms.geometry import tracked
from monai_landmarks.transforms.homography import project_image, project_points, shift_matrix
from monai_landmarks.transforms.views import View

# Where an item holds many places of a pair, in pixels of the image and of the patch.
PLACES = ("image_points", "patch_points")


class PatchPaird(Randomizable, MapTransform):
    """Add a patch of the image, turned and with other brightness and contrast, and one place as it lies in both.

    The image stays as it is. The item gets, as float32, `patch` (1, size, size), `image_point` (2,) and `patch_point`
    (2,), (row, column) in pixels of each. The place lies in the patch's central part, anywhere there. With `places`
    it gets `image_points` and `patch_points` (places, 2) too: the place, and others anywhere in the patch, NaN in both
    where the image has ended. The matrix that makes the patch takes the ones to the others: they are exact.

    Args:
        keys: the image (1, rows, columns) in [0, 1].
        size: side of the patch in pixels.
        points_key: where the item holds the places in the image's pixels, (2,), or (K, 2) of which item[landmark_key]
            is the number; such as pseudo-labels. None: anywhere in the image. So too where such a place is NaN or
            outside.
        margin: share of the patch on each side that is not central.
        rotate: largest angle, in degrees.
        brightness: largest relative change.
        contrast: largest relative change.
        landmark_key: see `points_key`.
        patch_key, image_point_key, patch_point_key: where the results go.
        places: how many places to give, under the keys `PLACES`; 0 for the one alone.

    Raises:
        ConfigError: a margin that leaves no centre; fewer than 0 places; when called, several places and no number.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        size: int = 192,
        points_key: str | None = None,
        margin: float = 0.1,
        rotate: float = 20.0,
        brightness: float = 0.15,
        contrast: float = 0.25,
        landmark_key: str = "landmark",
        patch_key: str = "patch",
        image_point_key: str = "image_point",
        patch_point_key: str = "patch_point",
        places: int = 0,
    ) -> None:
        super().__init__(keys)
        if not 0 <= margin < 0.5 or places < 0:
            raise ConfigError(f"patch: margin {margin} must be at least 0 and below 0.5, places {places} at least 0")
        self.size = int(size)
        self.points_key = points_key
        self.margin = margin
        self.rotate = rotate
        self.brightness = brightness
        self.contrast = contrast
        self.landmark_key = landmark_key
        self.result_keys = (patch_key, image_point_key, patch_point_key)
        self.places = int(places)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the patch and the points."""
        item = dict(data)
        image = convert_to_tensor(item[self.first_key(item)], dtype=torch.float32, track_meta=False)
        place = self._place(item, image.shape[-2:])
        to_patch = self._draw(place, image.shape[-2:])
        patch = self._jittered(project_image(image, to_patch, (self.size, self.size)))
        point = torch.as_tensor(place)
        results = (patch, point.float(), project_points(point, to_patch).float())
        item |= dict(zip(self.result_keys, results))
        if self.places:
            item |= dict(zip(PLACES, self._corresponding(point, to_patch, image.shape[-2:])))
        return item

    def _place(self, item: Mapping[Hashable, Any], size: Sequence[int]) -> np.ndarray:
        """The place in the image, (2,) float64."""
        last = np.asarray(size, dtype=np.float64) - 1
        anywhere = self.R.uniform(0.0, last)
        if self.points_key is None:
            return anywhere
        points = np.asarray(item[self.points_key], dtype=np.float64).reshape(-1, 2)
        if len(points) > 1 and self.landmark_key not in item:
            raise ConfigError(
                f"patch: {self.points_key} holds {len(points)} points; say under {self.landmark_key} which one"
            )
        place = points[int(item[self.landmark_key]) if len(points) > 1 else 0]
        return place if ((place >= 0) & (place <= last)).all() else anywhere

    def _draw(self, place: np.ndarray, size: Sequence[int]) -> Tensor:
        """3x3 float64 from the image's pixels to those of the patch: a rotation about the place."""
        last = self.size - 1
        low, high = self.margin * last, (1 - self.margin) * last
        start = place - self.R.uniform(low, high, 2)
        inwards = np.clip(start, 0, np.maximum(np.asarray(size) - self.size, 0))
        there = np.clip(place - inwards, low, high)
        turn = View(rotation=float(self.R.uniform(-self.rotate, self.rotate))).matrix(size)
        return shift_matrix(*there) @ turn @ shift_matrix(*-place)

    def _corresponding(self, point: Tensor, to_patch: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
        """The place and others, float32 (places, 2), in the image and in the patch."""
        there = torch.as_tensor(self.R.uniform(0.0, self.size - 1, (self.places - 1, 2)))
        here = project_points(there, torch.linalg.inv(to_patch))
        last = torch.as_tensor(size, dtype=here.dtype) - 1
        outside = ((here < 0) | (here > last)).any(-1, keepdim=True)
        first = point, project_points(point, to_patch)
        in_image, in_patch = (
            torch.cat((one[None], others.masked_fill(outside, torch.nan))) for one, others in zip(first, (here, there))
        )
        return in_image.float(), in_patch.float()

    def _jittered(self, patch: Tensor) -> Tensor:
        brightness = self.R.uniform(1 - self.brightness, 1 + self.brightness)
        contrast = self.R.uniform(1 - self.contrast, 1 + self.contrast)
        patch = (patch * brightness).clamp(0, 1)
        mean = patch.mean()
        return (mean + contrast * (patch - mean)).clamp(0, 1)


class TemplateAugmentd(Randomizable, MapTransform):
    """Replace an image by a copy a little shifted, scaled and turned, and move its points through the same map.

    A MetaTensor's affine follows, so `PointsFollowImaged` and `NoteGeometryd` may run afterwards. A point that leaves
    the image keeps its place outside: losses leave it out.

    Args:
        keys: the image (C, rows, columns).
        points_key: (..., 2) in the image's pixels; NaN stays NaN. None: the points are not in the item.
        shift: largest shift along each axis, as a share of the image's longer side.
        scale: largest relative change of size.
        rotate: largest angle, in degrees.
    """

    def __init__(
        self,
        keys: KeysCollection = "image",
        points_key: str | None = "network_points",
        shift: float = 0.02,
        scale: float = 0.01,
        rotate: float = 5.0,
    ) -> None:
        super().__init__(keys)
        self.points_key = points_key
        self.shift = shift
        self.scale = scale
        self.rotate = rotate

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the image and its points."""
        item = dict(data)
        down, across = self.R.uniform(-self.shift, self.shift, 2)
        view = View(
            rotation=float(self.R.uniform(-self.rotate, self.rotate)),
            scale=float(self.R.uniform(1 - self.scale, 1 + self.scale)),
            shift=(float(down), float(across)),
        )
        size = item[self.first_key(item)].shape[-2:]
        middle = [(side - 1) / 2 for side in size]
        matrix = shift_matrix(*middle) @ view.matrix(size) @ shift_matrix(*(-place for place in middle))
        for key in self.key_iterator(item):
            item[key] = _projected(item[key], matrix)
        if self.points_key is not None:
            item[self.points_key] = project_points(torch.as_tensor(item[self.points_key]), matrix)
        return item


def _projected(image: Tensor, matrix: Tensor) -> Tensor:
    """The image after an affine map (3x3), on its own grid; a MetaTensor's affine leads back."""
    moved = project_image(convert_to_tensor(image, dtype=torch.float32, track_meta=False), matrix, image.shape[-2:])
    if not isinstance(image, MetaTensor):
        return moved
    back = torch.eye(4, dtype=torch.float64)
    rows = torch.linalg.inv(matrix)[:2]
    back[:2, :2], back[:2, 3] = rows[:, :2], rows[:, 2]
    return tracked(moved, image, back)
