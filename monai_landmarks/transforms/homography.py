"""Random projective maps: image and points through one and the same matrix."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform, RandomizableTransform
from torch import Tensor

from monai_landmarks.errors import ConfigError

# Smallest weight w of a result's pixel: what is looked at ends well before the horizon.
NEAREST_HORIZON = 0.1


def shift_matrix(rows: float, columns: float) -> Tensor:
    """3x3 float64 matrix on (row, column, 1)."""
    matrix = torch.eye(3, dtype=torch.float64)
    matrix[0, 2], matrix[1, 2] = rows, columns
    return matrix


def project_points(points: Tensor, matrix: Tensor) -> Tensor:
    """Points (..., 2) as (row, column) through a 3x3 homography; NaN stays NaN."""
    moved = F.pad(points.double(), (0, 1), value=1.0) @ matrix.double().T
    return (moved[..., :2] / moved[..., 2:]).to(points.dtype)


def project_image(image: Tensor, matrix: Tensor, size: Sequence[int]) -> Tensor:
    """An image after a homography, (C, rows, columns) to (C, *size); bilinear, 0 beyond its border.

    Args:
        image: float.
        matrix: 3x3, from the image's pixels to the result's, between centres; it must not take a pixel of the result
            to the horizon.
        size: rows and columns of the result.
    """
    rows, columns = (torch.arange(side, dtype=torch.float64) for side in size)
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1)
    source = project_points(grid, torch.linalg.inv(matrix.double()))
    last = torch.tensor(image.shape[-2:], dtype=torch.float64) - 1
    # grid_sample wants (x, y), -1 and 1 at the first and the last centre.
    normal = (2 * source / last.clamp(min=1) - 1).flip(-1)
    sampled = F.grid_sample(image[None], normal[None].to(image), padding_mode="zeros", align_corners=True)
    return sampled[0]


class RandHomographyd(RandomizableTransform, MapTransform):
    """Sample an image of `spatial_size` from a larger one through one exact projective map; the points go along.

    The map's parts, about the crop's centre: a projective one (shear, rotation, scale, perspective) with probability
    `prob`, a zoom with probability `prob`, and always a shift by whole pixels, the random crop. Where only the crop is
    drawn, pixels are copied, not interpolated. With `prob` 0 and `translate` 0 it is MONAI's centre crop. What lies
    beyond the larger image is 0: `spatial_size` and some margin should fit in it.

    It runs after `PointsFollowImaged`: a homography is no affine, so the result is a plain tensor that tracks nothing.
    The defaults are those of KNEEL (arXiv 1907.12237). There is no anti-aliasing: a zoom below 0.5 would need it.

    Args:
        keys: images (C, rows, columns).
        points_key: points in the image's pixels, (..., 2) as (row, column).
        spatial_size: rows and columns of the result.
        rotate: largest angle in degrees, either way.
        scale: smallest and largest factor of the projective part.
        shear: largest shear of either axis, either way.
        perspective: smallest and largest of the two perspective terms, of random sign, per pixel from the centre; KNEEL
            has them at sides of 450. Where they would take the horizon into the result they are reduced.
        zoom: smallest and largest factor of the zoom.
        translate: largest shift of the crop along each axis in pixels; None: all that fits in the larger image.
        prob: of the projective part, and of the zoom.

    Raises:
        ConfigError: factors that are not above 0.
    """

    def __init__(
        self,
        keys: KeysCollection,
        spatial_size: Sequence[int],
        points_key: str = "network_points",
        rotate: float = 90.0,
        scale: tuple[float, float] = (0.8, 1.3),
        shear: float = 0.1,
        perspective: tuple[float, float] = (1e-5, 2e-3),
        zoom: tuple[float, float] = (0.5, 2.5),
        translate: int | None = None,
        prob: float = 0.5,
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        if min(*scale, *zoom) <= 0 or shear >= 1:
            raise ConfigError(f"homography: scale {scale} and zoom {zoom} must be above 0 and shear {shear} below 1")
        self.spatial_size = (int(spatial_size[0]), int(spatial_size[1]))
        self.points_key = points_key
        self.rotate = rotate
        self.scale = scale
        self.shear = shear
        self.perspective = perspective
        self.zoom = zoom
        self.translate = translate

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Sample the images and move the points."""
        item = dict(data)
        size = item[self.first_key(item)].shape[-2:]
        warp, start = self._draw(size)
        # The result's centre is what the crop, which starts at whole pixels, has in its middle.
        middle = [(side - 1) / 2 for side in self.spatial_size]
        back = shift_matrix(*(-(at + centre) for at, centre in zip(start, middle)))
        matrix = shift_matrix(*middle) @ warp @ back
        for key in self.key_iterator(item):
            image = item[key].as_tensor() if isinstance(item[key], MetaTensor) else item[key]
            if torch.equal(warp, torch.eye(3, dtype=torch.float64)):
                item[key] = _cut(image, start, self.spatial_size)
            else:
                item[key] = project_image(image, matrix, self.spatial_size)
        item[self.points_key] = project_points(item[self.points_key], matrix)
        return item

    def _draw(self, size: Sequence[int]) -> tuple[Tensor, list[int]]:
        """3x3 warp about the centre, and the crop's first row and column in an image of `size`."""
        linear, terms = torch.eye(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
        if self.R.uniform() < self.prob:
            linear, terms = self._draw_linear(), self._draw_perspective()
        if self.R.uniform() < self.prob:
            linear = linear * self.R.uniform(*self.zoom)
        warp = torch.eye(3, dtype=torch.float64)
        warp[:2, :2], warp[2, :2] = linear, terms @ linear
        start = []
        for side, wanted in zip(size, self.spatial_size):
            reach = max(0, side - wanted) // 2 if self.translate is None else self.translate
            start.append(side // 2 - wanted // 2 + int(self.R.randint(-reach, reach + 1)))
        return warp, start

    def _draw_linear(self) -> Tensor:
        """2x2: shear, then rotation and scale."""
        angle = math.radians(self.R.uniform(-self.rotate, self.rotate))
        factor = self.R.uniform(*self.scale)
        shears = self.R.uniform(-self.shear, self.shear, 2)
        cosine, sine = factor * math.cos(angle), factor * math.sin(angle)
        rotation = torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64)
        return rotation @ torch.tensor([[1, shears[0]], [shears[1], 1]], dtype=torch.float64)

    def _draw_perspective(self) -> Tensor:
        """The two terms. In the result, a pixel at d from its centre has the weight 1 - terms d when it looks back."""
        terms = torch.tensor(self.R.uniform(*self.perspective, 2) * self.R.choice((-1, 1), 2), dtype=torch.float64)
        furthest = float((terms.abs() * torch.tensor(self.spatial_size, dtype=torch.float64) / 2).sum())
        return terms * min(1.0, (1 - NEAREST_HORIZON) / max(furthest, 1e-12))


def _cut(image: Tensor, start: Sequence[int], size: Sequence[int]) -> Tensor:
    """The pixels from `start` on, (C, *size), 0 where the image has none."""
    result = image.new_zeros(image.shape[0], *size)
    first = [max(0, at) for at in start]
    last = [max(begin, min(side, at + wanted)) for begin, side, at, wanted in zip(first, image.shape[-2:], start, size)]
    (top, left), (bottom, right) = first, last
    row, column = top - start[0], left - start[1]
    result[:, row : row + bottom - top, column : column + right - left] = image[:, top:bottom, left:right]
    return result
