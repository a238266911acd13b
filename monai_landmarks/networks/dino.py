"""DINO's ViT-S/8 as a frozen encoder: the keys of one attention layer, a cell every four pixels. Nothing downloads.

Structure and weights: Caron et al., "Emerging Properties in Self-Supervised Vision Transformers" (ICCV 2021). Which
layer and stride: FM-OSD (Miao et al., MICCAI 2024). Its log-binned neighbourhood of 17 bins is left out: the heads that
follow are convolutions, which see a cell's neighbours themselves.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.encoders import fill_encoder
from monai_landmarks.networks.unet import IMAGENET

DINO = "dino-vits8"
PATCH, WIDTH, HEADS = 8, 384, 6
# Patches overlap: one starts every four pixels.
STRIDE = 4
# The attention layer whose keys are taken, counted from 0.
LAYER = 8
# Patches along each side of the images DINO was trained on.
TRAINED = 28


class DinoEncoder(nn.Module):
    """The state dict's keys are those published (`cls_token`, `blocks.0.attn.qkv.weight`, ...), frozen.

    Later layers and the last normalisation are not needed and not kept.
    """

    channels = (WIDTH,)
    unused = (*(f"blocks.{number}." for number in range(LAYER + 1, 12)), "norm.")

    def __init__(self) -> None:
        super().__init__()
        self.cls_token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + TRAINED**2, WIDTH))
        self.patch_embed = nn.ModuleDict({"proj": nn.Conv2d(3, WIDTH, PATCH, STRIDE)})
        self.blocks = nn.ModuleList(_Block() for _ in range(LAYER + 1))
        mean, std = IMAGENET
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False)

    def forward(self, image: Tensor) -> list[Tensor]:
        """(B, 1, rows, columns) in [0, 1], sides multiples of 4, to [(B, 384, rows / 4, columns / 4)]."""
        three = (image.expand(-1, 3, -1, -1) - cast(Tensor, self.mean)) / cast(Tensor, self.std)
        # Patches reach half a stride beyond the border, so that each is centred on its cell.
        margin = (PATCH - STRIDE) // 2
        cells = self.patch_embed["proj"](F.pad(three, (margin,) * 4))
        tokens = cells.flatten(2).mT + self._places(cells.shape[-2], cells.shape[-1])
        first = (self.cls_token + self.pos_embed[:, :1]).expand(len(tokens), -1, -1)
        tokens = torch.cat((first, tokens), 1)
        for block in self.blocks[:LAYER]:
            tokens = block(tokens)
        keys = cast(_Block, self.blocks[LAYER]).keys(tokens)[:, 1:]
        return [keys.mT.unflatten(2, cells.shape[-2:])]

    def _places(self, rows: int, columns: int) -> Tensor:
        """The learnt embedding of each place, (1, cells, 384), for a grid of another size."""
        grid = self.pos_embed[:, 1:].mT.unflatten(2, (TRAINED, TRAINED))
        return F.interpolate(grid, (rows, columns), mode="bicubic").flatten(2).mT


class _Block(nn.Module):
    """Attention and two linear layers, each after a normalisation and added to its input."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.attn = nn.ModuleDict({"qkv": nn.Linear(WIDTH, 3 * WIDTH), "proj": nn.Linear(WIDTH, WIDTH)})
        self.norm2 = nn.LayerNorm(WIDTH, eps=1e-6)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(WIDTH, 4 * WIDTH), "fc2": nn.Linear(4 * WIDTH, WIDTH)})

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, N, 384) to the same."""
        parts = self.attn["qkv"](self.norm1(tokens)).unflatten(-1, (3, HEADS, WIDTH // HEADS))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value)
        tokens = tokens + self.attn["proj"](seen.transpose(1, 2).flatten(2))
        return tokens + self.mlp["fc2"](F.gelu(self.mlp["fc1"](self.norm2(tokens))))

    def keys(self, tokens: Tensor) -> Tensor:
        """What the tokens are found by, (B, N, 384)."""
        return self.attn["qkv"](self.norm1(tokens))[..., WIDTH : 2 * WIDTH]


def dino_encoder(weights: str | Path) -> DinoEncoder:
    """The encoder with published weights from a local file.

    Raises:
        ConfigError: no such file, or no state dict of ViT-S/8.
    """
    if not Path(weights).is_file():
        raise ConfigError(
            f"dino_weights: no file {weights}; fetch dino_deitsmall8_pretrain.pth of github.com/facebookresearch/dino "
            "and give its path, or leave dino_weights out: the fine stage then looks with the coarse model's encoder"
        )
    encoder = DinoEncoder()
    fill_encoder(encoder, DINO, weights)
    return encoder
