"""The first of two stages, as the second one's training, evaluation and packed file need it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import torch
from torch import nn

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.errors import ConfigError
from monai_landmarks.handlers.checkpoint import METADATA, MODEL, ROI, load_model
from monai_landmarks.networks.build import network_from
from monai_landmarks.networks.hourglass import OUTPUT, HourglassNet
from monai_landmarks.sharing.bundles import OWN_KEY, read_metadata, scheme_of, settings_of, spatial_size_of

logger = logging.getLogger(__name__)


def region_settings(models: str | Path | None, dataset: LandmarkDataset, centre: str) -> dict[str, Any] | None:
    """What a second stage notes of its first: `hourglass`, `decoder`, `spacing_mm` and `spatial_size`.

    Warns where the first stage was trained with another test split, whose patients may have taught it, or finds another
    point than the regions' centre.

    Args:
        models: folder of the trained first stage; None or empty for a second stage that knows regions alone.
        dataset: the second stage's.
        centre: the landmark its regions lie around, without a side.

    Raises:
        ConfigError: no trained model there, or one that is no first stage.
    """
    if not models:
        return None
    path = Path(models) / METADATA
    if not path.is_file():
        raise ConfigError(
            f"no trained stage 1 at {models}; train kneel_roi first and give the folder of its model with "
            '--region_models; --region_models "" --transfer False trains a model that knows regions alone'
        )
    metadata = read_metadata(path)
    settings = settings_of(metadata)
    if "sides" not in settings or len(scheme_of(metadata).names) != 1:
        raise ConfigError(f"--region_models {models}: is no stage 1, which finds one point a side (bundle kneel_roi)")
    if "ensemble" in settings:
        raise ConfigError(f"--region_models {models}: is an ensemble; give the models folder of one of its folds")
    if (metadata[OWN_KEY]["dataset"] or {}).get("test_patients") != dataset.test_digest():
        logger.warning(
            f"The stage 1 in {models} was trained with another test split: patients of this data set's may have taught "
            "it, and stage 2 starts from it. Train it with the same patients in the same splits."
        )
    if scheme_of(metadata).names != (centre,):
        found = scheme_of(metadata).names[0]
        logger.warning(f"The stage 1 in {models} finds {found}, the regions lie around {centre}.")
    return {
        "hourglass": settings["hourglass"],
        "decoder": settings["decoder"],
        "spacing_mm": settings["sides"]["spacing_mm"],
        "spatial_size": spatial_size_of(metadata),
    }


def companions(models: str | Path | None) -> dict[str, Path]:
    """The first stage's weights, by the name they get beside the second's."""
    return {ROI: Path(models) / MODEL} if models else {}


def transferred(network: HourglassNet, models: str | Path | None) -> HourglassNet:
    """The network with a first stage's weights in all but its output blocks (arXiv 1907.12237).

    Args:
        network: of the second stage.
        models: folder of the trained first stage; None leaves the network as it is.

    Raises:
        ConfigError: no folder, no trained model there, or one of another width, depth or block.
    """
    if models is None:
        return network
    if not models:
        raise ConfigError("--region_models is empty: there is nothing to transfer; give --transfer False")
    path = Path(models) / MODEL
    if not path.is_file():
        raise ConfigError(f"no trained stage 1 at {path}; train kneel_roi first, or give --transfer False")
    remedy = "train with its --width, --depth and --block, or --transfer False"
    try:
        left = network.transfer_from(torch.load(path, map_location="cpu", weights_only=True))
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}; {remedy}") from None
    if missing := [name for name in left if not name.startswith(OUTPUT)]:
        raise ConfigError(f"{path}: {len(missing)} entries such as {missing[0]} do not fit this hourglass; {remedy}")
    return network


def region_of(metadata: dict[str, Any]) -> dict[str, Any]:
    """What a two-stage model noted of its first stage (`region_settings`).

    Raises:
        ConfigError: the model knows regions alone.
    """
    region: dict[str, Any] | None = settings_of(metadata)["sides"]["region"]
    if region is None:
        raise ConfigError(
            "this model was trained without stage 1 and cannot find its regions in a radiograph; train kneel_landmarks "
            "again with --region_models"
        )
    return region


def region_network(metadata: dict[str, Any], checkpoint: str | Path) -> nn.Module:
    """The first stage's network of a two-stage model.

    Args:
        metadata: of the two-stage model.
        checkpoint: its roi.pt.

    Raises:
        ConfigError: the model knows regions alone; no such file, or weights of another network.
    """
    network = network_from(region_of(metadata), 1)
    if not Path(checkpoint).is_file():
        raise ConfigError(f"no {checkpoint}: stage 1's weights belong beside model.pt; give --region_checkpoint PATH")
    return load_model(network, checkpoint)
