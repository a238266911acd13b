import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from monai_landmarks.data.dataset import State
from monai_landmarks.errors import ConfigError
from monai_landmarks.losses.similarity import (
    CosineMapLoss,
    WindowedSimilarityLoss,
    cell_of,
    cosine_maps,
    embeddings_at,
    inside_of,
)

STRIDES = (32, 16, 8, 4, 2)


def embeddings(size, batch=3, channels=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    maps = [torch.randn(batch, channels, size[0] // s, size[1] // s, generator=generator) for s in STRIDES]
    return [F.normalize(scale, dim=1).requires_grad_() for scale in maps]


def plain_loss(image, patch, image_point, patch_point):
    """The spec in loops: one pair, numpy maps (E, rows, columns) of five scales."""
    total = 0.0
    for number, (ours, theirs, stride) in enumerate(zip(image, patch, STRIDES)):
        row, column = (math.floor((value + 0.5) / stride) for value in image_point)
        there = [math.floor((value + 0.5) / stride) for value in patch_point]
        descriptor = theirs[:, there[0], there[1]]
        logits = {}
        for i in range(ours.shape[1]):
            for j in range(ours.shape[2]):
                if number > 0 and max(abs(i - row), abs(j - column)) > 11:
                    continue
                cosine = sum(ours[c, i, j] * descriptor[c] for c in range(len(descriptor)))
                logits[i, j] = 10 * cosine + min(0.7 * math.sqrt((i - row) ** 2 + (j - column) ** 2), 8)
        total += math.log(sum(math.exp(value) for value in logits.values())) - logits[row, column]
    return total


def test_it_is_the_spec_in_plain_loops():
    image, patch = embeddings((128, 96)), embeddings((64, 64), seed=1)
    # In the middle; in a corner, where the window is cut; on the edge between two cells.
    image_point = torch.tensor([[61.3, 40.8], [0.0, 95.2], [31.5, 63.5]])
    patch_point = torch.tensor([[10.0, 20.0], [63.4, 0.0], [32.0, 31.4]])
    value = WindowedSimilarityLoss()((image, patch), {"image_point": image_point, "patch_point": patch_point})
    expected = [
        plain_loss(
            [scale[b].detach().double().numpy() for scale in image],
            [scale[b].detach().double().numpy() for scale in patch],
            image_point[b].tolist(),
            patch_point[b].tolist(),
        )
        for b in range(3)
    ]
    assert float(value.detach()) == pytest.approx(np.mean(expected), rel=1e-5)


def test_the_bias_is_zero_at_the_true_cell_and_ends_at_its_most():
    cell = torch.tensor([[0, 3]])
    logits = WindowedSimilarityLoss().logits(torch.zeros(1, 24, 30), cell, reach=30)
    assert logits[0, 0, 3] == 0
    assert logits[0, 3, 7] == pytest.approx(0.7 * 5)
    assert logits[0, 0, 14] == pytest.approx(0.7 * 11)
    assert logits[0, 0, 15] == logits[0, 23, 29] == 8
    window = WindowedSimilarityLoss().logits(torch.zeros(1, 24, 30), cell, reach=11)
    assert torch.isfinite(window[0]).sum() == 12 * 15


def test_at_384_the_window_leaves_out_nothing_of_the_coarsest_scale():
    maps = torch.zeros(1, 12, 12)
    for corner in ((0, 0), (11, 11)):
        assert torch.isfinite(WindowedSimilarityLoss().logits(maps, torch.tensor([corner]), reach=11)).all()


def test_minimising_makes_the_true_cell_the_most_similar():
    image, patch = embeddings((96, 96), batch=2), embeddings((64, 64), batch=2, seed=1)
    target = {
        "image_point": torch.tensor([[70.0, 30.0], [5.0, 88.0]]),
        "patch_point": torch.tensor([[20.0, 40.0], [9.0, 9.0]]),
    }
    free = [scale.detach().clone().requires_grad_() for scale in (*image, *patch)]
    optimiser = torch.optim.Adam(free, lr=0.1)
    for _ in range(60):
        optimiser.zero_grad()
        normal = [F.normalize(scale, dim=1) for scale in free]
        loss = WindowedSimilarityLoss()((normal[:5], normal[5:]), target)
        loss.backward()
        optimiser.step()
    for ours, theirs, stride in zip(normal[:5], normal[5:], STRIDES):
        descriptor = embeddings_at(theirs, target["patch_point"], stride)[:, None]
        maps = cosine_maps(ours, descriptor)[:, 0].detach()
        cells = cell_of(target["image_point"], stride, maps.shape[-2:])
        for one, (row, column) in zip(maps, cells.tolist()):
            # The finer scales are trained in the window alone.
            window = one[max(0, row - 11) : row + 12, max(0, column - 11) : column + 12]
            assert one[row, column] == window.max()


def test_pairs_without_a_place_change_nothing():
    image, patch = embeddings((96, 96), batch=4), embeddings((64, 64), batch=4, seed=1)
    nan = float("nan")
    image_point = torch.tensor([[50.0, 30.0], [nan, nan], [50.0, 96.0], [10.0, 10.0]])
    patch_point = torch.tensor([[20.0, 40.0], [9.0, 9.0], [9.0, 9.0], [-1.0, 5.0]])
    value = WindowedSimilarityLoss()((image, patch), {"image_point": image_point, "patch_point": patch_point})
    value.backward()
    first = {"image_point": image_point[:1], "patch_point": patch_point[:1]}
    alone = WindowedSimilarityLoss()(([scale[:1] for scale in image], [scale[:1] for scale in patch]), first)
    assert float(value.detach()) == pytest.approx(float(alone.detach()), rel=1e-6)
    for scale in (*image, *patch):
        assert torch.isfinite(scale.grad).all()
        assert scale.grad[0].abs().sum() > 0
        assert scale.grad[1:].abs().sum() == 0


def test_nothing_to_learn_from_is_zero_with_a_gradient():
    image, patch = embeddings((64, 64), batch=1), embeddings((64, 64), batch=1, seed=1)
    nowhere = torch.full((1, 2), float("nan"))
    value = WindowedSimilarityLoss()((image, patch), {"image_point": nowhere, "patch_point": nowhere})
    value.backward()
    assert float(value.detach()) == 0
    assert image[0].grad.abs().sum() == 0


def test_numbers_and_scales_that_cannot_be():
    with pytest.raises(ConfigError, match="above 0"):
        WindowedSimilarityLoss(reach=0)
    with pytest.raises(ConfigError, match="above 0"):
        CosineMapLoss(sigma=0)
    maps = embeddings((64, 64))[:4]
    point = torch.zeros(3, 2)
    with pytest.raises(ConfigError, match="4 scales"):
        WindowedSimilarityLoss()((maps, maps), {"image_point": point, "patch_point": point})


def test_cells_hold_their_pixels():
    points = torch.tensor([[-0.5, 0.0], [31.49, 31.5], [32.0, 63.4], [float("nan"), 5.0], [500.0, -9.0]])
    assert cell_of(points, 32, (3, 2)).tolist() == [[0, 0], [0, 1], [1, 1], [0, 0], [2, 0]]
    assert inside_of(points, 32, (3, 2)).tolist() == [True, True, True, False, False]
    assert inside_of(torch.tensor([[95.49, 63.49], [95.5, 0.0]]), 32, (3, 2)).tolist() == [True, False]


def test_the_cosine_map_loss_in_plain_loops():
    generator = torch.Generator().manual_seed(0)
    maps = (2 * torch.rand(2, 3, 9, 7, generator=generator) - 1).requires_grad_()
    points = torch.tensor([[[10.2, 3.0], [0.0, 0.0], [5.0, 99.0]], [[17.4, 13.4], [float("nan")] * 2, [3.0, 3.0]]])
    present, absent = State.PRESENT, State.ABSENT
    state = torch.tensor([[present, present, present], [present, present, absent]])
    terms = []
    # Left out: outside the map, missing, absent.
    for b, k in [(0, 0), (0, 1), (1, 0)]:
        centre = [(value + 0.5) / 2 - 0.5 for value in points[b, k].tolist()]
        wrong = [
            (maps[b, k, i, j].item() - math.exp(-((i - centre[0]) ** 2 + (j - centre[1]) ** 2) / (2 * 3.0**2))) ** 2
            for i in range(9)
            for j in range(7)
        ]
        terms.append(sum(wrong) / len(wrong))
    value = CosineMapLoss(sigma=3.0, stride=2.0)(maps, {"network_points": points, "state": state})
    value.backward()
    assert float(value.detach()) == pytest.approx(np.mean(terms), rel=1e-5)
    assert torch.isfinite(maps.grad).all()
    assert maps.grad[0, 2].abs().sum() == maps.grad[1, 1].abs().sum() == maps.grad[1, 2].abs().sum() == 0


def test_the_hill_has_its_top_at_the_point_whatever_the_stride():
    point = torch.tensor([[[21.5, 13.5]]])
    hill = CosineMapLoss(sigma=2.0, stride=4.0).hill(point, (12, 10))
    assert divmod(int(hill.flatten().argmax()), 10) == (5, 3)
    assert hill.max() == 1


def test_other_numbers_are_another_loss_to_a_resumed_run():
    assert repr(WindowedSimilarityLoss(bias=0.0)) != repr(WindowedSimilarityLoss())
    assert repr(CosineMapLoss(sigma=2.0)) != repr(CosineMapLoss())
