"""Losses of embeddings: the cell of an image that shows what a descriptor shows must be the one most like it.

Sources: CC2D (Yao et al., MICCAI 2021) and FM-OSD (Miao et al., MICCAI 2024). Where they are silent:

| topic | here |
|---|---|
| distance of two cells | Euclidean, between their indices; the true cell is the one the point lies in |
| window at the border of the map | cut, not shifted |
| a pair whose point is in no cell | has no loss; the mean is over the others |
| sum over scales | of means over the batch, all scales alike |
| unit of FM-OSD's s | cells of the map; its hill has its top at the point, not at a cell's centre |
| cells of FM-OSD's mean | all of a map, the maps of all landmarks in the image alike |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_landmarks.data.dataset import State
from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.embedding import STRIDES


def cell_of(points: Tensor, stride: float, size: Sequence[int]) -> Tensor:
    """Row and column (..., 2), int64, of the cell a point lies in: floor((p + 0.5) / stride), cut to the map.

    Cell i of a map of stride s is the pixels s i to s i + s - 1; its centre lies at (i + 0.5) s - 0.5.

    Args:
        points: (..., 2) in pixels; NaN counts as 0.
        stride: pixels in a cell, along either axis.
        size: rows and columns of the map.
    """
    last = torch.tensor([int(size[0]) - 1, int(size[1]) - 1], device=points.device)
    cell = torch.floor((torch.nan_to_num(points) + 0.5) / stride).long()
    return torch.minimum(cell.clamp(min=0), last)


def inside_of(points: Tensor, stride: float, size: Sequence[int]) -> Tensor:
    """Which points (..., 2) lie in a cell of the map, (...); NaN lies in none."""
    whole = points.new_tensor([float(size[0]), float(size[1])]) * stride
    return ((points >= -0.5) & (points < whole - 0.5)).all(-1)


def embeddings_at(embedding: Tensor, points: Tensor, stride: float) -> Tensor:
    """The embedding (B, E) of the cell each image's own point (B, 2) lies in, from a map (B, E, rows, columns)."""
    cell = cell_of(points, stride, embedding.shape[-2:])
    return embedding[torch.arange(len(cell), device=cell.device), :, cell[:, 0], cell[:, 1]]


def cosine_maps(embedding: Tensor, descriptors: Tensor) -> Tensor:
    """Cosine (B, K, rows, columns) of each cell of a map (B, E, rows, columns) and each descriptor (B, K, E).

    Both are of length 1, as `networks.embedding.EmbeddingNet` gives them.
    """
    return torch.bmm(descriptors, embedding.flatten(2)).unflatten(2, embedding.shape[-2:])


class WindowedSimilarityLoss(nn.Module):
    """CC2D's: cross-entropy over the image's cells of the logits `scale` cos + min(`bias` d, `most`).

    cos is the cosine of a cell of the image and the patch's cell at the point, d the distance in cells to the image's
    true cell. The bias counts against the far cells: they must be less alike still. Over all cells at the coarsest
    scale, over a window around the true cell at the finer ones, where what is far has been ruled out; the sum of all.

    Args:
        strides: pixels in a cell of each scale, coarse first.
        scale: of the cosine.
        bias: logit a cell gets for each cell of distance.
        most: largest such logit.
        reach: cells on either side of the true one in a window.
        image_key, patch_key: where the target holds the points, (B, 2) in pixels of the image and of the patch.

    Raises:
        ConfigError: a stride, the scale or the window is not above 0.
    """

    def __init__(
        self,
        strides: Sequence[int] = STRIDES,
        scale: float = 10.0,
        bias: float = 0.7,
        most: float = 8.0,
        reach: int = 11,
        image_key: str = "image_point",
        patch_key: str = "patch_point",
    ) -> None:
        super().__init__()
        if not strides or min(*strides, scale, reach) <= 0:
            raise ConfigError(f"similarity loss: strides {strides}, scale {scale} and reach {reach} must be above 0")
        self.strides = tuple(strides)
        self.scale = scale
        self.bias = bias
        self.most = most
        self.reach = reach
        self.image_key = image_key
        self.patch_key = patch_key

    def forward(self, embeddings: tuple[Sequence[Tensor], Sequence[Tensor]], target: Mapping[str, Tensor]) -> Tensor:
        """Scalar; 0, with a gradient, where no pair can be used.

        Args:
            embeddings: of the image and of the patch, for each scale a map (B, E, rows, columns).
            target: the same place in the image and in the patch.

        Raises:
            ConfigError: not as many scales as strides.
        """
        image_point, patch_point = target[self.image_key].float(), target[self.patch_key].float()
        scales = list(zip(embeddings[0], embeddings[1], strict=True))
        if len(scales) != len(self.strides):
            raise ConfigError(f"similarity loss: {len(scales)} scales of embeddings for the strides {self.strides}")
        terms = [
            self._term(number, image.float(), patch.float(), image_point, patch_point)
            for number, (image, patch) in enumerate(scales)
        ]
        return torch.stack(terms).sum()

    def extra_repr(self) -> str:
        """The numbers, by which a resumed run is told from another one."""
        return f"strides={self.strides}, scale={self.scale}, bias={self.bias}, most={self.most}, reach={self.reach}"

    def logits(self, cosine: Tensor, cell: Tensor, reach: int) -> Tensor:
        """Logits (B, rows, columns) of cosines (B, rows, columns), -inf outside the window around `cell` (B, 2)."""
        rows, columns = (torch.arange(side, device=cosine.device) for side in cosine.shape[1:])
        down = (rows - cell[:, :1]).abs()[:, :, None]
        across = (columns - cell[:, 1:]).abs()[:, None, :]
        distance = torch.hypot(down.to(cosine.dtype), across.to(cosine.dtype))
        logits = self.scale * cosine + (self.bias * distance).clamp(max=self.most)
        return logits.masked_fill((down > reach) | (across > reach), -torch.inf)

    def _term(self, number: int, image: Tensor, patch: Tensor, image_point: Tensor, patch_point: Tensor) -> Tensor:
        """One scale's mean over the pairs whose points lie in the image and in the patch."""
        stride, size = self.strides[number], image.shape[-2:]
        usable = inside_of(image_point, stride, size) & inside_of(patch_point, stride, patch.shape[-2:])
        descriptor = embeddings_at(patch, patch_point, stride)[:, None]
        cell = cell_of(image_point, stride, size)
        reach = max(size) if number == 0 else self.reach
        logits = self.logits(cosine_maps(image, descriptor)[:, 0], cell, reach)
        wrong = F.cross_entropy(logits.flatten(1), cell[:, 0] * size[1] + cell[:, 1], reduction="none")
        return torch.where(usable, wrong, 0.0).sum() / usable.sum().clamp(min=1)


class CosineMapLoss(nn.Module):
    """FM-OSD's: mean squared difference of a cosine map and exp(-d^2 / 2 s^2), d the distance to the point in cells.

    Args:
        sigma: s in cells; the source has 5 for the coarse stage and 2 for the fine one.
        stride: pixels of the network's input in a cell of the maps.
        points_key, state_key: where the target holds the points, (B, K, 2) in pixels, and their `State`, (B, K).

    Raises:
        ConfigError: sigma or stride is not above 0.
    """

    def __init__(
        self, sigma: float = 5.0, stride: float = 1.0, points_key: str = "network_points", state_key: str = "state"
    ) -> None:
        super().__init__()
        if min(sigma, stride) <= 0:
            raise ConfigError(f"cosine map loss: sigma {sigma} and stride {stride} must be above 0")
        self.sigma = sigma
        self.stride = stride
        self.points_key = points_key
        self.state_key = state_key

    def forward(self, maps: Tensor, target: Mapping[str, Tensor]) -> Tensor:
        """Scalar over the present points that lie in the image; 0, with a gradient, where there are none.

        Args:
            maps: cosines (B, K, rows, columns), as `cosine_maps` gives.
            target: points and states.
        """
        points, size = target[self.points_key].float(), maps.shape[-2:]
        usable = (target[self.state_key] == State.PRESENT) & inside_of(points, self.stride, size)
        wrong = (maps.float() - self.hill(points, size)).square().mean((-2, -1))
        return torch.where(usable, wrong, 0.0).sum() / usable.sum().clamp(min=1)

    def extra_repr(self) -> str:
        """The numbers, by which a resumed run is told from another one."""
        return f"sigma={self.sigma}, stride={self.stride}"

    def hill(self, points: Tensor, size: Sequence[int]) -> Tensor:
        """exp(-d^2 / 2 s^2) on a map, (B, K, rows, columns); points in pixels, NaN counts as 0."""
        centre = (torch.nan_to_num(points) + 0.5) / self.stride - 0.5
        rows, columns = (torch.arange(side, device=points.device) for side in size)
        down = ((rows - centre[..., :1]) / self.sigma).square()[..., :, None]
        across = ((columns - centre[..., 1:]) / self.sigma).square()[..., None, :]
        return torch.exp(-0.5 * (down + across))


class FineMapsLoss(nn.Module):
    """FM-OSD's for both parts of `networks.fine.FinePairNet`: the whole image's maps, and each landmark's window.

    Args:
        whole: for the whole image's maps, with the key of the points in what the coarse network sees.
        window: for the windows', with the key of the points in their windows.
    """

    def __init__(self, whole: CosineMapLoss, window: CosineMapLoss) -> None:
        super().__init__()
        self.whole = whole
        self.window = window

    def forward(self, maps: tuple[Tensor, Tensor], target: Mapping[str, Tensor]) -> Tensor:
        """The sum of both."""
        return self.whole(maps[0], target) + self.window(maps[1], target)
