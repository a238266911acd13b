import numpy as np
import pytest
import torch
import torch.nn.functional as F
from monai.data import MetaTensor

from monai_landmarks.engines.template_choice import match_scores, propose_templates
from monai_landmarks.errors import ConfigError


def plain_scores(places, grid):
    """The definition in loops, numpy (N, P, C)."""
    centred = places - places.mean((0, 1))
    unit = centred / np.linalg.norm(centred, axis=-1, keepdims=True)
    scores = []
    for own, (one, lengths) in enumerate(zip(unit, (centred**2).sum(-1))):
        total = 0.0
        for theirs in (image for other, image in enumerate(unit) if other != own):
            for place, length in enumerate(lengths):
                match = max(range(len(theirs)), key=lambda q: one[place] @ theirs[q])
                back = max(range(len(one)), key=lambda p: one[p] @ theirs[match])
                way = np.subtract(divmod(back, grid), divmod(place, grid))
                if way @ way <= 1:
                    total += length / lengths.sum() * (one[place] @ theirs[match])
        scores.append(total / (len(places) - 1))
    return scores


def test_scores_are_the_definition():
    generator = torch.Generator().manual_seed(0)
    places = torch.randn(1, 16, 4, generator=generator) + 0.4 * torch.randn(5, 16, 4, generator=generator) + 3.0
    assert match_scores(places, 4).tolist() == pytest.approx(plain_scores(places.double().numpy(), 4), abs=1e-5)


def features(image):
    """A fake network: the pixels of each cell of 4 x 4 are its channels."""
    return F.pixel_unshuffle(image, 4)


def pool():
    """Five noisy images of one scene, one of another, one of nothing."""
    generator = torch.Generator().manual_seed(0)
    scene, other = torch.rand(2, 1, 48, 48, generator=generator)
    scenes = [scene + 0.1 * level * torch.randn(1, 48, 48, generator=generator) for level in (3, 1, 0, 2, 4)]
    images = {f"noise {level}": image for level, image in zip((3, 1, 0, 2, 4), scenes)}
    images |= {"other": other, "dark": torch.zeros(1, 48, 48)}
    return [{"image": MetaTensor(image), "case_id": name} for name, image in images.items()]


def test_the_image_most_like_the_rest_is_proposed_and_the_strange_ones_last():
    ranked = propose_templates(features, pool())
    assert [proposed.case_id for proposed in ranked] == [*(f"noise {level}" for level in range(5)), "other", "dark"]
    scores = [proposed.score for proposed in ranked]
    assert scores == sorted(scores, reverse=True)
    assert -1 <= scores[-1] <= scores[0] <= 1


def test_the_order_of_the_pool_does_not_matter():
    forward, backward = (propose_templates(features, items) for items in (pool(), pool()[::-1]))
    assert [proposed.case_id for proposed in forward] == [proposed.case_id for proposed in backward]


def test_one_image_is_no_choice():
    with pytest.raises(ConfigError, match="pool has 1"):
        propose_templates(features, pool()[:1])
