import math

import pytest
import torch
import torch.nn.functional as F

from monai_landmarks.errors import ConfigError
from monai_landmarks.losses.contrastive import HardNegativeLoss

STRIDES = (16, 4)
SIZES = ((64, 96), (32, 32))
NAN = float("nan")


def views(batch=2, channels=6, seed=0):
    """Embeddings of an image and of a patch at both strides."""
    generator = torch.Generator().manual_seed(seed)
    maps = [[torch.randn(batch, channels, r // s, c // s, generator=generator) for s in STRIDES] for r, c in SIZES]
    return tuple([F.normalize(scale, dim=1).requires_grad_() for scale in view] for view in maps)


def places(batch=2, count=5, seed=1):
    generator = torch.Generator().manual_seed(seed)
    own = [torch.rand(batch, count, 2, generator=generator) * (torch.tensor(size) - 1) for size in SIZES]
    return dict(zip(("image_points", "patch_points"), own))


def loss(**options):
    """With nothing left to chance."""
    return HardNegativeLoss(STRIDES, **{"pools": (6, 9), "counts": (6, 9), **options})


def cosine(one, other):
    return sum(float(a) * float(b) for a, b in zip(one, other))


def between(value, side, coarse, fine):
    """The two coarse cells next to a fine one's centre, and the second one's share."""
    at = min(max((fine * (value + 0.5)) / coarse - 0.5, 0.0), side - 1.0)
    low = min(int(at), side - 1)
    return low, min(low + 1, side - 1), at - low


def plain_pair(image, patch, image_points, patch_points, pools, temperature=0.5, apart=1.0):
    """SAM's two terms of one pair in loops, one for each place and direction; maps (E, rows, columns) of two scales."""
    terms = []
    both = (image, patch)
    for here in zip(image_points.tolist(), patch_points.tolist()):
        for direction in (0, 1):
            alike = []
            for number, stride in enumerate(STRIDES):
                cells = [[math.floor((v + 0.5) / stride) for v in point] for point in here]
                own = both[direction][number][:, cells[direction][0], cells[direction][1]]
                other = both[1 - direction][number][:, cells[1 - direction][0], cells[1 - direction][1]]
                found = {}
                for view in (0, 1):
                    scale = both[view][number]
                    for i in range(scale.shape[1]):
                        for j in range(scale.shape[2]):
                            found[view, i, j] = cosine(own, scale[:, i, j])
                alike.append(found)
                score = dict(found)
                if number == 1:
                    for view, i, j in found:
                        rows, columns = both[view][0].shape[1:]
                        up, down, s = between(i, rows, *STRIDES)
                        left, right, t = between(j, columns, *STRIDES)
                        score[view, i, j] += (1 - s) * (1 - t) * alike[0][view, up, left]
                        score[view, i, j] += (1 - s) * t * alike[0][view, up, right]
                        score[view, i, j] += s * (1 - t) * alike[0][view, down, left]
                        score[view, i, j] += s * t * alike[0][view, down, right]
                wrong = [
                    key
                    for key in score
                    if math.dist([stride * (k + 0.5) - 0.5 for k in key[1:]], here[key[0]]) >= apart * stride
                ]
                hardest = sorted(wrong, key=lambda key: score[key])[-pools[number] :]
                values = [cosine(own, other), *(found[key] for key in hardest)]
                exponents = [math.exp(value / temperature) for value in values]
                terms.append(math.log(sum(exponents)) - values[0] / temperature)
    return terms


def test_it_is_the_source_in_plain_loops():
    embeddings, target = views(), places()
    # In the other view's border cells; and places that are in one view only, or in none.
    target["image_points"][0, 0] = torch.tensor([0.0, 95.4])
    target["patch_points"][0, 1] = NAN
    target["image_points"][1, 2] = torch.tensor([64.0, 3.0])
    value = loss()(embeddings, target)
    terms = []
    for number, kept in enumerate(([0, 2, 3, 4], [0, 1, 3, 4])):
        maps = [[scale[number].detach().double().numpy() for scale in view] for view in embeddings]
        terms += plain_pair(*maps, target["image_points"][number, kept], target["patch_points"][number, kept], (6, 9))
    # Each place has two directions and two parts: the sum of the parts' means.
    assert float(value.detach()) == pytest.approx(2 * sum(terms) / len(terms), rel=1e-4)


def test_what_is_too_near_is_never_wrong():
    """Against all cells, of both views: those near the place are left alone, but for its own."""
    image, patch = views(1)
    target = {"image_points": torch.tensor([[[30.0, 41.5]]]), "patch_points": torch.tensor([[[13.2, 21.0]]])}
    loss(pools=(500, 500), counts=(500, 500), apart=1.5)((image, patch), target).backward()
    for view, points in ((image, target["image_points"]), (patch, target["patch_points"])):
        for stride, scale in zip(STRIDES, view):
            pushed = scale.grad[0].abs().sum(0) > 0
            rows, columns = (stride * (torch.arange(side) + 0.5) - 0.5 for side in pushed.shape)
            row, column = points[0, 0]
            near = torch.hypot(rows[:, None] - row, columns - column) < 1.5 * stride
            assert near.sum() > 1
            # The place's own cell, which is compared, is the only near one with a gradient.
            assert pushed[near].sum() == 1
            assert pushed[int((row + 0.5) // stride), int((column + 0.5) // stride)]
            assert pushed[~near].all()


def test_draws_come_from_the_seed_and_from_the_pool():
    embeddings, target = views(), places()
    drawn = loss(pools=(8, 40), counts=(4, 10))

    def value(seed):
        torch.manual_seed(seed)
        return float(drawn(embeddings, target).detach())

    assert value(0) == value(0)
    assert value(0) != value(1)
    # Fewer wrong places than the whole pool.
    assert value(0) < float(loss(pools=(8, 40), counts=(8, 40))(embeddings, target).detach())


def test_minimising_tells_the_places_from_all_others():
    image, patch = views(1, channels=16)
    target = places(1, count=12)
    # The patch is cut from there.
    target["image_points"] = target["patch_points"] + torch.tensor([16.0, 40.0])
    free = [scale.detach().clone().requires_grad_() for scale in (*image, *patch)]
    optimiser = torch.optim.Adam(free, lr=0.1)
    torch.manual_seed(0)
    for _ in range(50):
        optimiser.zero_grad()
        normal = [F.normalize(scale, dim=1) for scale in free]
        loss(pools=(20, 60), counts=(10, 30))((normal[:2], normal[2:]), target).backward()
        optimiser.step()
    image_fine, patch_fine = (scale[0].detach() for scale in (normal[1], normal[3]))
    for (row, column), (down, across) in zip(*(own[0].tolist() for own in target.values())):
        own = patch_fine[:, int((down + 0.5) // 4), int((across + 0.5) // 4)]
        best = torch.einsum("c,cij->ij", own, image_fine).flatten().argmax()
        found = torch.tensor([best // image_fine.shape[2], best % image_fine.shape[2]])
        # The cell itself, or one that counts as the same place.
        assert (4 * (found + 0.5) - 0.5 - torch.tensor([row, column])).norm() < 4


def test_nothing_to_learn_from_is_zero_with_a_gradient():
    embeddings = views()
    nowhere = dict.fromkeys(("image_points", "patch_points"), torch.full((2, 5, 2), NAN))
    value = loss()(embeddings, nowhere)
    value.backward()
    assert float(value.detach()) == 0
    assert all(scale.grad.abs().sum() == 0 for view in embeddings for scale in view)


def test_a_pair_without_places_changes_nothing():
    embeddings, target = views(), places()
    target["image_points"][1] = NAN
    alone = loss()([[scale[:1] for scale in view] for view in embeddings], {k: v[:1] for k, v in target.items()})
    assert float(loss()(embeddings, target).detach()) == pytest.approx(float(alone.detach()), rel=1e-6)


def test_its_memory_is_places_times_cells():
    """At 384 pixels, 100 places of a pair: no tensor is larger than both directions' cosines with all fine cells."""
    maps = [[F.normalize(torch.rand(1, 8, side // s, side // s), dim=1) for s in (16, 2)] for side in (384, 192)]
    target = {"image_points": 383 * torch.rand(1, 100, 2), "patch_points": 191 * torch.rand(1, 100, 2)}
    with torch.profiler.profile(profile_memory=True) as profile:
        value = HardNegativeLoss()(maps, target)
    assert value.isfinite()
    cosines = 4 * 2 * 100 * (192**2 + 96**2)
    assert max(event.cpu_memory_usage for event in profile.events()) <= 2 * cosines


def test_numbers_and_batches_that_cannot_be():
    for options in ({"temperature": 0}, {"apart": 0.9}, {"pools": (0, 9)}):
        with pytest.raises(ConfigError, match="above 0"):
            loss(**options)
    with pytest.raises(ConfigError, match="two of each"):
        HardNegativeLoss(strides=(16, 4, 2))
    image, patch = views()
    with pytest.raises(ConfigError, match="5 embeddings of a place, not 2"):
        loss()((image * 2 + image[:1], patch * 2 + patch[:1]), places())
    with pytest.raises(ConfigError, match=r"no image_points; give PatchPaird `places`"):
        loss()((image, patch), {"image_point": torch.zeros(2, 2)})


def test_a_resumed_run_is_told_by_its_numbers():
    assert repr(loss()) != repr(loss(counts=(5, 9)))
    assert "temperature=0.5, apart=1.0, pools=(6, 9), counts=(6, 9)" in repr(loss())
