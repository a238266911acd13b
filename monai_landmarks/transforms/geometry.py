"""Geometry: pad to the input's aspect ratio, mirror, and points that follow the image wherever it went."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import Flip, MapTransform, Pad, RandomizableTransform
from torch import Tensor

from monai_landmarks.transforms.regions import squeeze_points


class PadToAspectd(MapTransform):
    """Zero-pad an image, centred, to the aspect ratio of the network's input; left and top get floor(difference / 2).

    A square input pads to a square, as in arXiv 2309.16066. Nothing is cropped. MONAI's Pad tracks the affine.

    Args:
        keys: images (C, rows, columns).
        size: rows and columns of the network's input; only their ratio counts here.
    """

    def __init__(self, keys: KeysCollection, size: Sequence[int], allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.size = (int(size[0]), int(size[1]))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Pad each image."""
        item = dict(data)
        for key in self.key_iterator(item):
            rows, columns = item[key].shape[-2:]
            short_rows = max(0, round(columns * self.size[0] / self.size[1]) - rows)
            short_columns = max(0, round(rows * self.size[1] / self.size[0]) - columns)
            widths = [(d // 2, d - d // 2) for d in (short_rows, short_columns)]
            item[key] = Pad(to_pad=[(0, 0), *widths])(item[key])  # type: ignore[arg-type]
        return item


class RandMirrord(RandomizableTransform, MapTransform):
    """Mirror the image left to right at random and swap the names of left and right landmarks.

    Runs before the points are carried over (`PointsFollowImaged`): the flip is tracked by the image's affine, here only
    the channels change places. A landmark without a pair keeps its channel.

    Args:
        keys: the image.
        mirror: for each channel, the channel of its mirror image (`Scheme.mirror`).
        prob: probability of a flip.
        points_key, state_key: what is permuted: (1, K, 2) and (K,).
    """

    def __init__(
        self,
        keys: KeysCollection,
        mirror: Sequence[int],
        prob: float = 0.5,
        points_key: str = "points",
        state_key: str = "state",
    ) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, prob)
        self.mirror = list(mirror)
        self.points_key = points_key
        self.state_key = state_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Mirror or leave as it is."""
        self.randomize(None)
        item = dict(data)
        if not self._do_transform:
            return item
        for key in self.key_iterator(item):
            item[key] = Flip(spatial_axis=1)(item[key])
        item[self.points_key] = item[self.points_key][..., self.mirror, :]
        item[self.state_key] = item[self.state_key][..., self.mirror]
        return item


def tracked(view: Tensor, image: MetaTensor, matrix: Tensor) -> MetaTensor:
    """A view of an image as a MetaTensor: the image's meta, its affine moved along.

    Args:
        view: (C, rows, columns).
        image: what it shows.
        matrix: 4x4 float64, from the view's pixels to the image's.
    """
    meta = {key: value for key, value in image.meta.items() if key != "affine"}
    meta["spatial_shape"] = np.asarray(view.shape[-2:])
    return MetaTensor(view, affine=image.affine.to(torch.float64).cpu() @ matrix, meta=meta)


def image_affine(image: MetaTensor) -> tuple[Tensor, Tensor]:
    """4x4 float64 matrices (network to original pixels, original to network pixels) of an image's tracked geometry."""
    original = torch.from_numpy(np.asarray(image.meta["original_affine"], dtype=np.float64))
    current = torch.as_tensor(np.asarray(image.affine.cpu()), dtype=torch.float64)
    to_original = torch.linalg.solve(original, current)
    return to_original, torch.linalg.inv(to_original)


class NoteGeometryd(MapTransform):
    """Keep where the image's pixels lie in the original: what decoding needs, in a plain tensor that survives batching.

    Args:
        keys: the image, a MetaTensor with `original_affine` in its meta.
        output_key: where the 4x4 float64 matrix (network to original pixels) goes.
    """

    def __init__(self, keys: KeysCollection, output_key: str = "to_original") -> None:
        super().__init__(keys)
        self.output_key = output_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the matrix."""
        item = dict(data)
        item[self.output_key] = image_affine(item[self.first_key(item)])[0]
        return item


def move_points(points: Tensor, matrix: Tensor) -> Tensor:
    """Points (..., K, 2) through a 4x4 matrix, in float64; NaN stays NaN."""
    return points.to(torch.float64) @ matrix[:2, :2].T + matrix[:2, 3]


class PointsFollowImaged(MapTransform):
    """Carry points of the original image into the transformed one, through the affine the image has tracked.

    One step at the end of a chain, whatever the chain did: pad, resize, crop, flip, affine. Transforms that do not
    track (elastic, grid distortion, smooth deformation) must not be used: the points would stay behind.

    Args:
        keys: points of the original image, (1, K, 2) as (row, column).
        image_key: a MetaTensor with `original_affine` in its meta.
        output_key: where the points of the transformed image go, float32 (K, 2); the originals stay.
    """

    def __init__(self, keys: KeysCollection, image_key: str = "image", output_key: str = "network_points") -> None:
        super().__init__(keys)
        self.image_key = image_key
        self.output_key = output_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the moved points."""
        item = dict(data)
        _, to_network = image_affine(item[self.image_key])
        points = torch.as_tensor(np.asarray(item[self.first_key(item)]), dtype=torch.float64)
        item[self.output_key] = move_points(squeeze_points(points), to_network).float()
        return item
