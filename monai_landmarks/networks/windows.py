"""Square windows around points: cut out of an image for a second look, and what was found there pasted back."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def window_centres(points: Tensor, coarse_size: Sequence[int], size: Sequence[int]) -> Tensor:
    """Pixels (..., 2), int64, of an image of `size` that hold points (..., 2) of the same image at `coarse_size`."""
    scale = points.new_tensor([size[0] / coarse_size[0], size[1] / coarse_size[1]])
    last = torch.tensor([size[0] - 1, size[1] - 1], device=points.device)
    return ((points + 0.5) * scale - 0.5).round().long().clamp(min=0).minimum(last)


def cut_windows(image: Tensor, centres: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Windows of images (B, 1, rows, columns) around centres (B, K, 2).

    Args:
        image: the images.
        centres: pixels, inside; a window's pixel `window` // 2 is its centre.
        window: side in pixels, even.

    Returns:
        (B, K, window, window), zero outside the image, and which of their pixels are inside.
    """
    half = window // 2
    rows, columns = _places(centres, window)
    padded = F.pad(image, (half,) * 4)[:, 0]
    sample = torch.arange(len(image), device=image.device)[:, None, None, None]
    inside = (rows >= half) & (rows < image.shape[-2] + half)
    inside = inside & (columns >= half) & (columns < image.shape[-1] + half)
    return padded[sample, rows, columns], inside


def paste_windows(values: Tensor, centres: Tensor, size: Sequence[int], ground: float) -> Tensor:
    """The windows' values (B, K, window, window) at their places in (B, K, rows, columns), `ground` elsewhere."""
    window, (batch, landmarks) = values.shape[-1], values.shape[:2]
    half = window // 2
    rows, columns = _places(centres, window)
    canvas = values.new_full((batch, landmarks, size[0] + 2 * half, size[1] + 2 * half), ground)
    sample = torch.arange(batch, device=values.device)[:, None, None, None]
    channel = torch.arange(landmarks, device=values.device)[None, :, None, None]
    canvas[sample, channel, rows, columns] = values
    return canvas[..., half : half + size[0], half : half + size[1]]


def _places(centres: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Rows (B, K, window, 1) and columns (B, K, 1, window) of the windows in an image padded by half a window."""
    offset = torch.arange(window, device=centres.device)
    return (centres[..., :1] + offset)[..., :, None], (centres[..., 1:] + offset)[..., None, :]
