"""The network a training has noted, without its weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from monai_landmarks.codecs.decode import codec_from, likelihood_of
from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.embedding import EmbeddingNet
from monai_landmarks.networks.ensemble import LandmarkEnsemble
from monai_landmarks.networks.fine import FineOneShotNet
from monai_landmarks.networks.hourglass import HourglassNet
from monai_landmarks.networks.mutual import template_network
from monai_landmarks.networks.two_pass import TwoPassNet
from monai_landmarks.networks.unet import LandmarkUNet


def network_from(settings: Mapping[str, Any], landmarks: int) -> nn.Module:
    """The network of a model's settings (metadata.json), randomly initialised.

    Args:
        settings: `hourglass`, the arguments of a `HourglassNet`; `one_shot`, those of the `EmbeddingNet` in a
            `OneShotNet`, with `matching` if its matches are mutual (`networks.mutual`) and `fine` if it looks twice
            (`networks.fine`); or `backbone` and `decoder_channels` of a U-Net, and with `second_pass` (`coarse_size`,
            `window`, `codec`) two such U-Nets. `ensemble`, a list of such settings: the mean of these networks
            (`sharing.ensembles`).
        landmarks: number of output channels.

    Raises:
        ConfigError: unknown backbone, block or up-sampling.
    """
    if members := settings.get("ensemble"):
        networks = [network_from(member, landmarks) for member in members]
        return LandmarkEnsemble(networks, likelihood_of(settings["decoder"]))
    if "hourglass" in settings:
        return HourglassNet(landmarks, **settings["hourglass"])
    if "one_shot" in settings:
        return _one_shot(settings, landmarks)
    second = settings.get("second_pass")
    if second is None:
        return _unet(settings, landmarks)
    coarse, fine = _unet(settings, landmarks), _unet(settings, landmarks)
    return TwoPassNet(coarse, fine, second["coarse_size"], second["window"], codec_from(second["codec"]))


def _one_shot(settings: Mapping[str, Any], landmarks: int) -> nn.Module:
    network = template_network(EmbeddingNet(**settings["one_shot"]), landmarks, settings.get("matching"))
    fine = settings.get("fine")
    return FineOneShotNet(network, codec=codec_from(settings["decoder"]), **fine) if fine else network


def output_stride(settings: Mapping[str, Any]) -> int:
    """Pixels of the input in a cell of the network's maps, along either axis."""
    members = settings.get("ensemble") or [settings]
    return HourglassNet.stride if "hourglass" in members[0] else 1


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
