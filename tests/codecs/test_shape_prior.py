import json
import logging
import math
import re

import numpy as np
import pytest
import torch

from monai_landmarks.codecs import shape_prior
from monai_landmarks.codecs.decode import (
    ArgmaxCodec,
    Bernoulli,
    Categorical,
    LocalSoftArgmaxCodec,
    codec_from,
    codec_settings,
)
from monai_landmarks.codecs.shape_codec import ShapePriorCodec, with_prior
from monai_landmarks.codecs.shape_fit import conditionals, fit_gaussian
from monai_landmarks.codecs.shape_prior import ShapePrior, training_prior
from monai_landmarks.data.dataset import LandmarkDataset, load_dataset
from monai_landmarks.errors import ConfigError
from monai_landmarks.transforms.shapes import Gaussian, point_regions

SIZE = (96, 128)


def similar(points, angle, scale, shift):
    """Points (K, 2) turned, scaled and moved."""
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return scale * points @ turn.T + shift


def make_shapes(count, landmarks=8, spread=0.03, seed=0, holes=0.0):
    """Shapes with two modes of variation and a little noise, anywhere, at any size and rotation, up to 200 pixels."""
    generator = np.random.default_rng(seed)
    base = np.random.default_rng(1).uniform(-1, 1, (landmarks, 2))
    modes = np.random.default_rng(2).normal(0, 1, (2, landmarks, 2))
    shapes = []
    for _ in range(count):
        shape = base + spread * np.tensordot(generator.normal(0, 1, 2), modes, 1)
        shape = shape + generator.normal(0, spread / 4, shape.shape)
        pose = generator.uniform(-0.3, 0.3), generator.uniform(40, 100), generator.uniform(50, 300, 2)
        shapes.append(similar(shape, *pose))
    shapes = np.array(shapes)
    shapes[generator.random((count, landmarks)) < holes] = np.nan
    return shapes


def mirrored(shapes, every=2):
    """Every second shape's mirror image among the others as they are."""
    shapes = shapes.copy()
    shapes[::every, :, 1] *= -1
    return shapes


def dataset_of(shapes, pairs=()):
    """A data set whose training images have these shapes; `pairs` of landmark numbers are left and right."""
    names = [f"p{k}" for k in range(shapes.shape[1])]
    partner = {names[a]: names[b] for pair in pairs for a, b in (pair, pair[::-1])}
    cases = []
    for number, shape in enumerate(shapes):
        points = {name: tuple(point[::-1]) for name, point in zip(names, shape.tolist())}
        case = {"id": str(number), "image": f"{number}.png", "split": "training"}
        cases.append({**case, "annotations": [{"reader": "a", "points": points}]})
    scheme = {"name": "made", "landmarks": [{"name": name, "pair": partner.get(name)} for name in names]}
    return LandmarkDataset.model_validate({"scheme": scheme, "cases": cases})


def symmetric_shapes(count, seed):
    """Eight landmarks, 0 and 1, 2 and 3, ... left and right of the middle, with some asymmetry."""
    generator = np.random.default_rng(seed)
    half = np.array([[-1.0, 0.8], [-0.3, 0.5], [0.4, 1.0], [1.0, 0.4]])
    base = np.stack((half, half * (1, -1)), 1).reshape(8, 2)
    shapes = [base + generator.normal(0, 0.03, base.shape) for _ in range(count)]
    return np.array([similar(s, generator.uniform(-0.3, 0.3), generator.uniform(40, 100), 200) for s in shapes])


def in_network(shape):
    """The shape in the middle of a small map."""
    centred = shape - shape.mean(0)
    return torch.tensor(centred * 36 / np.abs(centred).max() + np.array(SIZE) / 2, dtype=torch.float32)


def logits_at(points, weights=None):
    """Maps (K, rows, columns) with a peak at each point."""
    maps = point_regions(points[None], SIZE, 5.0, Gaussian())[0]
    maps = maps / maps.sum((-2, -1), keepdim=True)
    return maps if weights is None else maps * weights


def log_maps(maps):
    return torch.log(maps + 1e-9) + 12


@pytest.fixture(scope="module")
def prior():
    return ShapePrior.fit(make_shapes(120))


@pytest.fixture(scope="module")
def plain():
    return LocalSoftArgmaxCodec(Categorical(), radius=20)


def test_the_fit_knows_no_position_size_or_rotation(prior):
    moved = np.array([similar(s, 0.5, 3.0, (70, -20)) for s in make_shapes(120)])
    other = ShapePrior.fit(moved)
    shape = torch.tensor(make_shapes(3, seed=9))
    ours = prior.judge(shape, 0.0, 18.0).distance
    moved = torch.tensor(np.array([similar(s, -1.0, 0.2, (5, 5)) for s in shape.numpy()]))
    theirs = other.judge(moved, 0.0, 18.0).distance
    assert torch.allclose(ours, theirs, rtol=1e-3)


def test_true_shapes_follow_the_law(prior):
    fresh = torch.tensor(make_shapes(300, seed=3))
    judgement = prior.judge(fresh, 0.0, -2 * math.log(1e-4))
    assert (~judgement.trusted).float().mean() < 0.003
    # The median of the chi-square law with two degrees of freedom is 1.39; shrinkage and inflation make it smaller.
    assert 0.5 < judgement.distance.median() < 1.6


def test_missing_points_change_the_fit_little():
    whole, known = fit_gaussian(torch.tensor(make_shapes(150)), False)
    mean, covariance = fit_gaussian(torch.tensor(make_shapes(150, holes=0.2)), False)
    ours, theirs = (np.ascontiguousarray(m.numpy()).view(complex)[:, 0] for m in (mean, whole))
    assert abs(np.vdot(ours, theirs)) > 0.999 * np.linalg.norm(ours) * np.linalg.norm(theirs)
    assert 0.8 < covariance.trace() / known.trace() < 1.1
    assert torch.linalg.eigvalsh(covariance).min() > 0


def test_leaving_out_equals_conditioning_by_hand():
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(1, 10, 10, generator=generator, dtype=torch.float64)
    total = root @ root.mT + torch.eye(10)
    error = torch.randn(1, 5, 2, generator=generator, dtype=torch.float64)
    used = torch.tensor([[True, True, False, True, True]])
    mean, covariance = conditionals(total, error, used)
    for k in range(5):
        mine, others = [2 * k, 2 * k + 1], [i for i in range(10) if i // 2 not in (2, k)]
        gain = total[0][mine][:, others] @ torch.linalg.inv(total[0][others][:, others])
        assert torch.allclose(mean[0, k], gain @ error[0].flatten()[others])
        assert torch.allclose(covariance[0, k], total[0][mine][:, mine] - gain @ total[0][others][:, mine])


@pytest.mark.parametrize("wrong", [(2,), (0, 5), (1, 3, 6)])
def test_wrong_points_are_found_however_they_conspire(prior, wrong):
    shape = make_shapes(6, seed=5)
    broken = shape.copy()
    broken[:, list(wrong)] += (90.0, -70.0)
    judgement = prior.judge(torch.tensor(broken), 0.5, 18.4)
    expected = torch.ones(6, 8, dtype=torch.bool)
    expected[:, list(wrong)] = False
    assert torch.equal(judgement.trusted, expected)
    scale = np.linalg.norm(shape - shape.mean(1, keepdims=True), axis=-1).mean()
    away = np.linalg.norm(judgement.mean.numpy() - shape, axis=-1)[:, list(wrong)]
    assert away.max() < 0.25 * scale


def test_plausible_points_stay_bit_for_bit(prior, plain):
    logits = log_maps(torch.stack([logits_at(in_network(s)) for s in make_shapes(4, seed=7)]))
    ours, theirs = ShapePriorCodec(plain, prior).decode(logits), plain.decode(logits)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs))
    one = ShapePriorCodec(plain, prior).decode(logits[0])
    assert torch.equal(one.points, theirs.points[0])


def test_the_second_peak_is_taken_where_it_fits(prior, plain):
    truth = in_network(make_shapes(1, seed=7)[0])
    maps = logits_at(truth)
    away = (truth[3] + torch.tensor([SIZE[0] / 2, SIZE[1] / 2])) % torch.tensor(SIZE)
    maps[3] = 0.25 * maps[3] + 0.75 * logits_at(away[None])[0]
    logits = torch.stack([log_maps(maps), log_maps(logits_at(truth))])
    before, after = plain.decode(logits), ShapePriorCodec(plain, prior).decode(logits)
    assert torch.allclose(before.points[0, 3], away, atol=0.5)
    assert torch.allclose(after.points[0, 3], truth[3], atol=0.5)
    assert after.confidence[0, 3] == pytest.approx(0.25, abs=0.03)
    keep = torch.ones(2, 8, dtype=torch.bool)
    keep[0, 3] = False
    assert torch.equal(after.points[keep], before.points[keep])
    assert torch.equal(after.confidence[keep], before.confidence[keep])
    assert torch.equal(after.presence, before.presence)


@pytest.mark.parametrize(
    "codec", [LocalSoftArgmaxCodec(Bernoulli(), radius=20), ArgmaxCodec(Categorical()), ArgmaxCodec(Bernoulli())]
)
def test_without_a_fitting_peak_the_others_say_where(prior, codec):
    truth = in_network(make_shapes(1, seed=7)[0])
    wrong = truth.clone()
    wrong[5] = (truth[5] + torch.tensor([SIZE[0] / 2, SIZE[1] / 2])) % torch.tensor(SIZE)
    logits = log_maps(logits_at(wrong)) - 8
    before, after = codec.decode(logits), ShapePriorCodec(codec, prior).decode(logits)
    assert (after.points[5] - truth[5]).norm() < 6 < (before.points[5] - truth[5]).norm()
    assert after.confidence[5] < 0.05 < before.confidence[5]
    trusting = ShapePriorCodec(codec, prior, trust=float(before.confidence[5]) * 0.9).decode(logits)
    assert torch.equal(trusting.points, before.points)


def test_where_half_is_wrong_nothing_moves(prior, plain):
    torch.manual_seed(1)
    scattered = torch.rand(8, 2) * (torch.tensor(SIZE) - 1)
    for logits in (log_maps(logits_at(scattered)), torch.zeros(8, *SIZE)):
        ours, theirs = ShapePriorCodec(plain, prior).decode(logits), plain.decode(logits)
        assert torch.equal(ours.points, theirs.points)


def test_settings_travel_as_json(prior, plain):
    codec = ShapePriorCodec(plain, prior, level=1e-3, noise=2.0)
    noted = json.loads(json.dumps(codec_settings(codec)))
    back = codec_from({"backbone": "any", **noted})
    broken = make_shapes(4, seed=5)
    broken[:, 2] += 60
    logits = log_maps(torch.stack([logits_at(in_network(s)) for s in broken]))
    assert isinstance(back, ShapePriorCodec)
    assert codec_settings(back) == noted
    assert torch.allclose(back.decode(logits).points, codec.decode(logits).points, atol=1e-4)


def test_settings_without_a_prior_load_as_before(plain):
    assert codec_settings(plain) == {"likelihood": "Categorical", "window": 20}
    assert type(codec_from(codec_settings(plain))) is LocalSoftArgmaxCodec
    assert codec_settings(codec_from({"likelihood": "Bernoulli", "window": None}))["window"] is None
    with pytest.raises(ConfigError, match="cannot be noted"):
        codec_settings(object())


def test_what_no_prior_can_be_made_of_is_refused(prior, plain):
    with pytest.raises(ConfigError, match="3 landmarks have no shape"):
        ShapePrior.fit(make_shapes(40, landmarks=3))
    with pytest.raises(ConfigError, match=r"0 of 8 landmarks are in at least 5 training images"):
        ShapePrior.fit(make_shapes(4))
    rare = make_shapes(40)
    rare[4:, :5] = np.nan
    with pytest.raises(ConfigError, match=r"3 of 8 landmarks .* 4 are needed"):
        ShapePrior.fit(rare)
    with pytest.raises(ConfigError, match="is of 8 landmarks, the network gives 2"):
        ShapePriorCodec(plain, prior).decode(torch.zeros(2, 32, 32))
    with pytest.raises(ConfigError, match="level must lie"):
        ShapePriorCodec(plain, prior, level=0.0)


@pytest.mark.parametrize(
    "entries",
    [
        {"mean": [0.0] * 16},
        {"mean": [[]] * 8, "covariance": []},
        {"mean": [[0.0, 0.0]] * 3, "covariance": [0.0] * 21, "known": [0, 1, 2]},
        {"mean": [[0.0, 10**400]] * 8},
        {"mean": [[0.0, math.nan]] * 8},
        {"mean": [[0.0, 0.0]] * 100_000},
        {"covariance": [1.0]},
        {"covariance": [math.inf] * 136},
        {"inflation": 0.5},
        {"inflation": math.nan},
        {"inflation": "much"},
        {"known": [0, 1]},
        {"known": [0, 1, 2, 3, 4, 5, 6, 8]},
        {"known": [0] * 8},
        {"known": [*range(-1, 7)]},
        {"known": [0.5, *range(1, 8)]},
        {"known": "all"},
        {"known": 8},
        {"landmarks": 7},
        {"landmarks": math.inf},
    ],
)
def test_damaged_settings_are_refused(prior, entries):
    with pytest.raises(ConfigError, match=r"metadata\.json is damaged"):
        ShapePrior.from_settings({**prior.settings(), **entries})


def test_a_landmark_that_every_fifth_image_shows_is_in_every_fold(monkeypatch):
    shapes = make_shapes(40)
    shapes[np.arange(40) % 5 > 1, 7] = np.nan
    shapes[np.arange(40) % 4 > 0, 2] = np.nan
    fitted = []
    fit = shape_prior.fit_gaussian
    monkeypatch.setattr(shape_prior, "fit_gaussian", lambda part, *rest: fitted.append(part) or fit(part, *rest))
    prior = ShapePrior.fit(shapes)
    assert prior.known == list(range(8))
    rare = [torch.isfinite(part[:, [2, 7]]).all(-1).sum(0).tolist() for part in fitted]
    assert rare[0] == [10, 16]
    assert all(least >= 8 and other >= 10 for least, other in rare[1:])
    assert sum(len(part) for part in fitted[1:]) == 4 * 40


def test_a_landmark_that_few_of_many_images_show_is_left_out():
    shapes = make_shapes(60)
    shapes[14:, 5] = np.nan
    assert 5 not in ShapePrior.fit(shapes).known
    # Six complete images more do not cost the others.
    shapes = make_shapes(60, landmarks=12)
    shapes[6:, 5:] = np.nan
    prior = ShapePrior.fit(shapes)
    assert prior.known == [0, 1, 2, 3, 4]
    assert prior.shapes == 60


def test_a_rare_landmark_is_neither_judged_nor_heard(plain, caplog):
    shapes = make_shapes(40)
    shapes[4:, 1] = np.nan
    with caplog.at_level(logging.INFO, "monai_landmarks"):
        prior = training_prior(dataset_of(shapes))
    assert "leaves out what too few of its 40 images show: p1" in caplog.text
    assert prior.known == [0, 2, 3, 4, 5, 6, 7]
    without = ShapePrior.fit(np.delete(make_shapes(40), 1, 1), reflection=True)
    torch.testing.assert_close(prior.mean, without.mean)
    torch.testing.assert_close(prior.covariance, without.covariance)
    codec = codec_from(json.loads(json.dumps(codec_settings(ShapePriorCodec(plain, prior)))))
    # Both a landmark after it and the unknown one itself lie in a corner.
    truth = in_network(make_shapes(1, seed=3)[0])
    broken = truth.clone()
    broken[[1, 5]] = torch.tensor([[4.0, 5.0], [90.0, 4.0]])
    found, own = codec.decode(log_maps(logits_at(broken))), plain.decode(log_maps(logits_at(broken)))
    rest = [0, 1, 2, 3, 4, 6, 7]
    assert torch.equal(found.points[rest], own.points[rest])
    assert torch.equal(found.confidence[rest], own.confidence[rest])
    assert (found.points[5] - truth[5]).norm() < 0.2 * (own.points[5] - truth[5]).norm()


def test_what_is_left_out_and_the_shapes_that_stay_are_settled_together():
    """Six images show three landmarks, one of them in no other image: neither it nor they can be used."""
    shapes = make_shapes(17)
    shapes[:6, 3:] = np.nan
    shapes[6:, 0] = np.nan
    prior = ShapePrior.fit(shapes)
    assert prior.known == [1, 2, 3, 4, 5, 6, 7]
    assert prior.shapes == 11
    assert prior.landmarks == 8


def test_a_small_data_set_goes_without_and_the_log_says_why(blobs, plain, caplog):
    with caplog.at_level(logging.INFO, "monai_landmarks"):
        assert training_prior(load_dataset(blobs)) is None
    assert "without a shape prior" in caplog.text
    assert with_prior(plain, None) is plain


@pytest.mark.parametrize("count", [5, 8, 12, 19])
def test_few_shapes_judge_with_care(count):
    """True points of others stay, and a point on the other side of the image is found, however few were annotated."""
    fresh = make_shapes(60, seed=999)
    size = np.linalg.norm(fresh - fresh.mean(1, keepdims=True), axis=-1).mean(1)
    lost = fresh.copy()
    lost[:, 3] += np.stack([6 * size, -6 * size], -1)
    inflations = []
    for seed in range(5):
        prior = ShapePrior.fit(make_shapes(count, seed=seed))
        assert prior.judge(torch.tensor(fresh), 0.5, 18.4).trusted.double().mean() > 0.99
        assert not prior.judge(torch.tensor(lost), 0.5, 18.4).trusted[:, 3].any()
        inflations.append(prior.inflation)
    assert (np.median(inflations) > 10) == (count == 5)


def test_left_and_right_limbs_stay_bit_for_bit(plain):
    prior = training_prior(dataset_of(mirrored(make_shapes(80))))
    assert prior.reflection
    fresh = mirrored(make_shapes(8, seed=7))
    logits = log_maps(torch.stack([logits_at(in_network(s)) for s in fresh]))
    codec = codec_from(json.loads(json.dumps(codec_settings(ShapePriorCodec(plain, prior)))))
    assert all(torch.equal(a, b) for a, b in zip(codec.decode(logits), plain.decode(logits)))
    sides = prior.judge(torch.tensor(fresh), 0.0, 18.4).pose.mirrored
    assert sides.tolist() in ([True, False] * 4, [False, True] * 4)


def test_a_wrong_point_of_either_limb_is_found_and_put_back():
    prior = ShapePrior.fit(mirrored(make_shapes(80)), reflection=True)
    shapes = mirrored(make_shapes(8, seed=7))
    broken = shapes.copy()
    broken[:, 2] += (90.0, -70.0)
    judgement = prior.judge(torch.tensor(broken), 0.5, 18.4)
    assert torch.equal(~judgement.trusted, (torch.arange(8) == 2).expand(8, 8))
    scale = np.linalg.norm(shapes - shapes.mean(1, keepdims=True), axis=-1).mean()
    assert np.linalg.norm(judgement.mean.numpy() - shapes, axis=-1)[:, 2].max() < 0.25 * scale
    place = judgement.mean[torch.arange(8), torch.full((8,), 2)][:, None]
    assert judgement.distance_of(torch.arange(8), torch.full((8,), 2), place).abs().max() < 1e-9


def test_shapes_of_two_kinds_are_refused_with_a_reason(caplog):
    other = np.random.default_rng(8).uniform(-1, 1, (8, 2))
    shapes = make_shapes(80)
    generator = np.random.default_rng(4)
    shapes[::2] = [similar(other + generator.normal(0, 0.03, other.shape), 0, 70, 200) for _ in shapes[::2]]
    with caplog.at_level(logging.INFO, "monai_landmarks"):
        assert training_prior(dataset_of(shapes)) is None
    assert re.search(r"without a shape prior: .* \d+ of 640 true points of held-out", caplog.text)
    with pytest.raises(ConfigError, match="of several kinds"):
        ShapePrior.fit(mirrored(make_shapes(80)))


def test_swapped_sides_are_caught_where_there_are_pairs():
    prior = training_prior(dataset_of(symmetric_shapes(80, 0), [(0, 1), (2, 3), (4, 5), (6, 7)]))
    assert not prior.reflection
    shape = torch.tensor(symmetric_shapes(6, 1))
    assert prior.judge(shape, 0.5, 18.4).trusted.all()
    judgement = prior.judge(shape[:, [1, 0, 2, 3, 4, 5, 6, 7]], 0.5, 18.4)
    assert torch.equal(~judgement.trusted, (torch.arange(8) < 2).expand(6, 8))
    assert (judgement.mean - shape).norm(dim=-1)[:, :2].max() < 15
    # With all sides swapped the shape is its own mirror image: a reflection would excuse it.
    swapped = shape[:, [1, 0, 3, 2, 5, 4, 7, 6]]
    excusing = ShapePrior.from_settings({**prior.settings(), "reflection": True})
    assert excusing.judge(swapped, 0.5, 18.4).distance.max() < 18.4
    assert (prior.judge(swapped, 0.5, 18.4).distance > 18.4).sum(1).min() >= 2


def test_settings_of_earlier_versions_load():
    settings = ShapePrior.fit(mirrored(make_shapes(80)), reflection=True).settings()
    assert ShapePrior.from_settings(settings).reflection
    for entry in ("reflection", "known", "landmarks"):
        del settings[entry]
    older = ShapePrior.from_settings(settings)
    assert not older.reflection
    assert older.known == list(range(8))
    assert older.landmarks == 8


def test_candidates_are_peaks_not_flanks(plain):
    truth = torch.tensor([[30.3, 40.6], [70.0, 20.0]])
    maps = logits_at(truth)
    both = log_maps((0.6 * maps[0] + 0.4 * maps[1])[None])
    found = plain.candidates(both, 3)
    assert torch.allclose(found.points[0, :2], truth, atol=0.1)
    assert torch.allclose(found.confidence[0, :2], torch.tensor([0.6, 0.4]), atol=0.05)
    assert found.confidence[0, 2] < 0.01
    decoded = plain.decode(both)
    assert torch.equal(found.points[0, 0], decoded.points[0])
    assert torch.equal(found.confidence[0, 0], decoded.confidence[0])
    assert torch.allclose(plain.support(both, truth[1:]), found.confidence[:, 1], atol=1e-3)
