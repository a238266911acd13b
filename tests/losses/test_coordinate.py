import math

import numpy as np
import pytest
import torch

from monai_landmarks.codecs.soft_argmax import soft_argmax
from monai_landmarks.data.dataset import State
from monai_landmarks.errors import ConfigError
from monai_landmarks.losses.coordinate import L1, L2, AdaptiveRobust, CoordinateLoss, Elastic, Wing, general_robust

PENALTIES = [Wing(), L1(), L2(), Elastic(), AdaptiveRobust()]


@pytest.fixture
def logits():
    return torch.randn(2, 3, 8, 6, generator=torch.Generator().manual_seed(0)).mul(3).requires_grad_()


@pytest.fixture
def target():
    """Present, absent and unlabelled; present, moved out below, present without a place."""
    points = torch.tensor([[[7.0, 9.0], [math.nan] * 2, [3.0, 3.0]], [[30.0, 2.0], [40.0, 9.0], [math.nan] * 2]])
    present, absent, unlabelled = State.PRESENT, State.ABSENT, State.UNLABELLED
    return {
        "network_points": points,
        "state": torch.tensor([[present, absent, unlabelled], [present, present, present]]),
    }


def values(penalty, *differences):
    return penalty(torch.tensor(differences, dtype=torch.float64)).tolist()


def test_wing_at_its_corners():
    assert values(Wing(), 0.0) == [0.0]
    assert values(Wing(), 15.0, -15.0) == pytest.approx([15 * math.log(6)] * 2)
    below, above = values(Wing(), 15 - 1e-9, 15 + 1e-9)
    assert below == pytest.approx(above, abs=1e-7)
    assert values(Wing(), 25.0) == pytest.approx([15 * math.log(6) + 10])
    assert values(Wing(width=10, curvature=2), 6.0) == pytest.approx([10 * math.log(4)])


def test_wing_has_a_gradient_at_its_corners():
    difference = torch.tensor([0.0, 1.0, -20.0], requires_grad=True)
    Wing()(difference).sum().backward()
    assert difference.grad.tolist() == pytest.approx([0.0, 15 / 4, -1.0])


def test_the_plain_penalties():
    assert values(L1(), -3.0, 2.0) == [3.0, 2.0]
    assert values(L2(), -3.0, 2.0) == [9.0, 4.0]
    assert values(Elastic(), -3.0, 2.0) == [6.0, 3.0]
    assert values(Elastic(squared=1.0), -3.0) == [9.0]


def test_robust_meets_the_distributions_it_stands_between():
    difference = torch.linspace(-8, 8, 33, dtype=torch.float64)
    near = torch.tensor([2 - 1e-6, 1e-6, 1.0], dtype=torch.float64)
    gaussian, cauchy, charbonnier = (general_robust(difference, shape) for shape in near)
    assert torch.allclose(gaussian, difference.square() / 2, atol=1e-3)
    assert torch.allclose(cauchy, torch.log1p(difference.square() / 2), atol=1e-4)
    assert torch.allclose(charbonnier, (difference.square() + 1).sqrt() - 1)


def test_the_partition_function():
    penalty = AdaptiveRobust()
    shapes = torch.tensor([2 - 1e-6, 1e-6, 1.0, 0.5, 1.7], dtype=torch.float64)
    found = penalty.log_partition(shapes).exp()
    # Gaussian and Cauchy in closed form; shape 1 is 2 e K_1(1), K_1(1) = 0.6019072301972346.
    expected = [math.sqrt(2 * math.pi), math.pi * math.sqrt(2), 2 * math.e * 0.6019072301972346]
    assert found[:3].tolist() == pytest.approx(expected, rel=1e-5)
    x = np.concatenate((np.arange(0, 100, 0.001), np.geomspace(100, 1e7, 200_000)))
    for shape, z in zip(shapes[3:].tolist(), found[3:].tolist()):
        density = np.exp(-((2 - shape) / shape) * ((x**2 / (2 - shape) + 1) ** (shape / 2) - 1))
        assert z == pytest.approx(2 * np.trapezoid(density, x), rel=1e-6)


@pytest.mark.parametrize(("draw", "shape", "scale"), [("normal", (1.6, 2.0), 3.0), ("cauchy", (0.0, 0.4), None)])
def test_robust_learns_shape_and_scale_of_what_it_sees(draw, shape, scale):
    generator = np.random.default_rng(0)
    sample = {"normal": generator.standard_normal, "cauchy": generator.standard_cauchy}[draw](2000) * 3
    difference = torch.tensor(sample).float().reshape(-1, 2)
    penalty = AdaptiveRobust()
    optimiser = torch.optim.Adam(penalty.parameters(), lr=0.1)
    for _ in range(150):
        optimiser.zero_grad()
        penalty(difference).mean().backward()
        optimiser.step()
    assert ((penalty.shape > shape[0]) & (penalty.shape < shape[1])).all()
    if scale is not None:
        assert torch.allclose(penalty.scale, torch.tensor(scale), rtol=0.2)


def test_robust_has_a_shape_for_each_landmark():
    penalty = AdaptiveRobust(landmarks=3, scale=2.0)
    assert [tuple(parameter.shape) for parameter in penalty.parameters()] == [(3, 2), (3, 2)]
    assert penalty(torch.zeros(5, 3, 2)).shape == (5, 3, 2)
    assert torch.allclose(penalty.shape, torch.tensor(1.0))
    assert torch.allclose(penalty.scale, torch.tensor(2.0), atol=1e-4)


def test_robust_survives_large_and_small_differences():
    penalty = AdaptiveRobust()
    for logit in (-50.0, 50.0):
        torch.nn.init.constant_(penalty.shape_logit, logit)
        difference = torch.tensor([[0.0, 1e-8], [1e3, -1e4]], requires_grad=True)
        penalty(difference).sum().backward()
        assert torch.isfinite(difference.grad).all()
        assert torch.isfinite(penalty.shape_logit.grad).all()


def test_the_loss_on_plain_numbers(logits, target):
    points = soft_argmax(logits.detach())
    location = [
        np.mean([Wing()(points[i, k, axis] - target["network_points"][i, k, axis]).item() for axis in (0, 1)])
        for i, k in ((0, 0), (1, 0))
    ]
    total = torch.logsumexp(logits.detach().flatten(-2), -1)
    presence = [-math.log(torch.sigmoid(total[i, 0]).item()) for i in (0, 1)]
    presence.append(-math.log(torch.sigmoid(-total[0, 1]).item()))
    expected = np.mean(location) + 0.5 * np.mean(presence)
    assert CoordinateLoss(Wing(), presence_weight=0.5)(logits, target).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("penalty", PENALTIES, ids=lambda penalty: type(penalty).__name__)
def test_what_takes_no_part_changes_nothing(penalty, logits, target):
    CoordinateLoss(penalty)(logits, target).backward()
    assert torch.isfinite(logits.grad).all()
    for i, k in ((0, 2), (1, 1), (1, 2)):
        assert logits.grad[i, k].abs().sum() == 0
    for i, k in ((0, 0), (0, 1), (1, 0)):
        assert logits.grad[i, k].abs().sum() > 0


def test_an_absent_landmark_trains_presence_alone(logits, target):
    CoordinateLoss(Wing(), presence_weight=0.0)(logits, target).backward()
    assert logits.grad[0, 1].abs().sum() == 0
    assert logits.grad[0, 0].abs().sum() > 0


def test_nothing_to_learn_is_zero_with_a_gradient(logits, target):
    value = CoordinateLoss(Wing())(logits, {**target, "state": torch.zeros(2, 3)})
    value.backward()
    assert value.item() == 0
    assert logits.grad.abs().sum() == 0


def test_normalised_differences_are_shares_of_the_input(logits):
    points = soft_argmax(logits.detach()) + torch.tensor([32 * 0.01, 24 * 0.02])
    target = {"network_points": points, "state": torch.full((2, 3), State.PRESENT)}
    loss = CoordinateLoss(L1(), presence_weight=0.0, normalised=True)
    assert loss(logits, target).item() == pytest.approx((0.01 + 0.02) / 2, rel=1e-4)


def test_a_share_for_each_side_of_a_mixed_image(logits):
    generator = torch.Generator().manual_seed(1)
    state = torch.full((2, 3), State.PRESENT)
    one, other = (torch.rand(2, 3, 2, generator=generator) * 20 for _ in range(2))
    share = torch.tensor([[0.8, 0.2], [0.8, 0.2]])
    loss = CoordinateLoss(Wing(), presence_weight=0.0)
    mixed = loss(
        logits,
        {"network_points": one, "state": state, "partner_points": other, "partner_state": state, "share": share},
    )
    single = [loss(logits, {"network_points": points, "state": state}).item() for points in (one, other)]
    assert mixed.item() == pytest.approx(0.8 * single[0] + 0.2 * single[1], rel=1e-5)


def test_the_partners_absence_counts_for_its_share(logits):
    points = torch.zeros(2, 3, 2)
    present, absent = torch.full((2, 3), State.PRESENT), torch.full((2, 3), State.ABSENT)
    target = {"network_points": points, "state": present, "partner_points": points, "partner_state": absent}
    loss = CoordinateLoss(torch.nn.Identity())
    target["share"] = torch.tensor([[1.0, 0.0]] * 2)
    alone = loss(logits, target).item()
    assert alone == pytest.approx(loss(logits, {"network_points": points, "state": present}).item())
    target["share"] = torch.tensor([[0.0, 1.0]] * 2)
    total = torch.logsumexp(logits.detach().flatten(-2), -1)
    assert loss(logits, target).item() == pytest.approx(torch.nn.functional.softplus(total).mean().item(), rel=1e-5)


@pytest.mark.parametrize("penalty", [Wing(), L1(), L2(), Elastic()], ids=lambda penalty: type(penalty).__name__)
def test_minimising_finds_the_point_and_the_presence(penalty):
    free = torch.zeros(1, 2, 16, 12, requires_grad=True)
    target = {
        "network_points": torch.tensor([[[20.0, 31.0], [math.nan] * 2]]),
        "state": torch.tensor([[State.PRESENT, State.ABSENT]]),
    }
    loss = CoordinateLoss(penalty)
    optimiser = torch.optim.Adam([free], lr=0.1)
    for _ in range(200):
        optimiser.zero_grad()
        loss(free, target).backward()
        optimiser.step()
    found = soft_argmax(free.detach())[0, 0]
    assert (found - target["network_points"][0, 0]).norm() < 0.5
    presence = torch.sigmoid(torch.logsumexp(free.detach().flatten(-2), -1))[0]
    assert presence[0] > 0.95
    assert presence[1] < 0.05


def test_a_negative_weight_is_refused():
    with pytest.raises(ConfigError, match="presence_weight -1"):
        CoordinateLoss(Wing(), presence_weight=-1)


def test_a_loss_of_other_numbers_has_another_text():
    """What a run notes of its loss, to refuse being resumed with another one."""
    losses = [
        CoordinateLoss(Wing()),
        CoordinateLoss(Wing(width=5.0)),
        CoordinateLoss(Wing(curvature=2.0)),
        CoordinateLoss(Elastic()),
        CoordinateLoss(Elastic(squared=0.1)),
        CoordinateLoss(Wing(), normalised=True),
        CoordinateLoss(Wing(), presence_weight=0.5),
        CoordinateLoss(Wing(), stride=2),
        CoordinateLoss(Wing(), beta=2.0),
    ]
    assert len({repr(loss) for loss in losses}) == len(losses)
    assert repr(CoordinateLoss(Wing())) == repr(CoordinateLoss(Wing()))
