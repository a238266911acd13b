"""Shapes of a label region: which pixels lie within a radius, in closed form and as structuring elements."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from monai_landmarks.errors import ConfigError

# The diamond of radius k has variance k^2 / 6 along each axis in the continuous limit; the Gaussian takes the same.
DIAMOND_VARIANCE = 6.0
# Bytes; no page is smaller than 4096.
TOUCH = 512


class Shape(Protocol):
    """A region's shape.

    `weights` takes |row distance| and |column distance| in pixels, broadcastable, and gives float weights in [0, 1].
    `snaps` says whether the region is centred on the nearest pixel (binary shapes) or on the sub-pixel point.
    """

    snaps: bool

    def weights(self, rows: Tensor, columns: Tensor, radius: float) -> Tensor:
        """Weight of each pixel."""


class BinaryShape:
    """A shape whose region is a set of pixels; also usable as a structuring element.

    Subclasses give `half_width`; everything else follows from it.
    """

    snaps = True

    def half_width(self, offset: float, radius: float) -> float:
        """How far the shape reaches along the columns in the row at `offset` from the centre; negative: not at all."""
        raise NotImplementedError

    def weights(self, rows: Tensor, columns: Tensor, radius: float) -> Tensor:
        """1 within the shape of `radius`, else 0."""
        raise NotImplementedError


class Diamond(BinaryShape):
    """L1 ball: what iterated dilation with the 4-neighbour cross gives (the paper's shape). n = 1 + 2k(k+1)."""

    def half_width(self, offset: float, radius: float) -> float:
        """Radius less the row's distance."""
        return radius - abs(offset)

    def weights(self, rows: Tensor, columns: Tensor, radius: float) -> Tensor:
        """1 where |row| + |column| <= radius."""
        return (rows + columns <= radius).to(rows.dtype)


class Square(BinaryShape):
    """Chebyshev ball: iterated dilation with the 8-neighbour square. n = (2k+1)^2."""

    def half_width(self, offset: float, radius: float) -> float:
        """The radius itself."""
        return radius if abs(offset) <= radius else -1.0

    def weights(self, rows: Tensor, columns: Tensor, radius: float) -> Tensor:
        """1 where max(|row|, |column|) <= radius."""
        return (torch.maximum(rows, columns) <= radius).to(rows.dtype)


class Disk(BinaryShape):
    """Euclidean ball."""

    def half_width(self, offset: float, radius: float) -> float:
        """Half the chord."""
        return math.sqrt(radius**2 - offset**2) if abs(offset) <= radius else -1.0

    def weights(self, rows: Tensor, columns: Tensor, radius: float) -> Tensor:
        """1 where row^2 + column^2 <= radius^2."""
        return (rows**2 + columns**2 <= radius**2).to(rows.dtype)


class Gaussian:
    """Bell exp(-d^2 / (2 sigma^2)) around the sub-pixel point, sigma = radius / sqrt(6): the diamond's variance.

    Below a radius of one pixel the bell keeps the width it has there, or no pixel would carry weight.
    """

    snaps = False

    def weights(self, rows: Tensor, columns: Tensor, radius: float) -> Tensor:
        """Height of the bell, 1 at the point."""
        variance = max(radius, 1.0) ** 2 / DIAMOND_VARIANCE
        return torch.exp(rows.square() / (-2 * variance)) * torch.exp(columns.square() / (-2 * variance))


def nearest_pixel(points: Tensor) -> Tensor:
    """The pixel a point belongs to: nearest, halves up (a point at 2.5 belongs to 3), NaN kept."""
    return torch.floor(points + 0.5)


def point_regions(
    points: Tensor,
    size: tuple[int, int],
    radius: float,
    shape: Shape,
    dtype: torch.dtype = torch.float32,
) -> Tensor:
    """Regions of points, one channel each, in closed form.

    Args:
        points: (..., K, 2) as (row, column); NaN gives an empty channel, as does a point whose pixel is outside.
        size: rows and columns of the mask.
        radius: in pixels of the mask; for a binary shape the region holds every pixel within it, so at radius 0
            exactly one.
        shape: what "within" means.
        dtype: torch.float32, or torch.bool for a binary shape: a quarter of the memory.

    Returns:
        (..., K, rows, columns) weights in [0, 1], on the device of `points`; regions are cut at the borders.

    Raises:
        ConfigError: bool asked of a shape that has weights, such as the Gaussian.
    """
    wanted = (*points.shape[:-1], *size)
    if dtype == torch.bool and not shape.snaps:
        raise ConfigError(f"{type(shape).__name__} has weights, no set of pixels; use float32, or a binary shape")
    pixels = nearest_pixel(points)
    limit = torch.tensor(size, device=points.device, dtype=points.dtype)
    inside = ((pixels >= 0) & (pixels < limit)).all(-1)
    centre = torch.nan_to_num(pixels if shape.snaps else points).to(torch.float32)
    if shape.snaps and points.device.type == "cpu":
        regions = _zeros(wanted, dtype)
        _stamp(regions, centre, inside, radius, shape)
        return regions
    rows = torch.arange(size[0], device=points.device, dtype=torch.float32)
    columns = torch.arange(size[1], device=points.device, dtype=torch.float32)
    # A point outside is infinitely far from every pixel: its channel is empty without a second pass over the pixels.
    centre = torch.where(inside[..., None], centre, torch.inf)
    distance_rows = (rows - centre[..., 0:1]).abs()[..., :, None]
    distance_columns = (columns - centre[..., 1:2]).abs()[..., None, :]
    return shape.weights(distance_rows, distance_columns, radius).to(dtype)


def _zeros(size: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Zeros on the CPU, a third of the time of torch's own.

    NumPy's lie on large pages. The system hands a page out when it is first written to: a write here and there from all
    threads has it done at once, and not by the one thread that stamps the regions.
    """
    zeros = np.zeros(size, torch.empty(0, dtype=dtype).numpy().dtype)
    torch.from_numpy(zeros.reshape(-1).view(np.uint8))[::TOUCH].zero_()
    return torch.from_numpy(zeros)


def _stamp(regions: Tensor, centre: Tensor, inside: Tensor, radius: float, shape: Shape) -> None:
    """Copies one stamp to every point inside: the CPU then touches the regions' pixels alone.

    On a GPU the loop over points would cost more than comparing every pixel does.
    """
    size = regions.shape[-2:]
    reach = min(math.floor(radius), max(size))
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32).abs()
    stamp = shape.weights(offsets[:, None], offsets, radius).to(regions.dtype).numpy()
    channels = regions.numpy().reshape(-1, *size)
    pixels = centre.reshape(-1, 2).to(torch.int64).tolist()
    for number in torch.nonzero(inside.flatten())[:, 0].tolist():
        row, column = pixels[number]
        top, left = max(row - reach, 0), max(column - reach, 0)
        bottom, right = min(row + reach + 1, size[0]), min(column + reach + 1, size[1])
        cut = stamp[top - row + reach : bottom - row + reach, left - column + reach : right - column + reach]
        channels[number, top:bottom, left:right] = cut
