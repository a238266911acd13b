"""The blocks of CC2D's decoder, and the two sets of them that an embedding network computes with.

Structure and numbers: Yao et al., CC2D (MICCAI 2021); the receptive field block is that of Liu, Huang, Wang (ECCV 2018)
as CC2D uses it: the width of its input, no rectifier before the end.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Sides of a receptive field block's kernels, and how far the 3 x 3 that follows is spread.
REACHES = (3, 5, 7)


def double_conv(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3 x 3 convolutions, each normalised and rectified. The bias is CC2D's; published counts have it."""
    layers: list[nn.Module] = []
    for channels in (inputs, outputs):
        layers += [nn.Conv2d(channels, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers)


class ReceptiveFieldBlock(nn.Module):
    """What lies around a cell, seen at four sizes at once, added to the cell itself.

    Args:
        inputs: channels in.
        outputs: channels out, and of each branch.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList([_conv_norm(inputs, outputs, (1, 1))])
        for reach in REACHES:
            self.branches.append(
                nn.Sequential(
                    _conv_norm(inputs, outputs, (1, 1)),
                    _conv_norm(outputs, outputs, (1, reach)),
                    _conv_norm(outputs, outputs, (reach, 1)),
                    _conv_norm(outputs, outputs, (3, 3), spread=reach),
                )
            )
        self.joined = _conv_norm(len(self.branches) * outputs, outputs, (3, 3))
        self.residual = _conv_norm(inputs, outputs, (1, 1))

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, rows, columns) to (B, outputs, rows, columns)."""
        together = torch.cat([branch(features) for branch in self.branches], 1)
        return F.relu(self.joined(together) + self.residual(features))


class DecoderBlocks(nn.Module):
    """A decoder's double convolutions and receptive field blocks; an adapter is the same with fewer channels out.

    Args:
        levels: channels in and out of the double convolutions, coarse first.
        fields: channels in and out of the receptive field blocks, coarse first.
    """

    def __init__(self, levels: Sequence[tuple[int, int]], fields: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.levels = nn.ModuleList(double_conv(*channels) for channels in levels)
        self.fields = nn.ModuleList(ReceptiveFieldBlock(*channels) for channels in fields)


def _conv_norm(inputs: int, outputs: int, kernel: tuple[int, int], spread: int = 1) -> nn.Sequential:
    """Convolution that keeps the size, and batch normalisation."""
    padding = (spread * (kernel[0] // 2), spread * (kernel[1] // 2))
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=padding, dilation=spread, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))
