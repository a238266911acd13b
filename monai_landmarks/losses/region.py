"""Losses of a network's logits against label regions.

All take logits (B, K, rows, columns) and the dictionary a batch transform fills: `region`, the regions' weights of the
same shape, and `state`, (B, K) of `State`. A landmark has a location loss where it is present and its region not empty
(a point moved out of the image by an augmentation has none); an absent one trains presence; an unlabelled one nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_landmarks.data.dataset import State


class RegionBCE(nn.Module):
    """Pixel-wise binary cross-entropy, positives re-weighted as the regions shrink.

    Per sample and channel, w~ = w (S - n) / n multiplies the positive pixels' loss, S the number of pixels and n the
    number really labelled (cut at borders; the sum of weights for a Gaussian). The mean is over the pixels of the
    channels that take part. Source: arXiv 2309.16066, equation 1, with w = 1 (docs/explanation/label_augmentation.md).

    Args:
        weight: the base weight w.
        absent_weight: weight of a channel whose landmark is absent, trained as all-negative.
    """

    def __init__(self, weight: float = 1.0, absent_weight: float = 1.0) -> None:
        super().__init__()
        self.weight = weight
        self.absent_weight = absent_weight

    def positive_weight(self, region: Tensor) -> Tensor:
        """w (S - n) / n of each channel: (..., rows, columns) to (...); 0 where the channel is empty."""
        labelled = region.sum((-2, -1))
        pixels = region.shape[-2] * region.shape[-1]
        return torch.where(labelled > 0, self.weight * (pixels - labelled) / labelled.clamp(min=1e-6), 0.0)

    def forward(self, logits: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        """Scalar loss; 0, with a gradient of 0, when no channel takes part."""
        logits, region = logits.float(), target["region"].float()
        located = (target["state"] == State.PRESENT) & (region.sum((-2, -1)) > 0)
        absent = target["state"] == State.ABSENT
        weight = self.positive_weight(region)[..., None, None]
        positive = weight * region * F.softplus(-logits)
        negative = (1 - region) * F.softplus(logits)
        channel = (positive + negative).mean((-2, -1))
        share = located.float() + self.absent_weight * absent.float()
        return (channel * share).sum() / share.sum().clamp(min=1.0)


class PlainBCE(RegionBCE):
    """`RegionBCE` without the re-weighting: every positive pixel weighs w, however small the region. For ablations."""

    def positive_weight(self, region: Tensor) -> Tensor:
        """w of each channel that is not empty, (...)."""
        return torch.where(region.sum((-2, -1)) > 0, self.weight, 0.0)


class SpatialCrossEntropy(nn.Module):
    """Cross-entropy over a channel's pixels and an "absent" class, against the normalised region.

    The channel's logits and a fixed absent logit of 0 go through one softmax; the target is the region divided by its
    sum, or the absent class. Balanced by construction: no weight depends on the region's size.

    Args:
        absent_weight: weight of the channels whose landmark is absent.
    """

    def __init__(self, absent_weight: float = 1.0) -> None:
        super().__init__()
        self.absent_weight = absent_weight

    def forward(self, logits: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        """Scalar loss; 0, with a gradient of 0, when no channel takes part."""
        scores = logits.float().flatten(-2)
        region = target["region"].float().flatten(-2)
        mass = region.sum(-1)
        located = ((target["state"] == State.PRESENT) & (mass > 0)).float()
        absent = (target["state"] == State.ABSENT).float() * self.absent_weight
        normaliser = torch.logsumexp(F.pad(scores, (0, 1)), -1)
        expected = (region * scores).sum(-1) / mass.clamp(min=1e-6)
        loss = (normaliser - expected) * located + normaliser * absent
        return loss.sum() / (located + absent).sum().clamp(min=1.0)
