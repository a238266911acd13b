"""SAM's loss: a place must be more alike in two views of an image than any other place is like it.

Source: Yan et al., "SAM: Self-supervised Learning of Pixel-wise Anatomical Embeddings in Radiological Images" (IEEE TMI
2022), and the settings of the code its authors published later. What differs, or is not said there:

| topic | SAM | here |
|---|---|---|
| views | two overlapping crops, both rescaled, with noise | the image, and a turned patch of it with other contrast |
| network | ResNet and feature pyramids | CC2D's encoder and decoder; strides 16 and 2 and 128 channels as in SAM |
| places of a pair | 100 for the local part, every cell of the overlap for the global one | 100, the same for both |
| the same place | the nearest cell of the other view | the cell that holds the place |
| too near to be a negative | distances in mm that differ between its settings | less than a cell's side |
| too near, yet in the pool | counts as a cosine of 0 | is left out, even if fewer remain |
| global negatives | 200 of the 250 most alike, and cells of other images | the former alone: others show the same |
| local negatives | 500 of the 2000 most alike by both cosines | the same |
| global cosines on the local grid | the embeddings are brought there | the cosines are, as for an answer |
| optimiser | SGD, 20000 steps | that of train.yaml |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_landmarks.errors import ConfigError
from monai_landmarks.losses.similarity import cell_of, inside_of


class Compared(NamedTuple):
    """Each of n places, first as the image shows it, then as the patch does, against all cells of both.

    `right` (2 n,) is its cosine with the same place in the other view; `cosines` (2 n, cells) are those with the cells
    of the image, then of the patch, and `near` (2 n, cells) says which of these are too near to be wrong.
    """

    right: Tensor
    cosines: Tensor
    near: Tensor


class HardNegativeLoss(nn.Module):
    """Cross-entropy of cosines / `temperature`: the same place in the other view, against wrong places in both.

    The wrong ones are hard: for the global (coarse) embedding those most alike in it, for the local (fine) one those
    most alike by the sum of both cosines. They are drawn from a pool of these by torch's generator; where `counts` are
    not below `pools` nothing is left to chance. The loss is the sum of both parts, each the mean over all places.

    Args:
        strides: pixels in a cell of the global and of the local embedding.
        temperature: see above.
        apart: a cell can be wrong where its centre is so many cells, or more, from the true place.
        pools: how many of the most alike places may be drawn, global and local.
        counts: how many of these are drawn.
        image_key, patch_key: where the target holds the places, (B, N, 2) in pixels of the image and of the patch; NaN
            for none.

    Raises:
        ConfigError: not two strides, pools and counts; one of them, or the temperature, not above 0; `apart` below 1,
            so that the true cell could be wrong.
    """

    def __init__(
        self,
        strides: Sequence[int] = (16, 2),
        temperature: float = 0.5,
        apart: float = 1.0,
        pools: Sequence[int] = (250, 2000),
        counts: Sequence[int] = (200, 500),
        image_key: str = "image_points",
        patch_key: str = "patch_points",
    ) -> None:
        super().__init__()
        if not len(strides) == len(pools) == len(counts) == 2:
            raise ConfigError(f"contrastive loss: strides {strides}, pools {pools}, counts {counts}; give two of each")
        if min(*strides, *pools, *counts, temperature) <= 0 or apart < 1:
            raise ConfigError(
                f"contrastive loss: strides {strides}, pools {pools}, counts {counts} and temperature {temperature} "
                f"must be above 0, apart {apart} at least 1"
            )
        self.strides = tuple(strides)
        self.temperature = temperature
        self.apart = apart
        self.pools = tuple(pools)
        self.counts = tuple(counts)
        self.image_key = image_key
        self.patch_key = patch_key

    def forward(self, embeddings: tuple[Sequence[Tensor], Sequence[Tensor]], target: Mapping[str, Tensor]) -> Tensor:
        """Scalar; 0, with a gradient, where no place can be used.

        Args:
            embeddings: of the image and of the patch, a global and a local map (B, E, rows, columns), of length 1.
            target: the same places in the image and in the patch.

        Raises:
            ConfigError: not two embeddings; no places in the batch.
        """
        if any(len(maps) != 2 for maps in embeddings):
            raise ConfigError(f"contrastive loss: {len(embeddings[0])} embeddings of a place, not 2; see sam.yaml")
        if self.image_key not in target:
            raise ConfigError(f"contrastive loss: the batch has no {self.image_key}; give PatchPaird `places`")
        places = torch.stack((target[self.image_key].float(), target[self.patch_key].float()))
        inside = [inside_of(own, self.strides[1], maps[1].shape[-2:]) for own, maps in zip(places, embeddings)]
        usable = inside[0] & inside[1]
        terms = []
        for number, known in enumerate(usable):
            scales = [[maps[number].float() for maps in views] for views in zip(*embeddings)]
            terms.append(self._pair(scales, places[:, number][:, known]))
        return torch.stack(terms).sum() / (2 * usable.sum()).clamp(min=1)

    def extra_repr(self) -> str:
        """The numbers, by which a resumed run is told from another one."""
        numbers = f"strides={self.strides}, temperature={self.temperature}, apart={self.apart}"
        return f"{numbers}, pools={self.pools}, counts={self.counts}"

    def _pair(self, scales: Sequence[Sequence[Tensor]], places: Tensor) -> Tensor:
        """The sum over places (2, n, 2) of one pair, both directions, global and local."""
        whole, local = (
            compared(views, places, stride, self.apart * stride) for views, stride in zip(scales, self.strides)
        )
        both = local.cosines.detach() + on_cells_of(scales[1], whole.cosines.detach(), scales[0])
        return self._wrong(whole, whole.cosines.detach(), 0) + self._wrong(local, both, 1)

    def _wrong(self, part: Compared, alike: Tensor, number: int) -> Tensor:
        """Cross-entropy, summed, against cells that are most `alike` (2 n, cells)."""
        pool = alike.masked_fill(part.near, -torch.inf).topk(min(self.pools[number], alike.shape[1])).indices
        drawn = torch.rand(pool.shape, device=pool.device).topk(min(self.counts[number], pool.shape[1])).indices
        index = pool.gather(1, drawn)
        others = part.cosines.gather(1, index).masked_fill(part.near.gather(1, index), -torch.inf)
        logits = torch.cat((part.right[:, None], others), 1) / self.temperature
        return F.cross_entropy(logits, torch.zeros_like(index[:, 0]), reduction="sum")


def compared(views: Sequence[Tensor], places: Tensor, stride: int, reach: float) -> Compared:
    """Places against all cells of two views.

    Args:
        views: maps (E, rows, columns) of the image and of the patch.
        places: (2, n, 2), in pixels of the image and of the patch, inside both.
        stride: pixels in a cell.
        reach: cells with their centre less than so many pixels from the place are near it.
    """
    cells = [cell_of(own, stride, view.shape[-2:]) for own, view in zip(places, views)]
    shown = [view[:, cell[:, 0], cell[:, 1]].T for cell, view in zip(cells, views)]
    anchors = torch.cat(shown)
    cosines = torch.cat([anchors @ view.flatten(1) for view in views], 1)
    near = torch.cat([_near(own, stride, reach, view.shape[-2:]) for own, view in zip(places, views)], 1)
    return Compared((shown[0] * shown[1]).sum(1).repeat(2), cosines, near.repeat(2, 1))


def on_cells_of(fine: Sequence[Tensor], values: Tensor, coarse: Sequence[Tensor]) -> Tensor:
    """Values (n, cells) of the cells of coarse maps (E, rows, columns), bilinearly, of those of fine ones."""
    parts = values.split([view[0].numel() for view in coarse], 1)
    maps = (part.unflatten(1, view.shape[-2:])[:, None] for part, view in zip(parts, coarse))
    sizes = (view.shape[-2:] for view in fine)
    return torch.cat([F.interpolate(m, size=size, mode="bilinear").flatten(1) for m, size in zip(maps, sizes)], 1)


def _near(places: Tensor, stride: int, reach: float, size: Sequence[int]) -> Tensor:
    """Which cells of a map of `size` have their centre less than `reach` pixels from places (n, 2): (n, cells)."""
    centres = [stride * (torch.arange(side, device=places.device) + 0.5) - 0.5 for side in size]
    down, across = (centres[axis] - places[:, axis, None] for axis in range(2))
    return (down.square()[:, :, None] + across.square()[:, None, :] < reach**2).flatten(1)
