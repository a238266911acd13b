"""The point as the mean position of a whole map, which a coordinate loss trains end to end.

Source: KNEEL, arXiv 1907.12237, with beta 1; presence and confidence are ours.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from monai_landmarks.codecs.decode import Decoded
from monai_landmarks.codecs.likelihood import Categorical
from monai_landmarks.codecs.peaks import mean_in_window, nearest_index
from monai_landmarks.errors import ConfigError


def soft_argmax(logits: Tensor, stride: float = 4, beta: float = 1.0) -> Tensor:
    """Mean position under softmax(beta z) over a map's cells, in pixels of the network's input; differentiable.

    The centre of cell i lies at (i + 0.5) * stride - 0.5: pixel centres are at integers, and a cell covers `stride`
    pixels.

    Args:
        logits: (..., rows, columns).
        stride: pixels of the input in a cell, along either axis.
        beta: sharpness.

    Returns:
        (..., 2) as (row, column), float32.
    """
    rows, columns = logits.shape[-2:]
    share = torch.softmax(beta * logits.float().flatten(-2), -1).unflatten(-1, (rows, columns))
    row = (share.sum(-1) * torch.arange(rows, device=logits.device)).sum(-1)
    column = (share.sum(-2) * torch.arange(columns, device=logits.device)).sum(-1)
    return (torch.stack((row, column), -1) + 0.5) * stride - 0.5


class SoftArgmaxCodec:
    """Decodes with `soft_argmax`; presence is that of `Categorical`: sigmoid(logsumexp z).

    Confidence is presence times the share of the map in a window around the point: how much the network believes in the
    very place it answers. Where a map has two hills the point lies between them, and confidence is low.

    It names no candidates: between two hills there is no peak, and the points lie on another grid than the maps, so
    it takes no shape prior.

    Args:
        stride: pixels of the network's input in a cell of its maps.
        beta: sharpness, as in the training's loss.
        radius: half the window's side, in pixels of the network's input.

    Raises:
        ConfigError: a number that is not above 0.
    """

    def __init__(self, stride: float = 4, beta: float = 1.0, radius: float = 8.0) -> None:
        if min(stride, beta, radius) <= 0:
            raise ConfigError(f"soft-argmax: stride {stride}, beta {beta} and radius {radius} must be above 0")
        self.stride = stride
        self.beta = beta
        self.radius = radius
        self.likelihood = Categorical()

    def decode(self, logits: Tensor) -> Decoded:
        """Logits (..., K, rows, columns) to points in pixels of the network's input."""
        points = soft_argmax(logits, self.stride, self.beta)
        maps = torch.softmax(self.beta * logits.float().flatten(-2), -1).reshape(-1, *logits.shape[-2:])
        cells = (points.reshape(-1, 2) + 0.5) / self.stride - 0.5
        _, mass, _ = mean_in_window(maps, nearest_index(cells, maps), math.ceil(self.radius / self.stride))
        presence = self.likelihood.presence(logits)
        return Decoded(points, presence * mass.clamp(max=1).reshape(presence.shape), presence)

    def settings(self) -> dict[str, Any]:
        """What `codec_settings` notes."""
        own = {"stride": self.stride, "beta": self.beta}
        return {"likelihood": type(self.likelihood).__name__, "window": self.radius, "soft_argmax": own}
