"""Which images of a data set have the opposite polarity of the majority."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.stats import rankdata

# Share of the grey range within which cells that touch the border count as collimated or as plain background.
FLAT = 0.02
PATTERN = 16
FEWEST = 8
# Of ordinary images (ISBI 2015, simulated pelves) none agrees by less than 0.59, of inverted ones none by more
# than -0.63; groups of mixed anatomy agree less among themselves and are not judged.
OUTLIER = -0.3
COHERENT = 0.6


def polarity_outliers(miniatures: Mapping[str, np.ndarray], views: Mapping[str, str]) -> list[str]:
    """Cases that look like negatives of the other images of the same view.

    Each image becomes a pattern: collimated and plain background borders are left out (their grey says nothing:
    unexposed film is as bright as metal), the rest is cropped, ranked, averaged with its mirror image and brought
    to 16 x 16. Inverting an image negates its pattern. The first right singular vector of all patterns is what they
    have in common up to sign, whatever share is inverted; its sign is the majority's. A case whose cosine with
    it is below -0.3 is reported. Robust against exposure, contrast curves and laterality, which keep the ranks.

    Args:
        miniatures: case id -> (H, W) grey values, bone supposed to be bright.
        views: case id -> body part and view; images are compared within a view, from 8 images on, and only if
            their median cosine is at least 0.6.

    Returns:
        Case ids in the order given.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for case_id in miniatures:
        groups[views.get(case_id, "")].append(case_id)
    found: set[str] = set()
    for members in groups.values():
        if len(members) >= FEWEST:
            found.update(_outliers(members, agreement([miniatures[m] for m in members])))
    return [case_id for case_id in miniatures if case_id in found]


def _outliers(members: Sequence[str], cosines: np.ndarray) -> list[str]:
    if np.median(np.abs(cosines)) < COHERENT:
        return []
    return [member for member, cosine in zip(members, cosines) if cosine < OUTLIER]


def agreement(miniatures: Sequence[np.ndarray]) -> np.ndarray:
    """(N,) cosines in [-1, 1] of each image's pattern with the pattern of the majority."""
    patterns = np.stack([_pattern(np.asarray(image, dtype=np.float64)) for image in miniatures])
    _, _, common = np.linalg.svd(patterns, full_matrices=False)
    cosines = patterns @ common[0]
    return -cosines if (cosines < 0).sum() > len(cosines) / 2 else cosines


def _pattern(image: np.ndarray) -> np.ndarray:
    """(256,) of unit length; zero for a flat image."""
    inside = ~_plain_border(image)
    rows, columns = np.nonzero(inside)
    crop = (slice(rows.min(), rows.max() + 1), slice(columns.min(), columns.max() + 1))
    ranks = np.zeros(image.shape, dtype=np.float32)
    values = rankdata(image[inside])
    ranks[inside] = (values - values.mean()) / len(values)
    small = Image.fromarray(ranks[crop]).resize((PATTERN, PATTERN), Image.Resampling.BOX)
    pattern = np.asarray(small, dtype=np.float64)
    pattern = (pattern + pattern[:, ::-1]).ravel()
    length = np.linalg.norm(pattern)
    return pattern / length if length > 0 else pattern


def _plain_border(image: np.ndarray) -> np.ndarray:
    """Where the image has nearly its smallest or its largest value and hangs together with the image's border."""
    low, high = image.min(), image.max()
    margin = FLAT * (high - low)
    plain = np.zeros(image.shape, dtype=bool)
    for flat in (image <= low + margin, image >= high - margin):
        regions, _ = ndimage.label(flat)
        edge = np.concatenate([regions[0], regions[-1], regions[:, 0], regions[:, -1]])
        plain |= np.isin(regions, np.unique(edge[edge > 0]))
    # A flat image, or nearly so, is all border: then nothing is left out.
    return plain if plain.mean() < 0.9 else np.zeros_like(plain)
