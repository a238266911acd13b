"""A rectangle of an image at a given pixel spacing, whose affine leads back to the image exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from monai.data import MetaTensor
from torch import Tensor

from monai_landmarks.data.radiograph import LARGEST
from monai_landmarks.data.spacing import needed_spacing
from monai_landmarks.errors import ReadError
from monai_landmarks.transforms.geometry import tracked

# Shares of the pixels that are cut off: the film's dark surround, and markers or implants.
PERCENTILES = (0.05, 0.99)
Bounds = tuple[tuple[int, int], tuple[int, int]]


def spaced_view(
    image: MetaTensor,
    bounds: Bounds,
    spacing: Sequence[float] | Tensor,
    centre: Sequence[float],
    size: Sequence[int],
    spacing_mm: float,
    mirror: bool,
) -> MetaTensor:
    """Whole pixels are cut, resized without aliasing, scaled to [0, 1] and mirrored.

    Args:
        image: (C, rows, columns), the original pixels.
        bounds: (first, after the last) row and column that may be shown; what lies outside is 0.
        spacing: mm (row, column) of the image's pixels.
        centre: (row, column) in the middle of the view, to half a pixel; anywhere.
        size: rows and columns of the view.
        spacing_mm: of the view's pixels; the rectangle is whole pixels, so to half a pixel of it in the whole view.
        mirror: left to right.

    Returns:
        float32 (C, *size), intensities clipped at percentiles 5 and 99 of what is shown; its affine leads back.

    Raises:
        ReadError: the spacing is unknown, or cannot be meant.
    """
    extent = [max(1, round(s * spacing_mm / mm)) for s, mm in zip(size, needed_spacing(spacing, image.shape[-2:]))]
    if math.prod(extent) > LARGEST:
        raise ReadError(f"at its pixel spacing the view would be {extent[0]} x {extent[1]} pixels; check --spacing")
    start = [math.floor(c - (n - 1) / 2 + 0.5) for c, n in zip(centre, extent)]
    view = torch.zeros((image.shape[0], int(size[0]), int(size[1])), device=image.device)
    inside = [_inside(s, n, length, b) for s, n, length, b in zip(start, extent, size, bounds)]
    if all(span.stop > span.start for span in inside):
        cut = _cut(image.as_tensor(), bounds, start, extent)
        resized = F.interpolate(cut[None], tuple(view.shape[-2:]), mode="bilinear", antialias=True)[0]
        view[:, inside[0], inside[1]] = _scaled(resized[:, inside[0], inside[1]])
    return tracked(view.flip(-1) if mirror else view, image, _matrix(start, extent, size, mirror))


def _inside(start: int, extent: int, length: int, bounds: tuple[int, int]) -> slice:
    """The view's pixels along one axis whose centres lie on pixels within the bounds."""
    first, stop = ((edge - start) * length / extent - 0.5 for edge in bounds)
    low, high = max(0, math.ceil(first)), min(length, math.ceil(stop))
    return slice(low, max(low, high))


def _cut(image: Tensor, bounds: Bounds, start: Sequence[int], extent: Sequence[int]) -> Tensor:
    """A rectangle, what lies outside the bounds repeating the border so that resizing does not darken it."""
    spans, pads = [], []
    for s, n, (low, high) in zip(start, extent, bounds):
        first, stop = max(s, low), min(s + n, high)
        spans.append(slice(first, stop))
        pads.append((first - s, s + n - stop))
    cut = image[:, spans[0], spans[1]].float()
    if pads == [(0, 0), (0, 0)]:
        return cut
    return F.pad(cut[None], (*pads[1], *pads[0]), mode="replicate")[0]


def _scaled(values: Tensor) -> Tensor:
    """Clipped at the percentiles, scaled to [0, 1]; zero where all are alike."""
    flat = values.flatten()
    # torch.quantile takes 16 million at most.
    sample = flat[:: 1 + len(flat) // 2**22]
    low, high = torch.quantile(sample, sample.new_tensor(PERCENTILES))
    return ((values - low) / (high - low).clamp(min=torch.finfo(values.dtype).tiny)).clamp(0, 1)


def _matrix(start: Sequence[int], extent: Sequence[int], size: Sequence[int], mirror: bool) -> Tensor:
    """4x4 float64: pixels of the view to pixels of the image. Pixel centres are at integers, edges half a pixel off."""
    matrix = torch.eye(4, dtype=torch.float64)
    for axis, (s, n, length) in enumerate(zip(start, extent, size)):
        scale = n / length
        matrix[axis, axis], matrix[axis, 3] = scale, s + (scale - 1) / 2
    if mirror:
        matrix[1, 3] += matrix[1, 1] * (int(size[1]) - 1)
        matrix[1, 1] *= -1
    return matrix
