"""The trained network an evaluation or a prediction uses: one file of weights, or several as an ensemble."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import nn

from monai_landmarks.codecs.decode import likelihood_of
from monai_landmarks.errors import ConfigError
from monai_landmarks.handlers.checkpoint import load_models
from monai_landmarks.sharing.bundles import METADATA, read_metadata, scheme_of, settings_of, spatial_size_of


def trained_network(
    network: nn.Module, checkpoint: str | Path | Sequence[str | Path], metadata: dict[str, Any]
) -> nn.Module:
    """The network with the weights of `checkpoint`; the mean of several networks (`LandmarkEnsemble`) for a list.

    Args:
        network: an instance the weights fit.
        checkpoint: a `model.pt`, or a list of them.
        metadata: of the model whose settings are used (`load_metadata`). Of several models each must have been trained
            with its landmarks, input size and settings; its shape prior decodes their mean, so theirs may differ.

    Raises:
        ConfigError: a file is missing or unfit, or the metadata.json beside it is missing or tells of another model;
            it is named.
    """
    for path in () if isinstance(checkpoint, (str, Path)) else checkpoint:
        check_same_model(Path(path).parent / METADATA, metadata)
    return load_models(network, checkpoint, likelihood_of(settings_of(metadata)["decoder"]))


def check_same_model(path: Path, metadata: dict[str, Any]) -> None:
    """Refuse a metadata.json that tells of another model.

    Raises:
        ConfigError: naming the file and what differs.
    """
    if not path.is_file():
        raise ConfigError(f"no {path}: an ensemble needs each model's {METADATA} beside its weights, to compare them")
    own, other = comparable(metadata), comparable(read_metadata(path))
    different = [
        f"{key} {other.get(key)} instead of {own.get(key)}" for key in own | other if own.get(key) != other.get(key)
    ]
    if different:
        raise ConfigError(
            f"{path} tells of another model than the one in --ckpt_dir ({'; '.join(different)}); an ensemble's models "
            "must be trained with the same settings, and --ckpt_dir must be the folder of one of them"
        )


def comparable(metadata: dict[str, Any]) -> dict[str, Any]:
    """What the models of an ensemble must agree on, by name."""
    settings: Mapping[str, Any] = settings_of(metadata)
    decoder = {key: value for key, value in settings["decoder"].items() if key != "shape_prior"}
    return {
        "landmarks": scheme_of(metadata).names,
        "spatial_size": spatial_size_of(metadata),
        **{key: value for key, value in settings.items() if key != "template"},
        "decoder": decoder,
    }
