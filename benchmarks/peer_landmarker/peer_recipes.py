"""Networks, targets, decoders and optimisers for the peer: its notebook's, and ones that get further in little time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from landmarker.heatmap import GaussianHeatmapGenerator
from landmarker.heatmap.decoder import coord_local_soft_argmax
from landmarker.losses import GaussianHeatmapL2Loss, NLLLoss
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
        sigma: of the Gaussians, pixels at 512.
    """

    def __init__(self, landmarks: int, size: tuple[int, int], learnable: bool = False, sigma: float = SIGMA) -> None:
        super().__init__()
        width = max(sigma * max(size) / AT, 1.0)
        # A Gaussian of the same height at every size and width.
        gamma = GAMMA * (width / SIGMA) ** 2
        self.generator = GaussianHeatmapGenerator(landmarks, width, gamma, heatmap_size=size, learnable=learnable)
        self.loss = GaussianHeatmapL2Loss(alpha=ALPHA if learnable else 0.0)

    def forward(self, output: Tensor, points: Tensor) -> Tensor:
        """The peer's loss."""
        loss: Tensor = self.loss(output, self.generator.sigmas, self.generator(points))
        return loss


class Likelihood(nn.Module):
    """The peer's cross-entropy of a softmax over the pixels with Gaussians that sum to 1, as wide as the notebook's."""

    def __init__(self, landmarks: int, size: tuple[int, int]) -> None:
        super().__init__()
        width = max(SIGMA * max(size) / AT, 1.0)
        self.generator = GaussianHeatmapGenerator(landmarks, width, gamma=1.0, heatmap_size=size)
        self.loss = NLLLoss()

    def forward(self, output: Tensor, points: Tensor) -> Tensor:
        """The peer's loss."""
        loss: Tensor = self.loss(output, self.generator(points))
        return loss


def adaptive(landmarks: int, size: tuple[int, int]) -> nn.Module:
    """The notebook's."""
    return Heatmaps(landmarks, size, learnable=True)


def wide(landmarks: int, size: tuple[int, int]) -> nn.Module:
    """Sixteen times the area: there is more to see in few steps."""
    return Heatmaps(landmarks, size, sigma=4 * SIGMA)


def of_probability(output: Tensor) -> Tensor:
    """Mean of the softmax in a window around the largest pixel, for networks that `Likelihood` trained."""
    points: Tensor = coord_local_soft_argmax(output, t=1.0)
    return points


def notebook_sgd(network: nn.Module, heatmaps: nn.Module) -> optim.Optimizer:
    """The notebook's optimiser."""
    groups: list[dict[str, Any]] = [
        {"params": network.parameters(), "weight_decay": 1e-3},
        {"params": heatmaps.parameters()},
    ]
    return optim.SGD(groups, lr=1e-6, momentum=0.99, nesterov=True)


def adam(network: nn.Module, heatmaps: nn.Module) -> optim.Optimizer:
    """Adam, which needs fewer steps."""
    return optim.Adam([*network.parameters(), *heatmaps.parameters()], lr=1e-3)


def our_network(landmarks: int) -> nn.Module:
    """The U-Net and the ImageNet encoder of monai_landmarks."""
    from monai_landmarks.networks.unet import LandmarkUNet

    network: nn.Module = LandmarkUNet(landmarks, encoder_weights="package")
    # As our own rows have it: faster on a CPU.
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


@dataclass(frozen=True)
class Recipe:
    """What one row trains.

    Attributes:
        network: of the number of landmarks.
        targets: of the number of landmarks and the input's size.
        optimizer: of network and heat-maps.
        decoder: output to points; the notebook's unless told otherwise.
        batch_size: images a step.
        anneal: the learning rate falls to 0 over the time, as in our recipe; the notebook keeps it.
    """

    network: Callable[[int], nn.Module]
    targets: Callable[[int, tuple[int, int]], nn.Module] = Heatmaps
    optimizer: Callable[[nn.Module, nn.Module], Any] = adam
    decoder: Callable[[Tensor], Tensor] = coord_local_soft_argmax
    batch_size: int = 4
    anneal: bool = True


def monai_unet(landmarks: int) -> nn.Module:
    """MONAI's residual U-Net, random weights."""
    return UNet(2, 1, landmarks, (32, 64, 128, 256, 512), (2, 2, 2, 2), num_res_units=2)


RECIPES: dict[str, Recipe] = {
    "scn": Recipe(lambda k: OriginalSpatialConfigurationNet(1, k), adaptive, notebook_sgd, batch_size=1, anneal=False),
    "scn-adam": Recipe(lambda k: OriginalSpatialConfigurationNet(1, k, la_dropout=0.0), adaptive),
    "scn-monai": Recipe(lambda k: SpatialConfigurationNet(2, 1, k), adaptive),
    "unet": Recipe(monai_unet),
    "unet-wide": Recipe(monai_unet, wide),
    "unet-nll": Recipe(monai_unet, Likelihood, decoder=of_probability),
    "flexible-unet": Recipe(lambda k: FlexibleUNet(1, k, "efficientnet-b0")),
    "our-network": Recipe(our_network),
    "our-network-nll": Recipe(our_network, Likelihood, decoder=of_probability),
}
