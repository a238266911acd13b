"""From logits to points: where the point is, how sure the network is of it, whether it is there at all.

Encoding, the other direction, is `monai_landmarks.transforms.regions`; both share pixel centres at integers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor


class Decoded(NamedTuple):
    """Points (..., K, 2) as (row, column) in network pixels; confidence and presence (..., K) in [0, 1]."""

    points: Tensor
    confidence: Tensor
    presence: Tensor


class Codec(Protocol):
    """Anything that decodes logits."""

    def decode(self, logits: Tensor) -> Decoded:
        """Logits (..., K, rows, columns) to points, confidence and presence."""


class Likelihood(Protocol):
    """How a loss lets logits be read as probabilities."""

    def probability(self, logits: Tensor) -> Tensor:
        """Probability of each pixel, (..., K, rows, columns)."""

    def presence(self, logits: Tensor) -> Tensor:
        """Probability that the landmark is present, (..., K)."""


class Categorical:
    """For spatial cross-entropy: one softmax over a channel's pixels and the absent class, whose logit is 0."""

    def probability(self, logits: Tensor) -> Tensor:
        """Softmax over rows, columns and the absent class; sums to `presence`."""
        scores = F.pad(logits.float().flatten(-2), (0, 1))
        return torch.softmax(scores, -1)[..., :-1].reshape(logits.shape)

    def presence(self, logits: Tensor) -> Tensor:
        """sigmoid(logsumexp z)."""
        return torch.sigmoid(torch.logsumexp(logits.float().flatten(-2), -1))


class Bernoulli:
    """For binary cross-entropy: each pixel on its own."""

    def probability(self, logits: Tensor) -> Tensor:
        """sigmoid(z)."""
        return torch.sigmoid(logits.float())

    def presence(self, logits: Tensor) -> Tensor:
        """sigmoid(max z)."""
        return torch.sigmoid(logits.float().amax((-2, -1)))


class ArgmaxCodec:
    """The pixel with the largest logit (the paper's decoder); confidence is its probability.

    Args:
        likelihood: how the network was trained: `Categorical()` or `Bernoulli()`.
    """

    def __init__(self, likelihood: Likelihood) -> None:
        self.likelihood = likelihood

    def decode(self, logits: Tensor) -> Decoded:
        """Logits (..., K, rows, columns) to whole-pixel points."""
        probability = self.likelihood.probability(logits).flatten(-2)
        index = logits.flatten(-2).argmax(-1)
        columns = logits.shape[-1]
        points = torch.stack((index // columns, index % columns), -1).float()
        confidence = probability.gather(-1, index[..., None])[..., 0]
        return Decoded(points, confidence, self.likelihood.presence(logits))


class LocalSoftArgmaxCodec:
    """Sub-pixel: the mean position of the probability in a window around the window's best place.

    The window is placed where it holds the most probability, so a lone noisy pixel does not decide; the mean within it
    is exact for any region symmetric about its point. Confidence is the probability in the window for `Categorical`
    (the network's own belief that the point is within it), the largest pixel's for `Bernoulli`.

    Args:
        likelihood: how the network was trained: `Categorical()` or `Bernoulli()`.
        radius: half the window's side, in pixels of an image whose longer side is 512.
    """

    def __init__(self, likelihood: Likelihood, radius: float = 8.0) -> None:
        self.likelihood = likelihood
        self.radius = radius

    def decode(self, logits: Tensor) -> Decoded:
        """Logits (..., K, rows, columns) to sub-pixel points."""
        probability = self.likelihood.probability(logits)
        rows, columns = logits.shape[-2:]
        reach = max(1, math.ceil(self.radius * max(rows, columns) / 512))
        side = 2 * reach + 1
        flat = probability.reshape(-1, 1, rows, columns)
        mass = F.avg_pool2d(flat, side, stride=1, padding=reach) * side**2
        index = mass.flatten(1).argmax(-1)
        centre_row, centre_column = index // columns, index % columns
        padded = F.pad(flat, (reach,) * 4)[:, 0]
        offset = torch.arange(side, device=logits.device)
        which = torch.arange(len(index), device=logits.device)[:, None, None]
        window = padded[
            which, (centre_row[:, None] + offset)[:, :, None], (centre_column[:, None] + offset)[:, None, :]
        ]
        total = window.sum((-2, -1)).clamp(min=torch.finfo(window.dtype).tiny)
        shift = (offset - reach).to(window.dtype)
        row = centre_row + (window.sum(-1) * shift).sum(-1) / total
        column = centre_column + (window.sum(-2) * shift).sum(-1) / total
        confidence = total.clamp(max=1) if isinstance(self.likelihood, Categorical) else flat.flatten(1).amax(-1)
        shape = logits.shape[:-2]
        points = torch.stack((row, column), -1).reshape(*shape, 2)
        return Decoded(points, confidence.reshape(shape), self.likelihood.presence(logits))


LIKELIHOODS: dict[str, type[Categorical] | type[Bernoulli]] = {"Categorical": Categorical, "Bernoulli": Bernoulli}


def codec_settings(codec: ArgmaxCodec | LocalSoftArgmaxCodec) -> dict[str, Any]:
    """What to note of a codec beside the weights: its likelihood's name and its window, None for whole pixels."""
    window = codec.radius if isinstance(codec, LocalSoftArgmaxCodec) else None
    return {"likelihood": type(codec.likelihood).__name__, "window": window}


def codec_from(settings: Mapping[str, Any]) -> ArgmaxCodec | LocalSoftArgmaxCodec:
    """The codec of which `codec_settings` were noted."""
    likelihood = LIKELIHOODS[settings["likelihood"]]()
    if settings["window"] is None:
        return ArgmaxCodec(likelihood)
    return LocalSoftArgmaxCodec(likelihood, settings["window"])
