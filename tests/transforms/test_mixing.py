import math

import pytest
import torch

from monai_landmarks.data.dataset import State
from monai_landmarks.errors import ConfigError
from monai_landmarks.losses.coordinate import CoordinateLoss, Wing
from monai_landmarks.transforms.batch import PrepareLandmarkBatch
from monai_landmarks.transforms.mixing import JitterTargetsd, MixUpd, PublishedMixUpd

TARGETS = ("network_points", "state", "partner_points", "partner_state", "share")


@pytest.fixture
def batch():
    """Six images of one grey value each, so that a mixture shows what it is made of."""
    grey = torch.tensor([1.0, 10.0, 100.0, 1000.0, 10000.0, 100000.0])
    points = torch.arange(6.0)[:, None, None].expand(6, 3, 2).clone()
    state = torch.full((6, 3), State.PRESENT)
    state[2, 1] = State.ABSENT
    points[2, 1] = math.nan
    return {"image": grey[:, None, None, None].expand(6, 1, 4, 5).clone(), "network_points": points, "state": state}


def partners(mixed, key="partner_points"):
    return mixed[key][:, 0, 0].long()


def test_image_and_shares_tell_the_same(batch):
    mixed = MixUpd(0.75)(batch)
    partner, share = partners(mixed), mixed["share"]
    assert sorted(partner.tolist()) == list(range(6))
    assert torch.allclose(share.sum(-1), torch.ones(6))
    assert (share >= 0).all()
    expected = share[:, :1, None, None] * batch["image"] + share[:, 1:, None, None] * batch["image"][partner]
    assert torch.allclose(mixed["image"], expected)
    assert torch.equal(mixed["network_points"].nan_to_num(-1), batch["network_points"].nan_to_num(-1))
    assert torch.equal(mixed["partner_state"], batch["state"][partner])
    assert batch.keys() == {"image", "network_points", "state"}


def test_lambda_follows_the_beta_distribution():
    many = {"image": torch.zeros(4000, 1, 1, 1), "network_points": torch.zeros(4000, 1, 2)}
    many["state"] = torch.full((4000, 1), State.PRESENT)
    for alpha in (0.1, 0.75):
        own = MixUpd(alpha)(many)["share"][:, 0]
        assert own.mean() == pytest.approx(0.5, abs=0.03)
        assert own.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.06)


def test_alpha_zero_mixes_nothing(batch):
    mixed = MixUpd(0.0)(batch)
    assert torch.equal(mixed["image"], batch["image"])
    assert mixed["share"].tolist() == [[1.0, 0.0]] * 6
    assert mixed.keys() >= set(TARGETS)


def test_the_seed_decides(batch):
    def draw(seed):
        torch.manual_seed(seed)
        return MixUpd(0.75)(batch)["image"]

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


def test_a_mixed_batch_goes_through_the_loss(batch):
    prepare = PrepareLandmarkBatch([JitterTargetsd(), MixUpd(0.75)], target_keys=TARGETS)
    image, target = prepare(batch)
    logits = torch.randn(6, 3, 2, 2, requires_grad=True)
    CoordinateLoss(Wing())(logits, target).backward()
    assert image.shape == (6, 1, 4, 5)
    assert torch.isfinite(logits.grad).all()
    assert logits.grad.abs().sum() > 0


def test_the_published_variant_has_its_first_term_on_the_clean_image(batch):
    mixed = PublishedMixUpd(0.75)(batch)
    assert mixed["image"].shape == (12, 1, 4, 5)
    assert torch.equal(mixed["image"][:6], batch["image"])
    partner, share = partners(mixed)[:6], mixed["share"]
    assert (share[:6, 1] == 0).all()
    assert (share[6:, 0] == 0).all()
    assert torch.allclose(share[:6, 0] + share[6:, 1], torch.ones(6))
    expected = share[:6, :1, None, None] * batch["image"] + share[6:, 1:, None, None] * batch["image"][partner]
    assert torch.allclose(mixed["image"][6:], expected)


def test_the_published_variants_loss_is_the_published_formula(batch):
    torch.manual_seed(3)
    mixed = PublishedMixUpd(0.75)(
        {**batch, "state": torch.full((6, 3), State.PRESENT)} | {"network_points": torch.rand(6, 3, 2) * 7}
    )
    logits = torch.randn(12, 3, 2, 2)
    loss = CoordinateLoss(Wing(), presence_weight=0.0)
    share, state = mixed["share"], mixed["state"]
    expected = 0.0
    for i in range(6):
        clean = {"network_points": mixed["network_points"][i : i + 1], "state": state[i : i + 1]}
        other = {"network_points": mixed["partner_points"][i + 6 : i + 7], "state": state[i : i + 1]}
        expected += float(share[i, 0] * loss(logits[i : i + 1], clean)) / 6
        expected += float(share[i + 6, 1] * loss(logits[i + 6 : i + 7], other)) / 6
    assert loss(logits, mixed).item() == pytest.approx(expected, rel=1e-5)


def test_jitter_stays_within_reach_and_takes_some_images():
    batch = {"network_points": torch.zeros(400, 3, 2)}
    batch["network_points"][0, 0] = math.nan
    moved = JitterTargetsd(reach=2.0, prob=0.5)(batch)["network_points"]
    assert moved[0, 0].isnan().all()
    rest = moved[1:]
    assert rest.abs().max() <= 2
    assert rest.abs().max() > 1.8
    shifted = rest.abs().sum((-2, -1)) > 0
    assert 0.4 < shifted.float().mean() < 0.6
    chosen = rest[shifted]
    assert chosen.std() == pytest.approx(2 / math.sqrt(3), rel=0.1)
    assert (chosen[:, 0] != chosen[:, 1]).any()
    assert (batch["network_points"][1:] == 0).all()


@pytest.mark.parametrize(("reach", "prob"), [(0.0, 1.0), (1.0, 0.0)])
def test_no_jitter(batch, reach, prob):
    moved = JitterTargetsd(reach, prob)(batch)["network_points"]
    assert torch.equal(moved.nan_to_num(-1), batch["network_points"].nan_to_num(-1))


def test_numbers_that_cannot_be():
    with pytest.raises(ConfigError, match="alpha -1"):
        MixUpd(-1)
    with pytest.raises(ConfigError, match="reach -1"):
        JitterTargetsd(-1)
    with pytest.raises(ConfigError, match="prob 2"):
        JitterTargetsd(1, prob=2)
