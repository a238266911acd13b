"""How logits are read as probabilities, and probabilities written as logits again.

Probabilities, not logits, are what may be averaged: a mean of probabilities is a vote, in which one that is sure and
wrong keeps its share; in a mean of logits it would veto the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

TINY = torch.finfo(torch.float32).tiny
# Logits of similarities at or below this are those of a landmark without a template: five scales' floors of 1e-2 make
# log 1e-10 = -23.0 (`networks.one_shot`).
NOTHING = -22.5


class Maps(NamedTuple):
    """A likelihood's reading of logits: `probability` and `complement`, which give the logits back (`logits_of`)."""

    probability: Tensor
    complement: Tensor


def maps_of(likelihood: Likelihood, logits: Tensor) -> Maps:
    """Probability and complement of logits."""
    return Maps(likelihood.probability(logits), likelihood.complement(logits))


def logits_of(maps: Maps) -> Tensor:
    """log probability - log complement; a common factor of both does not matter."""
    return maps.probability.clamp(min=TINY).log() - maps.complement.clamp(min=TINY).log()


class Likelihood(Protocol):
    """How a loss lets logits be read as probabilities."""

    def probability(self, logits: Tensor) -> Tensor:
        """Probability of each pixel, (..., K, rows, columns)."""

    def complement(self, logits: Tensor) -> Tensor:
        """What stands against a pixel, (..., K, 1 or rows, 1 or columns): logits = log probability - log complement."""

    def resampled(self, maps: Maps, warp: Callable[[Tensor], Tensor], area: float) -> Maps:
        """`probability` and `complement` on another grid.

        Args:
            maps: both.
            warp: resamples (B, K, rows, columns).
            area: old pixels in a new one.
        """

    def visible(self, plain: Maps, seen: Tensor) -> Tensor:
        """How much a view that sees the pixels `seen` (rows, columns), 1 or 0, has to say on the complement.

        Args:
            plain: probability and complement of the view that sees all.
            seen: what the view sees.
        """

    def presence(self, logits: Tensor) -> Tensor:
        """Probability that the landmark is present, (..., K)."""


class Categorical:
    """For spatial cross-entropy: one softmax over a channel's pixels and the absent class, whose logit is 0."""

    def probability(self, logits: Tensor) -> Tensor:
        """Softmax over rows, columns and the absent class; sums to `presence`."""
        scores = F.pad(logits.float().flatten(-2), (0, 1))
        return torch.softmax(scores, -1)[..., :-1].reshape(logits.shape)

    def complement(self, logits: Tensor) -> Tensor:
        """Probability of the absent class, (..., K, 1, 1)."""
        return torch.sigmoid(-torch.logsumexp(logits.float().flatten(-2), -1))[..., None, None]

    def resampled(self, maps: Maps, warp: Callable[[Tensor], Tensor], area: float) -> Maps:
        """A pixel's probability is an area's: it grows with the pixel. Absence has no place."""
        return Maps(warp(maps.probability) * area, maps.complement)

    def visible(self, plain: Maps, seen: Tensor) -> Tensor:
        """Share of the landmark's probability that lies where the view sees, (..., K, 1, 1): absence is relative."""
        total = plain.probability.sum((-2, -1), keepdim=True).clamp(min=TINY)
        return ((plain.probability * seen).sum((-2, -1), keepdim=True) / total).clamp(min=TINY)

    def presence(self, logits: Tensor) -> Tensor:
        """sigmoid(logsumexp z)."""
        return torch.sigmoid(torch.logsumexp(logits.float().flatten(-2), -1))


class Bernoulli:
    """For binary cross-entropy: each pixel on its own."""

    def probability(self, logits: Tensor) -> Tensor:
        """sigmoid(z)."""
        return torch.sigmoid(logits.float())

    def complement(self, logits: Tensor) -> Tensor:
        """sigmoid(-z), (..., K, rows, columns)."""
        return torch.sigmoid(-logits.float())

    def resampled(self, maps: Maps, warp: Callable[[Tensor], Tensor], area: float) -> Maps:
        """Each pixel on its own: values move, nothing else."""
        return Maps(warp(maps.probability), warp(maps.complement))

    def visible(self, plain: Maps, seen: Tensor) -> Tensor:
        """The pixels themselves."""
        return seen

    def presence(self, logits: Tensor) -> Tensor:
        """sigmoid(max z)."""
        return torch.sigmoid(logits.float().amax((-2, -1)))


class Similarity:
    """For maps of likeness: a logit is the logarithm of a similarity in [0, 1], each pixel on its own.

    A mean of several networks' or views' maps is a mean of similarities; nothing stands against a pixel.
    """

    def probability(self, logits: Tensor) -> Tensor:
        """exp(z), at most 1."""
        return logits.float().exp().clamp(max=1)

    def complement(self, logits: Tensor) -> Tensor:
        """1, (..., K, 1, 1)."""
        return torch.ones_like(logits[..., :1, :1], dtype=torch.float32)

    def resampled(self, maps: Maps, warp: Callable[[Tensor], Tensor], area: float) -> Maps:
        """A place is as alike on any grid."""
        return Maps(warp(maps.probability), maps.complement)

    def visible(self, plain: Maps, seen: Tensor) -> Tensor:
        """1: every view counts."""
        return torch.ones_like(plain.complement)

    def presence(self, logits: Tensor) -> Tensor:
        """1 where any pixel is like the template's point at all; 0 where the template has none, for all are `NOTHING`.

        Whether a query shows the landmark, a similarity does not tell: confidence is what there is.
        """
        return (logits.float().amax((-2, -1)) > NOTHING).float()


LIKELIHOODS: dict[str, type[Categorical] | type[Bernoulli] | type[Similarity]] = {
    "Categorical": Categorical,
    "Bernoulli": Bernoulli,
    "Similarity": Similarity,
}
