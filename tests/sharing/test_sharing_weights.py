import copy
import json

import pytest
import torch
from torch import nn

from monai_landmarks.codecs.likelihood import Bernoulli
from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.ensemble import LandmarkEnsemble
from monai_landmarks.sharing.weights import trained_network

METADATA = {
    "network_data_format": {"inputs": {"image": {"spatial_shape": [64, 64]}}},
    "monai_landmarks": {
        "scheme": {"name": "toy", "landmarks": [{"name": "a"}, {"name": "b"}]},
        "settings": {"backbone": "x", "decoder": {"likelihood": "Bernoulli", "window": 8.0, "shape_prior": {"n": 1}}},
    },
}


@pytest.fixture
def models(tmp_path):
    paths = [tmp_path / name / "model.pt" for name in ("first", "second")]
    for path in paths:
        path.parent.mkdir()
        torch.save(nn.Conv2d(1, 2, 1).state_dict(), path)
        write_metadata(path, METADATA)
    return paths


def write_metadata(path, metadata):
    (path.parent / "metadata.json").write_text(json.dumps(metadata))


def test_one_path_is_its_network_and_a_list_an_ensemble(models):
    alone = trained_network(nn.Conv2d(1, 2, 1), str(models[0]), METADATA)
    both = trained_network(nn.Conv2d(1, 2, 1), [str(path) for path in models], METADATA)
    assert isinstance(both, LandmarkEnsemble)
    assert isinstance(both.likelihood, Bernoulli)
    assert torch.equal(both.networks[0].weight, alone.weight)
    assert not torch.equal(both.networks[1].weight, alone.weight)
    assert isinstance(trained_network(nn.Conv2d(1, 2, 1), models[:1], METADATA), nn.Conv2d)


def test_models_of_several_templates_are_an_ensemble(models):
    other = copy.deepcopy(METADATA)
    other["monai_landmarks"]["settings"]["template"] = "0123456789abcdef"
    write_metadata(models[1], other)
    assert len(trained_network(nn.Conv2d(1, 2, 1), models, METADATA).networks) == 2


@pytest.mark.parametrize(
    ("place", "value", "message"),
    [
        (("monai_landmarks", "settings", "backbone"), "y", "backbone y instead of x"),
        (("monai_landmarks", "settings", "decoder", "likelihood"), "Categorical", "decoder .*Categorical.*instead of"),
        (("monai_landmarks", "settings", "second_pass"), {"window": 64}, "second_pass .* instead of None"),
        (("network_data_format", "inputs", "image", "spatial_shape"), [96, 64], r"spatial_size \[96, 64\]"),
        (("monai_landmarks", "scheme", "landmarks"), [{"name": "b"}, {"name": "a"}], "landmarks .*'b', 'a'"),
    ],
)
def test_a_model_of_other_settings_is_refused_by_name(models, place, value, message):
    other = copy.deepcopy(METADATA)
    entry = other
    for key in place[:-1]:
        entry = entry[key]
    entry[place[-1]] = value
    write_metadata(models[1], other)
    with pytest.raises(ConfigError, match=rf"second.metadata\.json tells of another model.*{message}"):
        trained_network(nn.Conv2d(1, 2, 1), models, METADATA)


def test_priors_may_differ_and_metadata_may_not_be_missing(models):
    other = copy.deepcopy(METADATA)
    other["monai_landmarks"]["settings"]["decoder"]["shape_prior"] = None
    write_metadata(models[1], other)
    assert isinstance(trained_network(nn.Conv2d(1, 2, 1), models, METADATA), LandmarkEnsemble)
    (models[1].parent / "metadata.json").unlink()
    with pytest.raises(ConfigError, match=r"no .*second.metadata\.json"):
        trained_network(nn.Conv2d(1, 2, 1), models, METADATA)
