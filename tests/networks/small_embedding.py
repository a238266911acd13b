"""Embedding networks for tests: few channels, and an encoder that is small and whose features do not vanish."""

from itertools import pairwise

import torch
from torch import nn

from monai_landmarks.networks.embedding import EmbeddingNet

SMALL = {"decoder_channels": (12, 10, 8, 6), "embedding": 5}


class SmallEncoder(nn.Module):
    """As many channels at strides 2 to 32 as efficientnet-lite0, a convolution for each."""

    def __init__(self):
        super().__init__()
        channels = (3, 16, 24, 40, 112, 320)
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(one, other, 2, stride=2), nn.BatchNorm2d(other), nn.Tanh())
            for one, other in pairwise(channels)
        )

    def forward(self, image):
        taps = [image]
        for stage in self.stages:
            taps.append(stage(taps[-1]))
        return taps[1:]


def small_net(**settings):
    """The same weights for the same settings, behind a `SmallEncoder` with the statistics of noise."""
    torch.manual_seed(0)
    net = EmbeddingNet(**{**SMALL, **settings})
    net.encoder = SmallEncoder().requires_grad_(not net.frozen)
    settled(net.encoder, lambda: net.encode(torch.rand(2, 1, 64, 64)))
    return net


def settled(module, run):
    """The module with the statistics of one pass instead of 0 and 1, in eval mode."""
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    module.train()
    with torch.no_grad():
        run()
    return module.eval()
