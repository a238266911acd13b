"""Batch transforms that mix images and their points, and shake points; they run on the device (`PrepareLandmarkBatch`).

Randomness is torch's global generator, which the trainer seeds for each epoch.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from monai_landmarks.errors import ConfigError


class MixUpd:
    """Each image of a batch becomes lambda x + (1 - lambda) x', x' another of the batch, lambda ~ Beta(alpha, alpha).

    The batch's `network_points` and `state` stay those of x; it gains `partner_points` and `partner_state`, those of
    x', and `share` (B, 2), lambda and 1 - lambda, which a loss weighs the two with (`CoordinateLoss`). Each image has a
    lambda of its own. Source: Zhang et al., mixup, ICLR 2018; for points KNEEL, arXiv 1907.12237, with alpha 0.75.

    Args:
        alpha: near 0 an image is hardly mixed, 1 is uniform; 0: nothing is mixed, and the share is (1, 0).
        image_key, points_key, state_key: (B, 1, rows, columns), (B, K, 2), (B, K).

    Raises:
        ConfigError: a negative alpha.
    """

    def __init__(
        self,
        alpha: float = 0.75,
        image_key: str = "image",
        points_key: str = "network_points",
        state_key: str = "state",
    ) -> None:
        if alpha < 0:
            raise ConfigError(f"MixUp: alpha {alpha} must be 0 or more")
        self.alpha = alpha
        self.image_key = image_key
        self.points_key = points_key
        self.state_key = state_key

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Mix the images, add the partners."""
        image, share, partner = self._draw(batch)
        return {
            **batch,
            self.image_key: image,
            "partner_points": batch[self.points_key][partner],
            "partner_state": batch[self.state_key][partner],
            "share": share,
        }

    def _draw(self, batch: dict[str, Any]) -> tuple[Tensor, Tensor, Tensor]:
        """Mixed images, shares (B, 2) and each image's partner (B,)."""
        image = batch[self.image_key]
        partner = torch.randperm(len(image)).to(image.device)
        own = torch.ones(len(image))
        if self.alpha > 0:
            own = torch.distributions.Beta(self.alpha, self.alpha).sample((len(image),))
        share = torch.stack((own, 1 - own), -1).to(image)
        if self.alpha > 0:
            image = torch.lerp(image[partner], image, share[:, :1, None, None])
        return image, share, partner


class PublishedMixUpd(MixUpd):
    """KNEEL's code: lambda L(f(x), y) + (1 - lambda) L(f(mixed), y'), the first term on the clean image.

    The batch is doubled: clean images with their own points and share (lambda, 0), then the mixed ones with their
    partners' points and share (0, 1 - lambda). The mixed image is never asked for what it shows most of when lambda is
    large. Batch normalisation sees both halves together. Only the keys of images, points and states are doubled.
    """

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Double the batch."""
        image, share, partner = self._draw(batch)
        points, state = batch[self.points_key], batch[self.state_key]
        nothing = torch.zeros_like(share[:, 0])
        clean = torch.stack((share[:, 0], nothing), -1)
        mixed = torch.stack((nothing, share[:, 1]), -1)
        return {
            **batch,
            self.image_key: torch.cat((batch[self.image_key], image)),
            self.points_key: torch.cat((points, points)),
            self.state_key: torch.cat((state, state)),
            "partner_points": points[partner].repeat(2, 1, 1),
            "partner_state": state[partner].repeat(2, 1),
            "share": torch.cat((clean, mixed)),
        }


class JitterTargetsd:
    """Shift the points of some images at random, each point by its own amount, as an annotator's hand would.

    Args:
        reach: largest shift along each axis, in pixels of the input.
        prob: probability for each image.
        points_key: (B, K, 2).

    Raises:
        ConfigError: a negative reach, or a probability outside 0 to 1.
    """

    def __init__(self, reach: float = 1.0, prob: float = 0.5, points_key: str = "network_points") -> None:
        if reach < 0 or not 0 <= prob <= 1:
            raise ConfigError(f"target jitter: reach {reach} must be 0 or more and prob {prob} between 0 and 1")
        self.reach = reach
        self.prob = prob
        self.points_key = points_key

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Shift; a missing point stays missing."""
        points = batch[self.points_key]
        chosen = torch.rand(len(points), 1, 1) < self.prob
        shift = (2 * torch.rand(points.shape) - 1) * self.reach * chosen
        return {**batch, self.points_key: points + shift.to(points)}
