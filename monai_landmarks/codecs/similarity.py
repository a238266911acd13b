"""Points from maps of likeness to a template, and matches that must lead back to the template's own point.

Sources: CC2D (Yao et al., MICCAI 2021: the largest pixel of the product over scales) and FM-OSD (Miao et al., MICCAI
2024: bidirectional matching). Where they are silent:

| topic | here |
|---|---|
| sub-pixel place | centroid of the small window around the largest pixel, of what exceeds the window's least value |
| candidates | separate hills, a tenth as alike as the best or more: neighbouring cells lead back to one place |
| reverse match with several scales | the largest pixel of the same product or mean of scales, refined as well |
| two candidates that lead back equally near | the more similar one |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from monai_landmarks.codecs.decode import Decoded
from monai_landmarks.codecs.likelihood import Similarity
from monai_landmarks.codecs.peaks import separate_peaks
from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.one_shot import PRODUCT, Comparison, descriptors_at, offsets_at, similarity_logits

# What a rank counts against a distance, in pixels: it decides between equals alone.
RANK = 1e-3
# Share of the best candidate's similarity that another one must have.
LEAST = 0.1


class SimilarityCodec:
    """The place most like the template's, to a fraction of a pixel; logits are logarithms of similarities in [0, 1].

    Confidence is the similarity at the largest pixel, exp(logit). Presence is 1: a similarity does not tell whether the
    query shows the landmark. One that the template lacks is not looked for: its point and presence are NaN. It takes
    no shape prior, which one template cannot give.

    Args:
        radius: half the side of the window for the sub-pixel place, in pixels; about a cell of the finest scale.

    Raises:
        ConfigError: the radius is below 1.
    """

    def __init__(self, radius: int = 2) -> None:
        if radius < 1:
            raise ConfigError(f"similarity codec: radius {radius} must be at least 1 pixel")
        self.radius = int(radius)
        self.likelihood = Similarity()

    def decode(self, logits: Tensor) -> Decoded:
        """Logits (..., K, rows, columns) to points, confidence and presence."""
        maps = self.likelihood.probability(logits).flatten(0, -3)
        # The largest logit, not the largest similarity: exp rounds.
        index = logits.float().flatten(-2).argmax(-1).flatten()
        points = refined(maps, index, self.radius)
        confidence = maps.flatten(1).gather(1, index[:, None])
        shape = logits.shape[:-2]
        presence = self.likelihood.presence(logits)
        unknown = presence == 0
        points = points.reshape(*shape, 2).masked_fill(unknown[..., None], torch.nan)
        return Decoded(points, confidence.reshape(shape), presence.masked_fill(unknown, torch.nan))

    def settings(self) -> dict[str, Any]:
        """What `codec_settings` notes."""
        return {"likelihood": type(self.likelihood).__name__, "window": self.radius, "similarity": {}}


def refined(maps: Tensor, index: Tensor, reach: int) -> Tensor:
    """Sub-pixel places (N, 2) of the peaks of maps (N, rows, columns) at `index` (N,), row * columns + column.

    The centroid of a window, of what exceeds its least value: of a hill wider than the window the centroid of all would
    lie near the window's centre, wherever its top is. Exact for a peak symmetric about a pixel's centre.

    Args:
        maps: not negative.
        index: the peaks' pixels.
        reach: pixels on either side; what lies outside the map does not count.
    """
    rows, columns = maps.shape[-2:]
    offset = torch.arange(-reach, reach + 1, device=maps.device)
    row, column = (index // columns)[:, None] + offset, (index % columns)[:, None] + offset
    inside = ((row >= 0) & (row < rows))[:, :, None] & ((column >= 0) & (column < columns))[:, None, :]
    which = torch.arange(len(index), device=maps.device)[:, None, None]
    window = maps[which, row.clamp(0, rows - 1)[:, :, None], column.clamp(0, columns - 1)[:, None, :]]
    weights = (window - window.amin((-2, -1), keepdim=True)) * inside
    weights = weights / weights.sum((-2, -1), keepdim=True).clamp(min=torch.finfo(weights.dtype).tiny)
    shift = torch.stack(((weights.sum(-1) * offset).sum(-1), (weights.sum(-2) * offset).sum(-1)), -1)
    return torch.stack((index // columns, index % columns), -1) + shift


class Matched(NamedTuple):
    """Points (B, K, 2) in the query's pixels, their similarity (B, K) and `distance` (B, K) in the template's pixels.

    The distance is from the template's point to where the way back ends; a large one says that the match is not mutual.
    All are NaN where the template has no point.
    """

    points: Tensor
    similarity: Tensor
    distance: Tensor


def bidirectional_match(
    query: Sequence[Tensor],
    template: Sequence[Tensor],
    points: Tensor,
    count: int = 3,
    separation: int = 8,
    radius: int = 2,
    comparison: Comparison = PRODUCT,
) -> Matched:
    """Of each landmark's best candidates in a query, the one whose own best match in the template is nearest to it.

    With adapters each landmark has embeddings of its own: match it alone.

    Args:
        query: embeddings of B images, (B, E, rows / stride, columns / stride) for each stride of an `EmbeddingNet`.
        template: embeddings of the template, (1, E, ...) for each stride.
        points: the template's landmarks, (K, 2) in its pixels; NaN where it has none.
        count: candidates of a landmark; 1 is the plain match.
        separation: half the least distance of two candidates, in pixels.
        radius: as in `SimilarityCodec`.
        comparison: of the network that gave the embeddings.

    Raises:
        ConfigError: no candidate asked for.
    """
    if count < 1:
        raise ConfigError(f"bidirectional matching: count {count}; ask for at least one candidate")
    lost = points.isnan().any(-1, keepdim=True)
    answers = torch.stack(
        [
            _match(image, template, points, count, separation, radius, comparison).masked_fill(lost, torch.nan)
            for image in zip(*(scale.split(1) for scale in query))
        ]
    )
    return Matched(answers[..., :2], answers[..., 2], answers[..., 3])


def _match(
    query: Sequence[Tensor],
    template: Sequence[Tensor],
    points: Tensor,
    count: int,
    separation: int,
    radius: int,
    comparison: Comparison,
) -> Tensor:
    """Row, column, similarity and distance (K, 4) of one image's matches."""
    maps = _similarity(query, template, points, comparison)
    index = separate_peaks(maps, count, separation)
    similarity = maps.flatten(1).gather(1, index)
    places = refined(maps.repeat_interleave(count, 0), index.flatten(), radius)
    back = _similarity(template, query, places, comparison)
    found = refined(back, back.flatten(1).argmax(-1), radius).unflatten(0, (-1, count))
    distance = (found - points[:, None]).norm(dim=-1)
    candidates = torch.cat((places.unflatten(0, (-1, count)), similarity[..., None], distance[..., None]), -1)
    # Where a map has fewer hills than asked for, the rest lies on its ground.
    ground = similarity < LEAST * similarity[:, :1]
    rank = RANK * torch.arange(count, device=points.device)
    best = (distance + rank).masked_fill(ground, torch.inf).argmin(-1)
    return candidates[torch.arange(len(points), device=points.device), best]


def _similarity(searched: Sequence[Tensor], known: Sequence[Tensor], points: Tensor, comparison: Comparison) -> Tensor:
    """How alike each pixel of one image is to points (N, 2) of a known one, (N, rows, columns)."""
    descriptors = descriptors_at(known, points, comparison.strides)
    offsets = offsets_at(points, comparison.strides)
    return similarity_logits(searched, descriptors, offsets, comparison)[0].exp()
