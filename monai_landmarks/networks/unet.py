"""The landmark U-Net: one grey channel in, one logit channel per landmark out."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
from monai.networks.nets import FlexibleUNet
from torch import Tensor, nn

from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.encoders import LITE0, fill_encoder

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# The lite models were trained on (255 x - 127) / 128.
LITE = ((127 / 255,) * 3, (128 / 255,) * 3)


class LandmarkUNet(nn.Module):
    """MONAI's FlexibleUNet behind the normalisation its encoder was trained with.

    Args:
        landmarks: number of output channels K.
        backbone: any name in FLEXUNET_BACKBONE: "efficientnet-lite0", MONAI's efficientnet-b0..b8, resnet10..200.
        encoder_weights: "package" (the ImageNet weights an installed package brings; efficientnet-lite0 only), a path
            to a state dict, or None for random initialisation. Nothing is downloaded.
        decoder_channels: channels of the five decoder stages, from stride 16 to stride 1.
        dropout: dropout of the decoder's blocks.

    Shapes: (B, 1, rows, columns) in [0, 1], sides multiples of 32, to logits (B, K, rows, columns).

    Raises:
        ConfigError: unknown backbone; weights missing or unfit.
    """

    def __init__(
        self,
        landmarks: int,
        backbone: str = LITE0,
        encoder_weights: str | Path | None = None,
        decoder_channels: tuple[int, ...] = (256, 128, 64, 32, 16),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        try:
            self.unet = FlexibleUNet(
                in_channels=3,
                out_channels=landmarks,
                backbone=backbone,
                pretrained=False,
                decoder_channels=tuple(decoder_channels),
                dropout=dropout,
                is_pad=False,
            )
        except ValueError as error:
            raise ConfigError(f"network: {error}") from None
        if encoder_weights is not None:
            fill_encoder(self.unet.encoder, backbone, encoder_weights)
        mean, std = LITE if backbone == LITE0 else IMAGENET
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Logits of each landmark at each pixel."""
        three = (image.expand(-1, 3, -1, -1) - cast(Tensor, self.mean)) / cast(Tensor, self.std)
        return self.unet(three)
