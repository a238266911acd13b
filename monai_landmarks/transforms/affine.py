"""Random rotation, scale and shift of an image, resampled once; points follow the affine it tracks."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, RandomizableTransform

from monai_landmarks.transforms.geometry import tracked


class RandAffine2Dd(RandomizableTransform, MapTransform):
    """Rotate, scale and shift an image about its centre and cut `spatial_size` from the middle; bilinear, 0 beyond it.

    Rotation, shifts and scales as MONAI's RandAffined multiplies them, in less than half its time: that one computes
    in float64 and traces the operation for Invertd, which does not undo this one. A single value means both axes; in
    RandAffined it means the rows alone.

    Args:
        keys: images (C, rows, columns), MetaTensors.
        spatial_size: rows and columns of the result; None: those of the first image.
        rotate: largest angle in radians, either way.
        scale: largest change of size as a share, either way; of rows and columns, each drawn on its own.
        translate: largest shift as a share of the result's longer side, either way; of rows and columns.
        prob: of a change; without it the middle is cut.
    """

    def __init__(
        self,
        keys: KeysCollection,
        spatial_size: Sequence[int] | None = None,
        rotate: float = 0.0,
        scale: float | Sequence[float] = 0.0,
        translate: float | Sequence[float] = 0.0,
        prob: float = 1.0,
    ) -> None:
        MapTransform.__init__(self, keys)
        RandomizableTransform.__init__(self, prob)
        self.spatial_size = spatial_size
        self.rotate = rotate
        self.scale = np.broadcast_to(np.asarray(scale, dtype=np.float64), 2)
        self.translate = np.broadcast_to(np.asarray(translate, dtype=np.float64), 2)
        self.matrix = np.eye(3)

    def randomize(self, data: Sequence[int]) -> None:
        """Draw the matrix from the result's pixels, `data` rows and columns, to the image's, about their centres."""
        super().randomize(None)
        self.matrix = np.eye(3)
        if not self._do_transform:
            return
        angle = self.R.uniform(-self.rotate, self.rotate)
        shift = max(data) * self.R.uniform(-self.translate, self.translate)
        factors = 1 + self.R.uniform(-self.scale, self.scale)
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        self.matrix[:2, :2], self.matrix[:2, 2] = turn * factors, turn @ shift

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Resample each image through the same matrix."""
        item = dict(data)
        size = self.spatial_size or item[self.first_key(item)].shape[-2:]
        self.randomize(size)
        for key in self.key_iterator(item):
            item[key] = resample(item[key], self.matrix, size)
        return item


def resample(image: MetaTensor, matrix: np.ndarray, size: Sequence[int]) -> MetaTensor:
    """An image through an affine map; bilinear, 0 beyond its border.

    Args:
        image: (C, rows, columns).
        matrix: 3x3 on (row, column, 1), from the result's pixels to the image's, both counted from their centres.
        size: rows and columns of the result.

    Returns:
        float32 (C, *size), its affine leading back.
    """
    pixels = image.as_tensor().float()
    rows, columns = (
        torch.arange(side, dtype=torch.float32, device=pixels.device) - (side - 1) / 2 for side in map(int, size)
    )
    grid = []
    # grid_sample wants (x, y), -1 and 1 at the image's outer edges.
    for axis in (1, 0):
        down, right, shift = (2 / pixels.shape[1 + axis] * matrix[axis]).tolist()
        grid.append((down * rows + shift)[:, None] + right * columns)
    sampled = F.grid_sample(pixels[None], torch.stack(grid, -1)[None], padding_mode="zeros", align_corners=False)[0]
    centre, middle = ((np.asarray(sides, dtype=np.float64) - 1) / 2 for sides in (pixels.shape[1:], size))
    to_image = np.eye(4)
    to_image[:2, :2] = matrix[:2, :2]
    to_image[:2, 3] = matrix[:2, 2] + centre - matrix[:2, :2] @ middle
    return tracked(sampled, image, torch.from_numpy(to_image))
