"""Networks, heat-maps and optimisers for the peer: its notebook's, and ones that get further in little time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from landmarker.heatmap import GaussianHeatmapGenerator
from landmarker.losses import GaussianHeatmapL2Loss
from landmarker.models import OriginalSpatialConfigurationNet, SpatialConfigurationNet
from monai.networks.nets import FlexibleUNet, UNet
from torch import Tensor, nn, optim

# The notebook's, at an input of 512.
AT, SIGMA, GAMMA, ALPHA = 512, 3.0, 100.0, 5.0


class Heatmaps(nn.Module):
    """The peer's generator and loss: (output, points) to a number.

    Args:
        learnable: the Gaussians' widths and rotations are learned with the network (the notebook's adaptive heat-maps);
            otherwise they are fixed, and the loss is the plain squared difference.
    """

    def __init__(self, landmarks: int, size: tuple[int, int], learnable: bool) -> None:
        super().__init__()
        scale = max(size) / AT
        self.generator = GaussianHeatmapGenerator(
            nb_landmarks=landmarks,
            sigmas=max(SIGMA * scale, 1.0),
            # A Gaussian of the same height at every size.
            gamma=GAMMA * (max(SIGMA * scale, 1.0) / SIGMA) ** 2,
            heatmap_size=size,
            learnable=learnable,
        )
        self.loss = GaussianHeatmapL2Loss(alpha=ALPHA if learnable else 0.0)

    def forward(self, output: Tensor, points: Tensor) -> Tensor:
        """The peer's loss."""
        loss: Tensor = self.loss(output, self.generator.sigmas, self.generator(points))
        return loss


def notebook_sgd(network: nn.Module, heatmaps: Heatmaps) -> optim.Optimizer:
    """The notebook's optimiser."""
    groups: list[dict[str, Any]] = [
        {"params": network.parameters(), "weight_decay": 1e-3},
        {"params": heatmaps.parameters()},
    ]
    return optim.SGD(groups, lr=1e-6, momentum=0.99, nesterov=True)


def adam(network: nn.Module, heatmaps: Heatmaps) -> optim.Optimizer:
    """Adam, which needs fewer steps."""
    return optim.Adam([*network.parameters(), *heatmaps.parameters()], lr=1e-3)


def our_network(landmarks: int) -> nn.Module:
    """The U-Net and the ImageNet encoder of monai_landmarks."""
    from monai_landmarks.networks.unet import LandmarkUNet

    return LandmarkUNet(landmarks, encoder_weights="package")


@dataclass(frozen=True)
class Recipe:
    """What one row trains.

    Attributes:
        network: of the number of landmarks.
        optimizer: of network and heat-maps.
        learnable: adaptive heat-maps.
        batch_size: images a step.
        anneal: the learning rate falls to 0 over the time, as in our recipe; the notebook keeps it.
    """

    network: Callable[[int], nn.Module]
    optimizer: Callable[[nn.Module, Heatmaps], Any] = adam
    learnable: bool = False
    batch_size: int = 4
    anneal: bool = True


RECIPES: dict[str, Recipe] = {
    "scn": Recipe(lambda k: OriginalSpatialConfigurationNet(1, k), notebook_sgd, True, 1, False),
    "scn-adam": Recipe(lambda k: OriginalSpatialConfigurationNet(1, k, la_dropout=0.0), learnable=True),
    "scn-monai": Recipe(lambda k: SpatialConfigurationNet(2, 1, k), learnable=True),
    "unet": Recipe(lambda k: UNet(2, 1, k, (32, 64, 128, 256, 512), (2, 2, 2, 2), num_res_units=2)),
    "flexible-unet": Recipe(lambda k: FlexibleUNet(1, k, "efficientnet-b0")),
    "our-network": Recipe(our_network),
}
