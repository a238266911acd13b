"""Losses of a point, read from a map by soft-argmax, against where it is.

The penalties are functions of a difference, element by element; `CoordinateLoss` applies one to a network's logits.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_landmarks.codecs.soft_argmax import soft_argmax
from monai_landmarks.data.dataset import State
from monai_landmarks.errors import ConfigError


class L1(nn.Module):
    """|d|."""

    def forward(self, difference: Tensor) -> Tensor:
        """Element by element."""
        return difference.abs()


class L2(nn.Module):
    """d^2."""

    def forward(self, difference: Tensor) -> Tensor:
        """Element by element."""
        return difference.square()


class Elastic(nn.Module):
    """A mixture of d^2 and |d|, half and half in arXiv 1907.12237.

    Args:
        squared: share of d^2.
    """

    def __init__(self, squared: float = 0.5) -> None:
        super().__init__()
        self.squared = squared

    def extra_repr(self) -> str:
        """Its number: a run that is resumed is told from another by the loss's text."""
        return f"squared={self.squared}"

    def forward(self, difference: Tensor) -> Tensor:
        """Element by element."""
        return self.squared * difference.square() + (1 - self.squared) * difference.abs()


class Wing(nn.Module):
    """w ln(1 + |d| / eps) below w, |d| - C from there on, C = w - w ln(1 + w / eps).

    Small differences keep a large gradient, large ones that of |d|. Source: Feng et al., Wing Loss, CVPR 2018; the
    numbers are KNEEL's, which meant them for pixels.

    Args:
        width: w, where the straight part begins.
        curvature: eps.
    """

    def __init__(self, width: float = 15.0, curvature: float = 3.0) -> None:
        super().__init__()
        self.width = width
        self.curvature = curvature

    def extra_repr(self) -> str:
        """Its numbers."""
        return f"width={self.width}, curvature={self.curvature}"

    def forward(self, difference: Tensor) -> Tensor:
        """Element by element."""
        size = difference.abs()
        offset = self.width - self.width * math.log1p(self.width / self.curvature)
        return torch.where(size < self.width, self.width * torch.log1p(size / self.curvature), size - offset)


class AdaptiveRobust(nn.Module):
    """Negative log-likelihood of Barron's general distribution, whose shape and scale are learned with the network.

    rho(d) = |a - 2| / a ((x^2 / |a - 2| + 1)^(a / 2) - 1), x = d / c, plus log c + log Z(a): a near 2 is a Gaussian, a
    near 0 a Cauchy distribution. Without log Z the shape could only fall. Z is the integral of exp(-rho), taken
    numerically at each call. Source: Barron, A General and Adaptive Robust Loss Function, CVPR 2019.

    Its parameters must be given to the optimiser beside the network's, and it must be on the network's device.

    Args:
        landmarks: 1: one shape and scale for each axis; K: for each axis of each of K landmarks.
        scale: c to begin with, in the differences' unit; a begins at 1.
    """

    least_scale = 1e-5
    shape_range = (0.001, 1.999)

    def __init__(self, landmarks: int = 1, scale: float = 1.0) -> None:
        super().__init__()
        self.shape_logit = nn.Parameter(torch.zeros(landmarks, 2))
        self.log_scale = nn.Parameter(torch.full((landmarks, 2), math.log(scale)))
        # Nodes of x = sinh t: even steps in t reach far enough for the heaviest tail.
        self.register_buffer("nodes", torch.linspace(-30, 30, 601, dtype=torch.float64), persistent=False)

    @property
    def shape(self) -> Tensor:
        """a, (landmarks, 2), between 0 and 2."""
        low, high = self.shape_range
        return low + (high - low) * torch.sigmoid(self.shape_logit)

    @property
    def scale(self) -> Tensor:
        """c, (landmarks, 2)."""
        return self.log_scale.exp() + self.least_scale

    def log_partition(self, shape: Tensor) -> Tensor:
        """log Z of each shape between 0 and 2, by the trapezoidal rule; float64."""
        nodes = cast(Tensor, self.nodes).double()
        size = nodes.abs()
        # log cosh and sinh without overflow in what follows.
        log_slope = size + torch.log1p(torch.exp(-2 * size)) - math.log(2)
        exponent = log_slope - general_robust(nodes.sinh(), shape.double()[..., None])
        return torch.logsumexp(exponent, -1) + torch.log(nodes[1] - nodes[0])

    def forward(self, difference: Tensor) -> Tensor:
        """Differences (..., K, 2) or (..., 2), element by element."""
        cost = general_robust(difference / self.scale, self.shape)
        return cost + self.scale.log() + self.log_partition(self.shape).to(difference.dtype)


def general_robust(value: Tensor, shape: Tensor) -> Tensor:
    """Barron's rho of value x and shape a, 0 < a < 2; by expm1 and log1p, since a may be near 0."""
    away = 2 - shape
    return away / shape * torch.expm1(shape / 2 * torch.log1p(value.square() / away))


class CoordinateLoss(nn.Module):
    """A penalty on each point's difference in rows and in columns, and cross-entropy on its presence.

    A landmark has a location penalty where it is present and inside the input; there it also trains presence. An absent
    one trains presence alone; one that an augmentation moved out of the input, or that is unlabelled, nothing. Presence
    is that of `Categorical`: sigmoid(logsumexp z).

    With mixed images the loss is share 0 of it for the points and share 1 of it for the partner's points.

    Args:
        penalty: of a difference, element by element: `Wing()`.
        stride: pixels of the input in a cell of the maps.
        presence_weight: weight of the presence.
        normalised: differences are shares of the input's rows and columns, as published, not pixels. (Wing's straight
            part is then never reached.)
        beta: of the soft-argmax.

    Raises:
        ConfigError: a negative weight.
    """

    def __init__(
        self,
        penalty: nn.Module,
        stride: float = 4,
        presence_weight: float = 1.0,
        normalised: bool = False,
        beta: float = 1.0,
    ) -> None:
        super().__init__()
        if presence_weight < 0:
            raise ConfigError(f"coordinate loss: presence_weight {presence_weight} must be 0 or more")
        self.penalty = penalty
        self.stride = stride
        self.presence_weight = presence_weight
        self.normalised = normalised
        self.beta = beta

    def extra_repr(self) -> str:
        """Its numbers."""
        own = f"stride={self.stride}, presence_weight={self.presence_weight}"
        return f"{own}, normalised={self.normalised}, beta={self.beta}"

    def forward(self, logits: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        """Scalar loss; 0, with a gradient of 0, when no landmark takes part.

        Args:
            logits: (B, K, rows, columns).
            target: `network_points` (B, K, 2) in pixels of the input and `state` (B, K); for mixed images also
                `partner_points`, `partner_state` and `share` (B, 2).
        """
        logits = logits.float()
        points = soft_argmax(logits, self.stride, self.beta)
        evidence = torch.logsumexp(logits.flatten(-2), -1)
        size = points.new_tensor(logits.shape[-2:]) * self.stride
        unit = size if self.normalised else torch.ones_like(size)
        sides = [(target["network_points"], target["state"], points.new_ones(len(points), 1))]
        if "share" in target:
            share = target["share"].to(points)
            sides = [
                (target["network_points"], target["state"], share[:, :1]),
                (target["partner_points"], target["partner_state"], share[:, 1:]),
            ]
        location, located, presence, judged = (points.new_zeros(()) for _ in range(4))
        for truth, state, share in sides:
            inside = ((truth >= -0.5) & (truth <= size - 0.5)).all(-1)
            seen = share * ((state == State.PRESENT) & inside)
            absent = share * (state == State.ABSENT)
            # NaN times 0 is NaN: a missing point is replaced, not weighed.
            difference = torch.where(inside[..., None], points - truth.to(points), 0.0) / unit
            location = location + (self.penalty(difference).mean(-1) * seen).sum()
            located = located + seen.sum()
            presence = presence + (F.softplus(-evidence) * seen + F.softplus(evidence) * absent).sum()
            judged = judged + (seen + absent).sum()
        return location / located.clamp(min=1.0) + self.presence_weight * presence / judged.clamp(min=1.0)
