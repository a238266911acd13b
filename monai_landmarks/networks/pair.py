"""The network as a one-shot training runs it: two views of an image in, the embeddings of both out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.embedding import EmbeddingNet
from monai_landmarks.networks.mutual import template_network
from monai_landmarks.networks.one_shot import OneShotNet

PREFIX = "embedding."
LEVELS = f"{PREFIX}shared.levels."


class PairNet(nn.Module):
    """Embeds an image and a patch of it. One module, so that a distributed training can wrap it.

    Args:
        network: whose embedding learns.
    """

    def __init__(self, network: OneShotNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, patch: Tensor, landmark: int | None = None) -> tuple[list[Tensor], list[Tensor]]:
        """Embeddings of both, coarse first (`EmbeddingNet`).

        Args:
            image: (B, 1, rows, columns).
            patch: (B, 1, side, side).
            landmark: whose adapter is active.
        """
        embedding = self.network.embedding
        return embedding(image, landmark), embedding(patch, landmark)


def one_shot_network(
    settings: Mapping[str, Any],
    landmarks: int,
    encoder_weights: str | Path | None,
    start: str | Path | None,
    matching: Mapping[str, Any] | None = None,
) -> OneShotNet:
    """The network a training begins with.

    Args:
        settings: other arguments of the `EmbeddingNet`.
        landmarks: number of landmarks.
        encoder_weights: as for `EmbeddingNet`; of no use where there is a start.
        start: models folder of an earlier training (`start_from`), or None.
        matching: see `template_network`.

    Raises:
        ConfigError: weights that are missing or do not fit.
    """
    weights = encoder_weights if start is None else None
    network = template_network(EmbeddingNet(**settings, encoder_weights=weights), landmarks, matching)
    return network if start is None else start_from(network, Path(start) / "model.pt")


def coarse_settings(settings: Mapping[str, Any], models: str | Path) -> Mapping[str, Any]:
    """A model's settings, if a fine stage can be put after it (`networks.fine`).

    Args:
        settings: of its metadata.json.
        models: its folder, for the error.

    Raises:
        ConfigError: it is no one-shot model, or has a fine stage already.
    """
    if "one_shot" not in settings or settings.get("fine"):
        raise ConfigError(
            f"coarse: the model in {models} {'has a fine stage' if settings.get('fine') else 'is another network'}; "
            "give a one-shot model without a fine stage"
        )
    return settings


def start_from(network: OneShotNet, path: str | Path) -> OneShotNet:
    """Give a network the embedding of an earlier training; its template is not taken over.

    A network with adapters may start from one without: what follows an adapter gets weights of 0 for its channels, so
    that the network computes at first what the earlier one did.

    Args:
        network: changed in place.
        path: the earlier training's `model.pt`.

    Raises:
        ConfigError: no such file, or weights of a network with other channels, other strides or another encoder.
    """
    if not Path(path).is_file():
        raise ConfigError(f"start: no trained weights at {path}; run that training first, or give another folder")
    saved: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    own = network.state_dict()
    kept = {key: value for key, value in own.items() if not key.startswith(PREFIX) or ".adapters." in key}
    given = {key: value for key, value in saved.items() if key.startswith(PREFIX) and key in own}
    extra = network.embedding.adapter_channels
    widened = {key: _widened(key, value, own[key], extra, network.embedding) for key, value in given.items()}
    state = {**kept, **widened}
    unfit = sorted(key for key in own if key not in state or state[key].shape != own[key].shape)
    unfit += sorted(key for key in saved if key.startswith(PREFIX) and key not in own)
    if unfit:
        raise ConfigError(
            f"start: {path} does not fit this network ({len(unfit)} differ: {', '.join(unfit[:3])}); give it the same "
            "encoder, decoder_channels, embedding and adapter_channels, and sam.yaml where that one had it"
        )
    network.load_state_dict(state)
    return network


def _widened(key: str, value: Tensor, own: Tensor, extra: int, embedding: EmbeddingNet) -> Tensor:
    """A weight with `extra` more input channels of weight 0, where its new network has an adapter before it."""
    if value.ndim != 4 or own.ndim != 4 or not extra or own.shape[1] != value.shape[1] + extra:
        return value
    # A level's input is the coarser level's channels, its adapter's, the encoder's; elsewhere the adapter is last.
    above = embedding.handed[int(key.removeprefix(LEVELS).split(".")[0])] - extra if key.startswith(LEVELS) else None
    before = value.shape[1] if above is None else above
    zeros = value.new_zeros(value.shape[0], extra, *value.shape[2:])
    return torch.cat((value[:, :before], zeros, value[:, before:]), 1)
