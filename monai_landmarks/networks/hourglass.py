"""The hourglass network: one grey channel in, one logit map of a quarter of the input's size per landmark out.

Structure and numbers: Tiulpin, Melekhov, Saarakkala, KNEEL, arXiv 1907.12237; the HMP block: Bulat and Tzimiropoulos,
arXiv 1808.04803. Convolutions carry no bias where batch normalisation follows, which would take it away again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_landmarks.errors import ConfigError

# torch.nn.functional.interpolate's names.
UPSAMPLING = ("nearest", "bilinear")
# Parts that belong to the landmarks, not to the image.
OUTPUT = ("output.", "presence.")


def conv_norm(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """Convolution that keeps the size, and batch normalisation."""
    convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs))


def conv_norm_relu(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    """`conv_norm`, rectified."""
    return conv_norm(inputs, outputs, kernel).append(nn.ReLU(inplace=True))


class HmpBlock(nn.Module):
    """Hierarchical, multi-scale: three 3x3 convolutions of m/2, m/4 and the remaining channels, each fed by the last.

    All three are concatenated, so that the block's channels see 3x3, 5x5 and 7x7 pixels; the skip is added. The third
    is not rectified, nor is the sum.

    Args:
        inputs: n.
        outputs: m.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half, quarter = outputs // 2, outputs // 4
        self.first = conv_norm_relu(inputs, half, 3)
        self.second = conv_norm_relu(half, quarter, 3)
        self.third = conv_norm(quarter, outputs - half - quarter, 3)
        self.skip = nn.Identity() if inputs == outputs else conv_norm(inputs, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, n, rows, columns) to (B, m, rows, columns)."""
        first = self.first(features)
        second = self.second(first)
        return torch.cat((first, second, self.third(second)), 1) + self.skip(features)


class BottleneckBlock(nn.Module):
    """The classic residual block, 1x1 to m/2, 3x3, 1x1 to m: the ablation's alternative.

    Args:
        inputs: n.
        outputs: m.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        half = outputs // 2
        self.path = nn.Sequential(
            conv_norm_relu(inputs, half, 1), conv_norm_relu(half, half, 3), conv_norm(half, outputs, 1)
        )
        self.skip = nn.Identity() if inputs == outputs else conv_norm(inputs, outputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, n, rows, columns) to (B, m, rows, columns)."""
        return self.path(features) + self.skip(features)


Block = Callable[[int, int], nn.Module]
BLOCKS: dict[str, Block] = {"hmp": HmpBlock, "bottleneck": BottleneckBlock}


class Hourglass(nn.Module):
    """One level: three blocks at full size, plus what the levels below see at half the size.

    Args:
        depth: levels, this one included.
        inputs, width, outputs: channels.
        block: makes a block of (inputs, outputs).
        upsampling: of the lower path's answer.
    """

    def __init__(self, depth: int, inputs: int, width: int, outputs: int, block: Block, upsampling: str) -> None:
        super().__init__()
        below = Hourglass(depth - 1, width, width, outputs, block, upsampling) if depth > 1 else block(width, outputs)
        self.lower = nn.Sequential(
            nn.MaxPool2d(2),
            block(inputs, width),
            block(width, width),
            block(width, width),
            below,
            block(outputs, outputs),
        )
        self.upper = nn.Sequential(block(inputs, width), block(width, width), block(width, outputs))
        self.upsampling = upsampling

    def forward(self, features: Tensor) -> Tensor:
        """(B, inputs, rows, columns) to (B, outputs, rows, columns); odd sizes too."""
        upper = self.upper(features)
        return upper + F.interpolate(self.lower(features), upper.shape[-2:], mode=self.upsampling)


class HourglassNet(nn.Module):
    """KNEEL's network up to its maps; the soft-argmax is the codec's (`monai_landmarks.codecs.soft_argmax`).

    The source repeats the grey image in three channels; here it is one: its first convolution with each kernel summed
    over the three computes the same. With the defaults it has 3,017,496 parameters and 96 for each landmark's map (the
    source's 97th, a bias, does not move a soft-argmax).

    Presence is ours, 97 parameters more for each landmark: a linear reading of the features where its map lies. Each
    map is normalised to a total of 1 and multiplied by the odds of presence: presence is sigmoid(logsumexp z) as
    everywhere here, and neither loss pulls at the other's output (docs/explanation/kneel.md).

    Args:
        landmarks: number of output maps K.
        width: channels of the first convolution; everything else is a multiple. 24 is published.
        depth: hourglass levels.
        block: name in `BLOCKS`.
        dropout: share of channels dropped before each of the two mixing convolutions.
        upsampling: one of `UPSAMPLING`.
        intensity: mean and standard deviation of the training set's pixels.

    Shapes: (B, 1, rows, columns) in [0, 1], sides of 2^(depth + 2) or more, to logits (B, K, r, c) with a quarter of
    the rows and columns (a side of 4 n + 3 gives n + 1, else it is rounded down): cell (i, j) stands for the input's
    pixels 4 i to 4 i + 3 and 4 j to 4 j + 3. A .pt2 export takes sides of 2^(depth + 3) or more.

    Raises:
        ConfigError: unknown block or up-sampling, numbers that give no network.
    """

    stride = 4

    def __init__(
        self,
        landmarks: int,
        width: int = 24,
        depth: int = 4,
        block: str = "hmp",
        dropout: float = 0.25,
        upsampling: str = "nearest",
        intensity: Sequence[float] = (0.5, 0.25),
    ) -> None:
        super().__init__()
        if block not in BLOCKS or upsampling not in UPSAMPLING:
            raise ConfigError(
                f"hourglass: there is no block {block!r} with up-sampling {upsampling!r}; choose block among "
                f"{', '.join(BLOCKS)}, upsampling among {', '.join(UPSAMPLING)}"
            )
        if width < 2 or depth < 1 or landmarks < 1 or not 0 <= dropout < 1 or intensity[1] <= 0:
            raise ConfigError(
                f"hourglass: width {width} must be 2 or more, depth {depth} and landmarks {landmarks} 1 or more, "
                f"dropout {dropout} in [0, 1), the standard deviation in intensity {list(intensity)} above 0"
            )
        make = BLOCKS[block]
        self.entry = nn.Sequential(
            nn.Conv2d(1, width, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            make(width, 2 * width),
            nn.MaxPool2d(2),
            make(2 * width, 2 * width),
            make(2 * width, 2 * width),
            make(2 * width, 4 * width),
        )
        self.hourglass = Hourglass(depth, 4 * width, 4 * width, 8 * width, make, upsampling)
        self.mixing = nn.Sequential(
            nn.Dropout2d(dropout),
            conv_norm_relu(8 * width, 8 * width, 1),
            nn.Dropout2d(dropout),
            conv_norm_relu(8 * width, 4 * width, 1),
        )
        self.output = nn.Conv2d(4 * width, landmarks, 1, bias=False)
        self.presence = nn.Conv2d(4 * width, landmarks, 1)
        # Undecided to begin with.
        nn.init.zeros_(self.presence.weight)
        nn.init.zeros_(cast(Tensor, self.presence.bias))
        self.register_buffer("mean", torch.tensor(float(intensity[0])), persistent=False)
        self.register_buffer("std", torch.tensor(float(intensity[1])), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """Logits of each landmark in each cell."""
        entry = self.entry((image - cast(Tensor, self.mean)) / cast(Tensor, self.std))
        features = self.mixing(self.hourglass(entry))
        # Sums over thousands of cells are not for half precision.
        maps, signs = self.output(features).float(), self.presence(features).float()
        share = torch.softmax(maps.detach().flatten(-2), -1)
        odds = (share * signs.flatten(-2)).sum(-1)
        return maps - torch.logsumexp(maps, (-2, -1), keepdim=True) + odds[..., None, None]

    def transfer_from(self, state_dict: Mapping[str, Tensor]) -> list[str]:
        """Take over another hourglass's weights, all but the output blocks'; stage 2 starts from stage 1 this way.

        Returns:
            Names of the entries left as they are: the output blocks', and any that the other lacks or has in another
            shape.

        Raises:
            ConfigError: no convolution fits.
        """
        fitting = {
            name: state_dict[name]
            for name, own in self.state_dict().items()
            if name in state_dict and own.shape == state_dict[name].shape and not name.startswith(OUTPUT)
        }
        # Batch normalisation's counters fit any network.
        if not any(value.ndim == 4 for value in fitting.values()):
            raise ConfigError(
                "transfer: no convolution of these weights fits this hourglass; give weights of a HourglassNet of "
                "the same width, depth and block"
            )
        return list(self.load_state_dict(fitting, strict=False).missing_keys)
