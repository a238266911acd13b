import pytest
import torch
from torch import nn

from monai_landmarks.codecs.decode import ArgmaxCodec
from monai_landmarks.codecs.likelihood import Bernoulli, Categorical
from monai_landmarks.errors import ConfigError
from monai_landmarks.handlers.checkpoint import load_models
from monai_landmarks.networks.ensemble import LandmarkEnsemble

BOTH = pytest.mark.parametrize("likelihood", [Categorical(), Bernoulli()])


class Fixed(nn.Module):
    def __init__(self, logits):
        super().__init__()
        self.logits = logits

    def forward(self, image):
        return self.logits.expand(len(image), -1, -1, -1)


def random_logits(count, scale=4.0):
    return [scale * torch.randn(1, 3, 12, 10) for _ in range(count)]


@BOTH
def test_probabilities_and_presence_are_the_means(likelihood):
    members = random_logits(3)
    logits = LandmarkEnsemble([Fixed(z) for z in members], likelihood)(torch.zeros(2, 1, 12, 10))
    assert logits.shape == (2, 3, 12, 10)
    mean = torch.stack([likelihood.probability(z) for z in members]).mean(0)
    assert torch.allclose(likelihood.probability(logits)[:1], mean, atol=1e-6)
    if isinstance(likelihood, Categorical):
        presence = torch.stack([likelihood.presence(z) for z in members]).mean(0)
        assert torch.allclose(likelihood.presence(logits)[:1], presence, atol=1e-6)


@BOTH
def test_one_member_is_itself(likelihood):
    (member,) = random_logits(1)
    assert torch.allclose(LandmarkEnsemble([Fixed(member)], likelihood)(torch.zeros(1, 1, 12, 10)), member, atol=1e-4)


def test_a_sure_and_wrong_member_is_outvoted():
    votes = torch.full((3, 1, 1, 12, 10), -12.0)
    votes[0, 0, 0, 2, 3] = votes[1, 0, 0, 2, 3] = 3.0
    votes[2, 0, 0, 9, 9] = 30.0
    logits = LandmarkEnsemble([Fixed(z) for z in votes], Categorical())(torch.zeros(1, 1, 12, 10))
    assert ArgmaxCodec(Categorical()).decode(logits).points.tolist() == [[[2, 3]]]
    assert ArgmaxCodec(Categorical()).decode(votes.mean(0)).points.tolist() == [[[9, 9]]]


def test_no_member_is_refused():
    with pytest.raises(ConfigError, match="at least one"):
        LandmarkEnsemble([], Categorical())


def test_loading_several_files(tmp_path):
    paths = [tmp_path / f"{number}.pt" for number in range(2)]
    donors = [nn.Conv2d(1, 2, 1) for _ in paths]
    for donor, path in zip(donors, paths):
        torch.save(donor.state_dict(), path)
    template = nn.Conv2d(1, 2, 1)
    ensemble = load_models(template, paths, Bernoulli())
    assert isinstance(ensemble, LandmarkEnsemble)
    assert all(torch.equal(a.weight, b.weight) for a, b in zip(ensemble.networks, donors))
    assert torch.equal(load_models(template, paths[0], Bernoulli()).weight, donors[0].weight)
    with pytest.raises(ConfigError, match=r"2\.pt"):
        load_models(template, [*paths, tmp_path / "2.pt"], Bernoulli())
    torch.save(nn.Conv2d(3, 2, 1).state_dict(), tmp_path / "odd.pt")
    with pytest.raises(ConfigError, match=r"odd\.pt does not fit"):
        load_models(template, [paths[0], tmp_path / "odd.pt"], Bernoulli())
