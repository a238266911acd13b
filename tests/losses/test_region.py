import math

import pytest
import torch

from monai_landmarks.data.dataset import State
from monai_landmarks.losses.region import PlainBCE, RegionBCE, SpatialCrossEntropy
from monai_landmarks.transforms.shapes import Diamond, point_regions


@pytest.fixture
def target():
    points = torch.tensor([[[5.0, 5.0], [9.0, 3.0], [float("nan")] * 2, [-4.0, 2.0]]])
    state = torch.tensor([[State.PRESENT, State.UNLABELLED, State.ABSENT, State.PRESENT]])
    return {"region": point_regions(points, (16, 12), 2, Diamond()), "state": state}


@pytest.fixture
def logits():
    torch.manual_seed(0)
    return torch.randn(1, 4, 16, 12, requires_grad=True)


def test_bce_is_equation_one_on_plain_numbers(logits, target):
    pixels, labelled = 16 * 12, 13
    weight = (pixels - labelled) / labelled
    total = 0.0
    for channel, positive in [(0, True), (2, False)]:
        for z, label in zip(logits[0, channel].flatten().tolist(), target["region"][0, channel].flatten().tolist()):
            probability = 1 / (1 + math.exp(-z))
            inside = positive and label == 1
            total += -weight * math.log(probability) if inside else -math.log(1 - probability)
    assert float(RegionBCE()(logits, target).detach()) == pytest.approx(total / pixels / 2, rel=1e-5)


def test_base_weight_multiplies_the_positives(target):
    assert torch.equal(
        RegionBCE(weight=2.0).positive_weight(target["region"]), 2 * RegionBCE().positive_weight(target["region"])
    )


def test_cut_regions_weigh_what_is_really_labelled():
    region = point_regions(torch.zeros(1, 2), (16, 16), 2, Diamond())
    assert float(RegionBCE().positive_weight(region)) == pytest.approx((256 - 6) / 6)


def test_spatial_cross_entropy_on_plain_numbers(logits, target):
    def terms(channel):
        values = [*logits[0, channel].flatten().tolist(), 0.0]
        return values, math.log(sum(math.exp(v) for v in values))

    values, normaliser = terms(0)
    inside = [v for v, label in zip(values, target["region"][0, 0].flatten().tolist()) if label]
    present = normaliser - sum(inside) / 13
    absent = terms(2)[1]
    assert float(SpatialCrossEntropy()(logits, target).detach()) == pytest.approx((present + absent) / 2, rel=1e-5)


@pytest.mark.parametrize("loss", [RegionBCE(), SpatialCrossEntropy()])
def test_unlabelled_and_moved_out_landmarks_change_nothing(loss, logits, target):
    value = loss(logits, target)
    value.backward()
    assert logits.grad[0, 1].abs().sum() == 0
    assert logits.grad[0, 3].abs().sum() == 0
    assert logits.grad[0, 0].abs().sum() > 0
    assert logits.grad[0, 2].abs().sum() > 0
    other = logits.detach().clone()
    other[0, [1, 3]] = 17.0
    assert float(loss(other, target)) == pytest.approx(float(value.detach()))


@pytest.mark.parametrize("loss", [RegionBCE(), SpatialCrossEntropy()])
def test_nothing_to_learn_is_zero_with_a_gradient(loss, logits, target):
    value = loss(logits, {"region": torch.zeros_like(target["region"]), "state": torch.zeros(1, 4)})
    value.backward()
    assert float(value.detach()) == 0
    assert logits.grad.abs().sum() == 0


@pytest.mark.parametrize("loss", [RegionBCE(), SpatialCrossEntropy()])
def test_minimising_finds_the_point(loss, target):
    free = torch.zeros(1, 4, 16, 12, requires_grad=True)
    optimiser = torch.optim.Adam([free], lr=0.3)
    for _ in range(100):
        optimiser.zero_grad()
        loss(free, target).backward()
        optimiser.step()
    probability = torch.sigmoid(free[0, 0]).detach()
    assert (probability[target["region"][0, 0] > 0]).min() > probability[target["region"][0, 0] == 0].max()


def test_plain_bce_weighs_every_pixel_alike():
    logits = torch.randn(2, 3, 6, 5)
    region = torch.zeros(2, 3, 6, 5)
    region[..., 2:4, 1:3] = 1
    target = {"region": region, "state": torch.full((2, 3), State.PRESENT)}
    expected = torch.nn.functional.binary_cross_entropy_with_logits(logits, region)
    torch.testing.assert_close(PlainBCE()(logits, target), expected)
    assert RegionBCE()(logits, target) != expected
