"""Which image to annotate: the one whose places are found again in most of the others.

The score needs no annotation and no training: it is computed from the features of a frozen network. The choice is
ours; the sources use a template they were given. On half of ISBI 2015's training images, features of EfficientNet-lite0
at stride 16 rank the templates as the error of matching with those features does: Spearman's rho -0.33, and -0.60 with
the error of copying the template's points. That is enough to avoid a bad template, not to find the best.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from monai_landmarks.errors import ConfigError


class Proposed(NamedTuple):
    """A case and its score, in [-1, 1]: how alike its places and their mutual matches in the other images are."""

    case_id: str
    score: float


def propose_templates(
    features: Callable[[Tensor], Tensor],
    items: Iterable[Mapping[str, Any]],
    grid: int = 12,
    device: torch.device | str = "cpu",
) -> list[Proposed]:
    """The pool's images, the one that matches the others best first.

    Features are compared after subtracting the pool's mean: what the places of all images have in common matches
    anything. The score is the mean over the other images and over the image's places of the cosine of a place and its
    best match; 0 where the match's own best match is further than a cell from the place, for a place of little
    structure is like many. A place counts by its squared length, so that structures decide and not the surround.

    Args:
        features: images (1, 1, rows, columns) to feature maps (1, C, r, c); such as one tap of an encoder.
        items: `image` (1, rows, columns) and `case_id`, after the deterministic transforms; images of one size.
        grid: each image is compared at this many by this many places, the means of its features there.
        device: where the network is.

    Returns:
        Best first; cases with equal scores in the order of the pool.

    Raises:
        ConfigError: fewer than two images.
    """
    names, maps = [], []
    with torch.no_grad():
        for item in items:
            image = torch.as_tensor(item["image"])
            image = (image.as_tensor() if hasattr(image, "as_tensor") else image).float().to(device)
            names.append(str(item["case_id"]))
            maps.append(F.adaptive_avg_pool2d(features(image[None]).float(), grid)[0].flatten(1).T.cpu())
    if len(names) < 2:
        raise ConfigError(f"a template is chosen from at least two images, the pool has {len(names)}")
    scores = match_scores(torch.stack(maps), grid).tolist()
    return sorted((Proposed(*pair) for pair in zip(names, scores)), key=lambda proposed: -proposed.score)


def match_scores(places: Tensor, grid: int) -> Tensor:
    """Score (N,) of each of N images, from the features (N, grid * grid, C) of its places (see `propose_templates`)."""
    centred = places - places.mean((0, 1))
    weight = centred.square().sum(-1)
    weight = weight / weight.sum(1, keepdim=True).clamp(min=torch.finfo(weight.dtype).tiny)
    directions = F.normalize(centred, dim=-1)
    index = torch.arange(grid * grid, device=places.device)
    place = torch.stack((index // grid, index % grid), -1)
    scores = []
    for number, own in enumerate(directions):
        cosines = (directions.flatten(0, 1) @ own.T).unflatten(0, directions.shape[:2])
        best, there = cosines.max(1)
        back = cosines.argmax(2).gather(1, there)
        mutual = (place[back] - place).square().sum(-1) <= 1
        matched = (best * mutual) @ weight[number]
        scores.append((matched.sum() - matched[number]) / (len(places) - 1))
    return torch.stack(scores)
