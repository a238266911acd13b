"""An embedding of each place of an image at several scales, for all landmarks or with a small part for each.

Structure and numbers: CC2D (Yao et al., MICCAI 2021); the adapters are those of He, Huang, Yao, Zhou, Zhou, "Landmarks
Are Alike Yet Distinct". Up-sampling keeps cell centres where they are (align_corners False), so that a cell of stride s
always stands for the same s pixels. With two of the scales it gives what SAM compares (Yan et al., IEEE TMI 2022): a
global and a local embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import repeat
from pathlib import Path
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.decoder_blocks import DecoderBlocks
from monai_landmarks.networks.encoders import LITE0, EfficientNetLite0Encoder, fill_encoder
from monai_landmarks.networks.unet import IMAGENET, LITE
from monai_landmarks.networks.vgg import STAGES, VGG19, Vgg19Encoder

STRIDES = (32, 16, 8, 4, 2)
# A receptive field block stands at each of the coarsest scales.
FIELDS = 3


class EmbeddingNet(nn.Module):
    """Encoder, decoder, receptive field blocks at strides 32, 16, 8 and a 1 x 1 convolution at each stride in use.

    With adapters, each level of the decoder and each receptive field block is followed by `adapter_channels` channels
    that the active landmark's own block computes from the same input, with its own normalisation; one landmark is
    active at a time. Where none is, these channels are 0. Everything else is shared.

    Args:
        encoder: "efficientnet-lite0" or "vgg19".
        encoder_weights: "package" (the ImageNet weights an installed package brings; efficientnet-lite0 only), a path
            to a state dict, or None for random initialisation. Nothing is downloaded.
        frozen: the encoder does not learn, and stays in eval mode.
        decoder_channels: channels at strides 16, 8, 4, 2.
        embedding: channels E of the embedding.
        landmarks: how many adapters; 0 with `adapter_channels` 0.
        adapter_channels: 0 for one decoder for all landmarks.
        mean_of: the strides in use, some of `STRIDES`, coarse first, the finest among them: how alike two places are is
            the mean of their embeddings' cosines at these. None: all five, and the product of the cosines
            (`networks.one_shot`). The blocks of a stride that is not in use do not exist.

    Raises:
        ConfigError: unknown encoder; weights missing or unfit; not four decoder channels; adapters without landmarks;
            strides that are not `STRIDES`' own, or out of order, or without the finest.
    """

    def __init__(
        self,
        encoder: str = LITE0,
        encoder_weights: str | Path | None = None,
        frozen: bool = True,
        decoder_channels: Sequence[int] = (256, 128, 64, 128),
        embedding: int = 64,
        landmarks: int = 0,
        adapter_channels: int = 0,
        mean_of: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        _check_sizes(decoder_channels, landmarks, adapter_channels)
        self.mean_of = None if mean_of is None else _some_strides(mean_of)
        self.strides = self.mean_of or STRIDES
        # Numbers of the scales in use, and of those with a receptive field block.
        used = [number for number, stride in enumerate(STRIDES) if stride in self.strides]
        self.fields = [number for number in used if number < FIELDS]
        self.frozen = frozen
        self.channels = embedding
        self.adapter_channels = adapter_channels
        self.encoder, taps, (mean, std) = _encoder(encoder)
        self.taps = taps
        if encoder_weights is not None:
            fill_encoder(self.encoder, encoder, encoder_weights)
        self.encoder.requires_grad_(not frozen)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        channels = [taps[0], *decoder_channels]
        # What a scale hands to the next one and to its head; the encoder's own tap has no adapter.
        handed = [channels[0]] + [count + adapter_channels for count in decoder_channels]
        self.handed = tuple(handed)
        entering = [above + tap for above, tap in zip(handed, taps[1:])]
        fields = [(handed[number], channels[number]) for number in self.fields]
        self.shared = DecoderBlocks(list(zip(entering, decoder_channels)), fields)
        self.heads = nn.ModuleDict({str(n): nn.Conv2d(channels[n] + adapter_channels, embedding, 1) for n in used})
        self.adapters = nn.ModuleList(
            DecoderBlocks([(n, adapter_channels) for n in entering], [(n, adapter_channels) for n, _ in fields])
            for _ in range(landmarks if adapter_channels else 0)
        )
        self.train()

    def train(self, mode: bool = True) -> EmbeddingNet:
        """Training mode for what learns: a frozen encoder keeps its statistics."""
        super().train(mode)
        if self.frozen:
            self.encoder.eval()
        return self

    def forward(self, image: Tensor, landmark: int | None = None) -> list[Tensor]:
        """The embeddings of an image.

        Args:
            image: (B, 1, rows, columns) in [0, 1], sides multiples of 32.
            landmark: whose adapter is active; None for none. Without adapters it does not matter.

        Returns:
            For each of `strides` (B, E, rows / stride, columns / stride), of length 1 over E.
        """
        return self.decode(self.encode(image), landmark)

    def encode(self, image: Tensor) -> list[Tensor]:
        """The encoder's features, coarse first: the same for all landmarks."""
        three = (image.expand(-1, 3, -1, -1) - cast(Tensor, self.mean)) / cast(Tensor, self.std)
        return self.encoder(three)[::-1]

    def decode(self, taps: Sequence[Tensor], landmark: int | None = None) -> list[Tensor]:
        """The embeddings, as `forward` gives them, of the encoder's features."""
        active = self.adapter_channels and landmark is not None
        own = cast(DecoderBlocks, self.adapters[cast(int, landmark)]) if active else None
        scales = [taps[0]]
        for tap, shared, adapter in zip(taps[1:], self.shared.levels, own.levels if own else repeat(None)):
            features = torch.cat((F.interpolate(scales[-1], scale_factor=2.0, mode="bilinear"), tap), 1)
            scales.append(self._with_adapter(features, shared, adapter))
        for scale, shared, adapter in zip(self.fields, self.shared.fields, own.fields if own else repeat(None)):
            scales[scale] = self._with_adapter(scales[scale], shared, adapter)
        return [F.normalize(head(scales[int(scale)]).float(), dim=1) for scale, head in self.heads.items()]

    def _with_adapter(self, features: Tensor, shared: nn.Module, adapter: nn.Module | None) -> Tensor:
        """The shared block's channels, and after them the active landmark's."""
        result = shared(features)
        if not self.adapter_channels:
            return result
        batch, _, rows, columns = result.shape
        extra = result.new_zeros(batch, self.adapter_channels, rows, columns) if adapter is None else adapter(features)
        return torch.cat((result, extra), 1)


def _check_sizes(decoder_channels: Sequence[int], landmarks: int, adapter_channels: int) -> None:
    """ConfigError unless the decoder and its adapters can be built."""
    if len(decoder_channels) != len(STRIDES) - 1:
        raise ConfigError(
            f"decoder_channels {list(decoder_channels)}: give {len(STRIDES) - 1}, for strides 16, 8, 4, 2"
        )
    if adapter_channels and not landmarks:
        raise ConfigError("adapter_channels without landmarks: say how many landmarks have an adapter")


def _some_strides(given: Sequence[int]) -> tuple[int, ...]:
    """Some of `STRIDES`, in their order, with the finest, to which every level of the decoder leads."""
    strides = tuple(given)
    if strides[-1:] != STRIDES[-1:] or strides != tuple(stride for stride in STRIDES if stride in strides):
        raise ConfigError(f"mean_of {list(given)}: give some of {list(STRIDES)}, in this order, the last among them")
    return strides


def _encoder(name: str) -> tuple[nn.Module, tuple[int, ...], tuple[tuple[float, ...], tuple[float, ...]]]:
    """An encoder, its channels at strides 32 to 2, mean and standard deviation of the images it was trained on."""
    if name == LITE0:
        return EfficientNetLite0Encoder(), EfficientNetLite0Encoder.num_channels_per_output()[0][::-1], LITE
    if name == VGG19:
        return Vgg19Encoder(), tuple(stage[-1] for stage in reversed(STAGES)), IMAGENET
    raise ConfigError(f"encoder {name!r}: choose {LITE0} or {VGG19}")
