"""One-shot detection as one network: where is a query image most like the template at its landmarks?

A cell of stride s holds the s pixels from s i to s i + s - 1, and its centre is s i + (s - 1) / 2. A template's point
lies anywhere in its cell; the answer keeps that place within the cell, so that all scales agree on it: a query that is
the template gives the template's points, whatever the weights, and no scale draws the answer to its own cells' centres.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.embedding import STRIDES, EmbeddingNet

# The least similarity a scale can state. So far above float32's rounding of a cosine (a few 1e-6) that ONNX Runtime's
# logits differ from PyTorch's by less than 1e-3; the best place of a map is far above it at every scale.
FLOOR = 1e-2
# Logit of every pixel of a landmark the template does not show.
LOWEST = len(STRIDES) * math.log(FLOOR)


class Comparison(Protocol):
    """How the cosines at several strides become one similarity in [0, 1]."""

    strides: Sequence[int]

    def logits(self, cosines: Iterable[Tensor], known: Tensor) -> Tensor:
        """The logarithm of the similarity, `LOWEST` where nothing is known.

        Args:
            cosines: for each stride, maps (B, N, rows, columns) of [FLOOR, 1].
            known: (N, 1, 1), whether there is a descriptor; without one, the cosines are FLOOR.
        """


class ProductOfCosines:
    """CC2D's: alike at all five strides."""

    strides: Sequence[int] = STRIDES

    def logits(self, cosines: Iterable[Tensor], known: Tensor) -> Tensor:
        """The sum of their logarithms."""
        return reduce(torch.add, (cosine.log() for cosine in cosines))


PRODUCT = ProductOfCosines()


class MeanOfCosines:
    """SAM's: half the sum of a global and a local cosine; a place may be little alike at one of the strides.

    Args:
        strides: of the embeddings that are compared.
    """

    def __init__(self, strides: Sequence[int]) -> None:
        self.strides: Sequence[int] = tuple(strides)

    def logits(self, cosines: Iterable[Tensor], known: Tensor) -> Tensor:
        """The logarithm of their mean."""
        return torch.where(known, (reduce(torch.add, cosines) / len(self.strides)).log(), LOWEST)


@runtime_checkable
class TakesTemplate(Protocol):
    """A network that can be given another template (`OneShotNet.set_template`)."""

    def set_template(self, image: Tensor, points: Tensor) -> None:
        """Take the descriptors of the template's points."""


class OneShotNet(nn.Module):
    """An embedding network and one template's descriptors, which are all that remains of its image.

    Args:
        embedding: the network; with adapters, one for each landmark.
        landmarks: number of landmarks K.

    The logits (B, K, rows, columns) are the logarithm of the product over the five scales of the cosines between the
    template's descriptor and each cell, cosines clamped to [FLOOR, 1]; or, where the embedding says so (`mean_of`), of
    the mean over its scales. exp(logit) is a similarity in [0, 1]. A landmark that the template does not show, as every
    landmark before `set_template`, is `LOWEST` everywhere.

    Raises:
        ConfigError: the embedding's adapters are for another number of landmarks.
    """

    def __init__(self, embedding: EmbeddingNet, landmarks: int) -> None:
        super().__init__()
        if embedding.adapters and len(embedding.adapters) != landmarks:
            raise ConfigError(
                f"the embedding has adapters for {len(embedding.adapters)} landmarks, the scheme {landmarks} landmarks"
            )
        self.embedding = embedding
        self.landmarks = landmarks
        self.comparison: Comparison = MeanOfCosines(embedding.mean_of) if embedding.mean_of else PRODUCT
        for scale in range(len(embedding.strides)):
            self.register_buffer(f"template_{scale}", torch.zeros(landmarks, embedding.channels))
        self.register_buffer("template_offsets", torch.zeros(len(embedding.strides), landmarks, 2))

    @property
    def template(self) -> list[Tensor]:
        """The descriptors (K, E) of each scale, coarse first."""
        return [self.get_buffer(f"template_{scale}") for scale in range(len(self.embedding.strides))]

    @torch.no_grad()
    def set_template(self, image: Tensor, points: Tensor) -> None:
        """Take the descriptors of the cells that hold the template's points, with the weights as they are now.

        Args:
            image: (1, 1, rows, columns), as for `forward`.
            points: (K, 2) as (row, column) in the image's pixels; NaN for a landmark it does not show.

        Raises:
            ConfigError: not one image; not K points; a point outside the image.
        """
        _check_template(image, points, self.landmarks)
        mode = self.training
        self.eval()
        for landmarks, maps in self._passes(image, range(self.landmarks)):
            for buffer, values in zip(self.template, descriptors_at(maps, points[landmarks], self.embedding.strides)):
                buffer[landmarks] = values
        self.get_buffer("template_offsets").copy_(offsets_at(points, self.embedding.strides))
        self.train(mode)

    def forward(self, image: Tensor) -> Tensor:
        """Logits (B, K, rows, columns) of an image (B, 1, rows, columns) in [0, 1], sides multiples of 32."""
        return self.logits(image, range(self.landmarks))

    def logits(self, image: Tensor, chosen: Sequence[int]) -> Tensor:
        """The same for some landmarks alone, in their order: with adapters each costs a pass of the decoder."""
        template, offsets = self.template, self.get_buffer("template_offsets")
        logits = [
            similarity_logits(maps, [scale[landmarks] for scale in template], offsets[:, landmarks], self.comparison)
            for landmarks, maps in self._passes(image, chosen)
        ]
        return torch.cat(logits, 1)

    def _passes(self, image: Tensor, chosen: Sequence[int]) -> Iterator[tuple[list[int], list[Tensor]]]:
        """Each pass of the decoder: which landmarks it is for, and the embeddings. The encoder runs once."""
        taps = self.embedding.encode(image)
        if not self.embedding.adapters:
            yield list(chosen), self.embedding.decode(taps)
            return
        for landmark in chosen:
            yield [landmark], self.embedding.decode(taps, landmark)


def descriptors_at(maps: Sequence[Tensor], points: Tensor, strides: Sequence[int] = STRIDES) -> list[Tensor]:
    """The embeddings of the cells that hold given points.

    Args:
        maps: an image's embeddings, (1, E, rows / stride, columns / stride) for each stride.
        points: (N, 2) as (row, column) in the image's pixels, inside it; NaN for none.
        strides: pixels in a cell of each map.

    Returns:
        For each scale (N, E); 0 where there is no point.
    """
    absent = points.isnan().any(-1, keepdim=True)
    cells = [cells_of(points, stride) for stride in strides]
    return [scale[0, :, at[:, 0], at[:, 1]].T.masked_fill(absent, 0.0) for scale, at in zip(maps, cells)]


def offsets_at(points: Tensor, strides: Sequence[int] = STRIDES) -> Tensor:
    """How far points (N, 2) lie from the centres of their cells: (strides, N, 2) pixels, 0 for no point."""
    return torch.stack([centre_offsets(points, stride) for stride in strides])


def centre_offsets(points: Tensor, stride: int) -> Tensor:
    """The same for cells of one stride: (N, 2)."""
    centres = stride * cells_of(points, stride) + (stride - 1) / 2
    return (points - centres).masked_fill(points.isnan().any(-1, keepdim=True), 0.0)


def similarity_logits(
    maps: Sequence[Tensor], descriptors: Sequence[Tensor], offsets: Tensor, comparison: Comparison = PRODUCT
) -> Tensor:
    """The logarithm of what a comparison makes of the cosine maps, each in [FLOOR, 1].

    Only the maps are brought to the image's size, bilinearly; never the embeddings.

    Args:
        maps: embeddings (B, E, rows / stride, columns / stride) for each scale.
        descriptors: (N, E) for each scale; 0 for none.
        offsets: (scales, N, 2), where in a cell the answer lies; 0 for its centre.
        comparison: the scales' strides, and how their cosines are joined.

    Returns:
        (B, N, rows, columns), float32.
    """
    # In bfloat16, whose steps are 0.004, the best places of a map would be equals.
    with torch.autocast(maps[0].device.type, enabled=False):
        cosines = (F.conv2d(scale.float(), wanted[:, :, None, None]) for scale, wanted in zip(maps, descriptors))
        resized = (
            resized_maps(cosine.clamp(0.0, 1.0), stride, offset)
            for cosine, stride, offset in zip(cosines, comparison.strides, offsets.unbind())
        )
        known = (descriptors[0] != 0).any(-1)[:, None, None]
        return comparison.logits((cosine.clamp(min=FLOOR) for cosine in resized), known)


def cells_of(points: Tensor, stride: int) -> Tensor:
    """Index (N, 2) of the cells that hold points; a cell reaches from s i - 0.5 to s i + s - 0.5."""
    return ((points.nan_to_num() + 0.5) / stride).floor().long()


def resized_maps(maps: Tensor, stride: int, offset: Tensor) -> Tensor:
    """Maps (B, N, rows, columns) of cells, `stride` times as large; each moved by its own `offset` (N, 2) pixels."""
    rows, columns = (_bilinear(cells, stride, offset[:, axis]).to(maps) for axis, cells in enumerate(maps.shape[-2:]))
    return rows @ maps @ columns.mT


def _bilinear(cells: int, stride: int, offset: Tensor) -> Tensor:
    """Weight of each cell for each pixel, (N, cells x stride, cells), when cells are moved by `offset` (N,) pixels."""
    pixels = torch.arange(cells * stride, device=offset.device)
    places = ((pixels - offset[:, None] + 0.5) / stride - 0.5).clamp(0, cells - 1)
    return (1 - (places[..., None] - torch.arange(cells, device=offset.device)).abs()).clamp(min=0.0)


def _check_template(image: Tensor, points: Tensor, landmarks: int) -> None:
    """ConfigError unless one image, and K points (or NaN) inside it."""
    if len(image) != 1 or points.shape != (landmarks, 2):
        raise ConfigError(
            f"template: give one image and {landmarks} points, not {len(image)} and {tuple(points.shape)}"
        )
    rows, columns = image.shape[-2:]
    for number, (row, column) in enumerate(points.tolist(), start=1):
        if row < -0.5 or column < -0.5 or row >= rows - 0.5 or column >= columns - 0.5:
            raise ConfigError(
                f"template: landmark {number} at row {row:g}, column {column:g} lies outside the image of {rows} x "
                f"{columns} pixels; choose a template that shows it, or give it as absent"
            )
