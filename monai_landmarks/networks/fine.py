"""A second look at full resolution around the points of a one-shot network, which stays as it is.

FM-OSD's fine stage (Miao et al., MICCAI 2024), put after any one-shot network as F2 of He et al. does. Where they are
silent, or we differ:

| topic | here |
|---|---|
| encoder | the coarse network's own, frozen, or DINO's ViT-S/8 |
| heads | each feature map to D channels (1 x 1), the sum on one grid, one convolution (3 x 3 whole, 5 x 5 local) |
| cells | of 4 pixels of the coarse network's input (whole), of 2 pixels of the window (local) |
| the template's window | around the point the coarse network gives for the template itself, as for any query |
| confidence | the coarse one times the cosine of the fine descriptors |
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_landmarks.codecs.decode import Codec
from monai_landmarks.codecs.likelihood import NOTHING
from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.dino import DinoEncoder, dino_encoder
from monai_landmarks.networks.one_shot import FLOOR, LOWEST, OneShotNet, cells_of, centre_offsets, resized_maps
from monai_landmarks.networks.windows import cut_windows, paste_windows, window_centres

# Pixels in a cell: of the coarse network's input, and of a window.
WHOLE, LOCAL = 4, 2
# Logit outside the windows: below all that a window can state, yet of the logits' own size, for an exported file may
# differ by a share of the largest one (`sharing.exports`).
EMPTY = LOWEST + math.log(FLOOR)


class DescriptorHead(nn.Module):
    """An encoder's feature maps to descriptors of length 1 on one grid.

    Args:
        channels: of each feature map.
        descriptor: channels D.
        kernel: side of the last convolution, odd.
    """

    def __init__(self, channels: Sequence[int], descriptor: int, kernel: int) -> None:
        super().__init__()
        self.reduce = nn.ModuleList(nn.Conv2d(count, descriptor, 1) for count in channels)
        self.mix = nn.Conv2d(descriptor, descriptor, kernel, padding=kernel // 2)

    def forward(self, taps: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """Feature maps of any resolution to (B, D, *size)."""
        grids = (F.interpolate(reduced(tap), tuple(size), mode="bilinear") for reduced, tap in zip(self.reduce, taps))
        return F.normalize(self.mix(F.relu(reduce(torch.add, grids))).float(), dim=1)


class FineOneShotNet(nn.Module):
    """Where about by a one-shot network, where exactly by descriptors of a window around each of its points.

    A descriptor is the sum of two of length 1: what the window shows, and what the whole image shows there. The logits
    (B, K, rows, columns) are log(coarse confidence) + log(cosine) in a landmark's window and nothing outside, so that
    exp(logit) stays a similarity in [0, 1]. Descriptors exist on a window's cells and the coarse image's alone.

    Args:
        coarse: trained; frozen here.
        coarse_size: rows and columns of its input.
        window: side of the square window, in pixels of this network's input; a multiple of 32.
        codec: decodes the coarse logits; the windows lie around its points.
        descriptor: channels D.
        dino: look with DINO's encoder, not with the coarse network's.

    Raises:
        ConfigError: window no multiple of 32.
    """

    def __init__(
        self,
        coarse: OneShotNet,
        coarse_size: Sequence[int],
        window: int,
        codec: Codec,
        descriptor: int = 64,
        dino: bool = False,
    ) -> None:
        super().__init__()
        if window < 32 or window % 32:
            raise ConfigError(f"fine stage: window {window} must be a multiple of 32, in pixels")
        self.coarse = coarse.requires_grad_(False)
        self.coarse_size = (int(coarse_size[0]), int(coarse_size[1]))
        self.window = int(window)
        self.codec = codec
        self.dino = DinoEncoder() if dino else None
        channels = DinoEncoder.channels if dino else coarse.embedding.taps
        self.whole = DescriptorHead(channels, descriptor, 3)
        self.local = DescriptorHead(channels, descriptor, 5)
        self.register_buffer("template_fine", torch.zeros(coarse.landmarks, descriptor))
        self.register_buffer("template_offset", torch.zeros(coarse.landmarks, 2))
        self.train()

    @property
    def landmarks(self) -> int:
        """Number of landmarks K."""
        return self.coarse.landmarks

    def train(self, mode: bool = True) -> FineOneShotNet:
        """Training mode for what learns: the coarse network keeps its statistics."""
        super().train(mode)
        self.coarse.eval()
        return self

    @torch.no_grad()
    def set_template(self, image: Tensor, points: Tensor) -> None:
        """As `OneShotNet.set_template`, coarse and fine, for an image and points of this network's size."""
        self.set_coarse_template(image, points)
        centres = self.look(image)[1]
        places = points - centres[0] + self.window // 2
        self.get_buffer("template_fine").copy_(descriptors_in(self.descriptors(image, centres)[1], places))
        self.get_buffer("template_offset").copy_(centre_offsets(places, LOCAL))

    def set_coarse_template(self, image: Tensor, points: Tensor) -> None:
        """The coarse network's part of `set_template`, which no training of this network changes."""
        self.coarse.set_template(self.shrunk(image), self.shrunk_points(points, image.shape[-2:]))

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, K, rows, columns) of an image (B, 1, rows, columns) in [0, 1]."""
        sure, centres = self.look(image)
        template, offset = self.get_buffer("template_fine"), self.get_buffer("template_offset")
        cosines = torch.einsum("bkdhw,kd->bkhw", self.descriptors(image, centres)[1], template)
        maps = resized_maps(cosines.clamp(0.0, 1.0), LOCAL, offset).clamp(min=FLOOR).log() + sure[..., None, None]
        inside = cut_windows(torch.ones_like(image), centres, self.window)[1]
        logits = paste_windows(maps.masked_fill(~inside, EMPTY), centres, image.shape[-2:], EMPTY)
        return torch.where((sure > NOTHING)[..., None, None], logits, LOWEST)

    @torch.no_grad()
    def look(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The coarse answer: logarithm of its confidence (B, K), and the pixels (B, K, 2) the windows lie around."""
        logits = self.coarse(self.shrunk(image))
        points = self.codec.decode(logits).points
        return logits.amax((-2, -1)), window_centres(points, self.coarse_size, image.shape[-2:])

    def descriptors(self, image: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
        """What the whole image shows (B, D, cells), and both together in each window (B, K, D, cells), of length 1.

        Args:
            image: (B, 1, rows, columns).
            centres: (B, K, 2) pixels.
        """
        small, side = self.shrunk(image), self.window // LOCAL
        whole = self.whole(self._features(small), [extent // WHOLE for extent in self.coarse_size])
        windows, _ = cut_windows(image, centres, self.window)
        local = self.local(self._features(windows.flatten(0, 1)[:, None]), (side, side))
        local = local.unflatten(0, windows.shape[:2])
        return whole, F.normalize(local + self._around(whole, centres, image.shape[-2:]), dim=2)

    def shrunk(self, image: Tensor) -> Tensor:
        """The image as the coarse network sees it."""
        return F.interpolate(image, self.coarse_size, mode="bilinear", antialias=True)

    def shrunk_points(self, points: Tensor, size: Sequence[int]) -> Tensor:
        """Points (..., 2) of an image of `size`, in the pixels of what the coarse network sees of it."""
        return (points + 0.5) * points.new_tensor([side / full for side, full in zip(self.coarse_size, size)]) - 0.5

    def _features(self, image: Tensor) -> list[Tensor]:
        with torch.no_grad():
            return self.coarse.embedding.encode(image) if self.dino is None else self.dino(image)

    def _around(self, whole: Tensor, centres: Tensor, size: Sequence[int]) -> Tensor:
        """The whole image's descriptors at the cells of the windows, (B, K, D, cells, cells)."""
        offset = LOCAL * torch.arange(self.window // LOCAL, device=centres.device) + (LOCAL - 1) / 2 - self.window // 2
        rows, columns = (centres[..., axis, None] + offset for axis in range(2))
        # grid_sample has -1 and 1 at the image's outer edges, and (x, y).
        down, across = 2 * (rows + 0.5) / size[0] - 1, 2 * (columns + 0.5) / size[1] - 1
        grid = torch.stack(torch.broadcast_tensors(across[..., None, :], down[..., :, None]), -1)
        seen = F.grid_sample(whole, grid.flatten(1, 2), padding_mode="border", align_corners=False)
        return seen.unflatten(2, grid.shape[1:3]).transpose(1, 2)


def descriptors_in(maps: Tensor, places: Tensor) -> Tensor:
    """Of each window its own descriptor: maps (1, K, D, cells, cells), places (K, 2) in its pixels, to (K, D).

    0 where the place is NaN; of a place outside, the nearest cell's.
    """
    cells = cells_of(places, LOCAL).clamp(0, maps.shape[-1] - 1)
    found = maps[0, torch.arange(len(places), device=maps.device), :, cells[:, 0], cells[:, 1]]
    return found.masked_fill(places.isnan().any(-1, keepdim=True), 0.0)


class FinePairNet(nn.Module):
    """The network as its training runs it: a moved copy of the template in, cosines with the template's points out.

    Args:
        network: whose heads learn; on its device.
        template: the template, loaded: `image` (1, rows, columns) and `network_points` (K, 2).
    """

    def __init__(self, network: FineOneShotNet, template: Mapping[str, Any]) -> None:
        super().__init__()
        device = network.get_buffer("template_fine").device
        image = torch.as_tensor(template["image"], device=device).float()[None]
        points = torch.as_tensor(template["network_points"], device=device).float()
        network.set_template(image, points)
        self.network = network
        self.image = image
        self.points = points
        self.centres = network.look(image)[1]

    def forward(self, image: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
        """Cosines with each landmark's descriptor, (B, K, cells): of the whole image, and of each one's window.

        Args:
            image: (B, 1, rows, columns), of the template's size.
            centres: (B, K, 2), the windows' pixels.
        """
        network = self.network
        known, joined = network.descriptors(self.image, self.centres)
        cells = cells_of(network.shrunk_points(self.points, self.image.shape[-2:]), WHOLE)
        whole, windows = network.descriptors(image, centres)
        fine = descriptors_in(joined, self.points - self.centres[0] + network.window // 2)
        coarse = known[0, :, cells[:, 0], cells[:, 1]]
        return torch.einsum("bdhw,dk->bkhw", whole, coarse), torch.einsum("bkdhw,kd->bkhw", windows, fine)


def fine_network(
    coarse: OneShotNet, settings: Mapping[str, Any], codec: Codec, dino_weights: str | Path
) -> FineOneShotNet:
    """The network a training of the fine stage begins with.

    Args:
        coarse: with its weights.
        settings: `coarse_size`, `window`, `descriptor` and `dino` of the `FineOneShotNet`.
        codec: decodes the coarse logits.
        dino_weights: DINO's published ViT-S/8, where `dino`; else not looked at.

    Raises:
        ConfigError: no such file, or other weights.
    """
    network = FineOneShotNet(coarse, codec=codec, **settings)
    if network.dino is not None:
        network.dino = dino_encoder(dino_weights)
    return network
