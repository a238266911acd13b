import pytest
import torch

from monai_landmarks.codecs.decode import ArgmaxCodec, Bernoulli, Categorical, LocalSoftArgmaxCodec
from monai_landmarks.transforms.shapes import Diamond, Gaussian, point_regions


def logits_of(points, size=(64, 48), radius=6.0, shape=None):
    return torch.log(point_regions(points, size, radius, shape or Gaussian()) + 1e-6) + 8


@pytest.mark.parametrize("likelihood", [Categorical(), Bernoulli()])
def test_argmax_gives_the_pixel(likelihood):
    points = torch.tensor([[[10.0, 20.0], [63.0, 47.0]], [[0.0, 0.0], [30.2, 10.9]]])
    decoded = ArgmaxCodec(likelihood).decode(logits_of(points))
    assert torch.equal(decoded.points, torch.floor(points + 0.5))
    assert decoded.confidence.shape == decoded.presence.shape == (2, 2)


@pytest.mark.parametrize("shape", [Diamond(), Gaussian()])
def test_local_soft_argmax_returns_what_was_encoded(shape):
    torch.manual_seed(0)
    points = torch.rand(2, 5, 2) * torch.tensor([40.0, 24.0]) + 12
    expected = torch.floor(points + 0.5) if shape.snaps else points
    decoded = LocalSoftArgmaxCodec(Categorical(), radius=8 * 512 / 64).decode(logits_of(points, shape=shape))
    assert torch.allclose(decoded.points, expected, atol=0.02)
    assert (decoded.confidence > 0.95).all()


def test_sub_pixel_beats_whole_pixels():
    points = torch.tensor([[[20.4, 30.3], [15.5, 9.7]]])
    fine = LocalSoftArgmaxCodec(Categorical(), radius=40).decode(logits_of(points, radius=4)).points
    coarse = ArgmaxCodec(Categorical()).decode(logits_of(points, radius=4)).points
    assert (fine - points).norm(dim=-1).max() < 0.05 < (coarse - points).norm(dim=-1).min()


def test_a_lone_pixel_does_not_decide():
    logits = logits_of(torch.tensor([[30.0, 24.0]]), radius=8)
    logits[0, 5, 5] = logits.max() + 0.2
    assert torch.equal(ArgmaxCodec(Categorical()).decode(logits).points, torch.tensor([[5.0, 5.0]]))
    found = LocalSoftArgmaxCodec(Categorical(), radius=40).decode(logits).points
    assert torch.allclose(found, torch.tensor([[30.0, 24.0]]), atol=0.1)


def test_a_point_in_the_corner_is_found():
    decoded = LocalSoftArgmaxCodec(Categorical(), radius=16).decode(logits_of(torch.zeros(1, 2), radius=1))
    assert decoded.points.abs().max() < 0.3


def test_presence_follows_the_absent_class():
    empty = torch.full((1, 16, 16), -20.0)
    there = empty.clone()
    there[0, 3, 3] = 6.0
    for likelihood in (Categorical(), Bernoulli()):
        assert float(likelihood.presence(empty)) < 1e-5
        assert float(likelihood.presence(there)) == pytest.approx(float(torch.sigmoid(torch.tensor(6.0))), abs=1e-5)
    total = Categorical().probability(there).sum()
    assert float(total) == pytest.approx(float(Categorical().presence(there)), abs=1e-6)
    assert float(LocalSoftArgmaxCodec(Bernoulli()).decode(there).confidence) == pytest.approx(0.9975, abs=1e-3)
