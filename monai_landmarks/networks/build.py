"""The network a training has noted, without its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from monai_landmarks.codecs.decode import codec_from
from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.two_pass import TwoPassNet
from monai_landmarks.networks.unet import LandmarkUNet


def network_from(settings: Mapping[str, Any], landmarks: int) -> nn.Module:
    """The network of a model's settings (metadata.json), randomly initialised.

    Args:
        settings: `backbone` and `decoder_channels`; with `second_pass` (`coarse_size`, `window`, `codec`) two such
            networks.
        landmarks: number of output channels.

    Raises:
        ConfigError: unknown backbone.
    """
    second = settings.get("second_pass")
    if second is None:
        return _unet(settings, landmarks)
    coarse, fine = _unet(settings, landmarks), _unet(settings, landmarks)
    return TwoPassNet(coarse, fine, second["coarse_size"], second["window"], codec_from(second["codec"]))


def fine_of(network: nn.Module) -> nn.Module:
    """The part of a two-pass network that a training of the second pass changes.

    Raises:
        ConfigError: the network is wrapped for several devices.
    """
    if not isinstance(network, TwoPassNet):
        raise ConfigError("the second pass trains on one device; leave multi_gpu_train.yaml out")
    return network.fine


def _unet(settings: Mapping[str, Any], landmarks: int) -> LandmarkUNet:
    return LandmarkUNet(landmarks, settings["backbone"], decoder_channels=settings["decoder_channels"])
