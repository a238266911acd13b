"""Plain Gaussian heat-map regression on the same network, data and optimiser: what label regions are compared with.

The network's output itself is the heat-map: a Gaussian of fixed width and height 1 around each point, learned by mean
squared error; its local centroid is the point. Registered as a likelihood, so that the bundle's own parts decode it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ablation import constant
from torch import Tensor, nn

from monai_landmarks.codecs.likelihood import LIKELIHOODS
from monai_landmarks.data.dataset import State


class HeatmapMSE(nn.Module):
    """Squared difference between output and heat-map, summed over pixels, mean over the channels that take part.

    Takes what the losses of `monai_landmarks.losses.region` take; an absent landmark's heat-map is 0.
    """

    def forward(self, output: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        """Scalar loss; 0, with a gradient of 0, when no channel takes part."""
        region = target["region"].float()
        located = (target["state"] == State.PRESENT) & (region.sum((-2, -1)) > 0)
        share = (located | (target["state"] == State.ABSENT)).float()
        channel = (output.float() - region).square().sum((-2, -1))
        return (channel * share).sum() / share.sum().clamp(min=1.0)


class Heatmap:
    """The output as it is: its height is how sure the network is."""

    def probability(self, logits: Tensor) -> Tensor:
        """Height of each pixel, cut to [0, 1]."""
        return logits.float().clamp(0, 1)

    def complement(self, logits: Tensor) -> Tensor:
        """What is missing to 1."""
        return 1 - self.probability(logits)

    def presence(self, logits: Tensor) -> Tensor:
        """Height of the peak, (..., K)."""
        return self.probability(logits).flatten(-2).amax(-1)


LIKELIHOODS["Heatmap"] = Heatmap  # type: ignore[assignment]

PLACE = "accuracy_heatmap."
CENTROID: dict[str, Any] = {
    "_target_": "monai_landmarks.codecs.decode.LocalSoftArgmaxCodec",
    "likelihood": {"_target_": PLACE + "Heatmap"},
    "radius": 8.0,
}
WITH_PRIOR: dict[str, Any] = {
    "_target_": "monai_landmarks.codecs.shape_codec.with_prior",
    "codec": CENTROID,
    "prior": "$shape_prior.training_prior(@dataset, @reader)",
}


def overrides(radius: float, prior: bool) -> dict[str, Any]:
    """Config entries of train.yaml.

    Args:
        radius: sigma is radius / sqrt(6), in pixels of an image whose longer side is 512.
        prior: points that cannot be, given the others, are looked for again, as in the bundle's recipe.
    """
    return {
        **constant(radius),
        "shape": {"_target_": "monai_landmarks.transforms.shapes.Gaussian"},
        "loss": {"_target_": PLACE + "HeatmapMSE"},
        "likelihood": {"_target_": PLACE + "Heatmap"},
        "peaks": CENTROID,
        "codec": WITH_PRIOR if prior else CENTROID,
        "test_time_mirror": False,
    }
