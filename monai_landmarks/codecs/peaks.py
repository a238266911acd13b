"""Places in a map that hold much probability: windows around pixels, and the best windows that do not overlap."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Combine = Callable[[Tensor, Tensor], Tensor]


def window_reach(radius: float, logits: Tensor) -> int:
    """Pixels on either side of a window's centre, for a radius in pixels of an image whose longer side is 512."""
    return max(1, math.ceil(radius * max(logits.shape[-2:]) / 512))


def window_mass(maps: Tensor, reach: int) -> Tensor:
    """Probability in the window around each pixel, (N, rows, columns) to the same shape."""
    return _in_windows(torch.add, maps, reach, 0.0)


def _in_windows(combine: Combine, maps: Tensor, reach: int, outside: float) -> Tensor:
    """Sum or largest of the window around each pixel; `outside` lies beyond the map's edge."""
    padded = F.pad(maps, (reach,) * 4, value=outside)
    rows = _sliding(combine, padded.transpose(-2, -1), 2 * reach + 1).transpose(-2, -1)
    return _sliding(combine, rows, 2 * reach + 1)


def _sliding(combine: Combine, values: Tensor, width: int) -> Tensor:
    """Each value of the last axis and the width - 1 after it, width odd: log2(width) steps, pooling takes width.

    Parts of 2, 4, 8, ... values are made of two halves; those that with a single one add up to `width` are combined.
    """
    count = values.shape[-1] - width + 1
    found, done, part, size = values[..., :count], 1, values, 1
    while 2 * size <= width:
        part, size = combine(part[..., :-size], part[..., size:]), 2 * size
        if width & size:
            found, done = combine(found, part[..., done : done + count]), done + size
    return found


def mean_in_window(maps: Tensor, index: Tensor, reach: int) -> tuple[Tensor, Tensor, Tensor]:
    """Mean position (N, 2), sum (N,) and largest value (N,) of each map (N, rows, columns) in a window.

    Args:
        maps: probabilities.
        index: (N,) the windows' centres, row * columns + column.
        reach: pixels on either side of the centre.
    """
    columns = maps.shape[-1]
    centre_row, centre_column = index // columns, index % columns
    padded = F.pad(maps, (reach,) * 4)
    offset = torch.arange(2 * reach + 1, device=maps.device)
    which = torch.arange(len(index), device=maps.device)[:, None, None]
    window = padded[which, (centre_row[:, None] + offset)[:, :, None], (centre_column[:, None] + offset)[:, None, :]]
    total = window.sum((-2, -1)).clamp(min=torch.finfo(window.dtype).tiny)
    shift = (offset - reach).to(window.dtype)
    row = centre_row + (window.sum(-1) * shift).sum(-1) / total
    column = centre_column + (window.sum(-2) * shift).sum(-1) / total
    return torch.stack((row, column), -1), total, window.amax((-2, -1))


def separate_peaks(score: Tensor, count: int, reach: int) -> Tensor:
    """Non-maximum suppression: (N, rows, columns) to the (N, count) largest local maxima whose windows do not overlap.

    A local maximum is the largest of a window twice as wide, so a peak's flank is none. Where there are fewer than
    `count`, the rest is the first pixel.
    """
    rows, columns = score.shape[-2:]
    row = torch.arange(rows, device=score.device)[:, None]
    column = torch.arange(columns, device=score.device)
    score = score.masked_fill(score < _in_windows(torch.maximum, score, 2 * reach, -torch.inf), -torch.inf)
    found = []
    for _ in range(count):
        index = score.flatten(1).argmax(-1)
        found.append(index)
        # Equal maxima of a plateau are one.
        near = (row - index[:, None, None] // columns).abs() <= 2 * reach
        near = near & ((column - index[:, None, None] % columns).abs() <= 2 * reach)
        score = score.masked_fill(near, -torch.inf)
    return torch.stack(found, -1)


def nearest_index(points: Tensor, maps: Tensor) -> Tensor:
    """row * columns + column (N,) of the pixel nearest to each point (N, 2)."""
    rows, columns = maps.shape[-2:]
    whole = torch.floor(points + 0.5).long()
    return whole[:, 0].clamp(0, rows - 1) * columns + whole[:, 1].clamp(0, columns - 1)
