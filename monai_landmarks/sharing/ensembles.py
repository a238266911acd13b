"""Several trained models as one: one file of weights, one metadata.json, used, packed and converted like any other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.errors import ConfigError
from monai_landmarks.handlers.checkpoint import MODEL, ROI, save_atomically
from monai_landmarks.sharing.bundles import METADATA, OWN_KEY, read_metadata, scheme_of, settings_of, spatial_size_of

# Of the whole model, not of each of its networks.
SHARED = ("decoder", "sides", "test_time_mirror", "ensemble")


def write_ensemble(models: Sequence[Path], target: Path, dataset: LandmarkDataset) -> None:
    """Write the mean of several models (`networks.ensemble`) as one.

    Args:
        models: folders of models of one bundle, such as those of a cross-validation's folds; each with model.pt and
            metadata.json, a two-stage model with roi.pt.
        target: folder for the same files of the ensemble.
        dataset: what they were trained on, taken together.

    Raises:
        ConfigError: a file is missing, or the models find other landmarks or see images of another size, or have
            a fine stage.
    """
    metadata = [_metadata_of(folder) for folder in models]
    if any("fine" in settings_of(each) for each in metadata):
        raise ConfigError(f"{models[0]}: models with a fine stage are not averaged; take one of them")
    wanted = scheme_of(metadata[0]).names, spatial_size_of(metadata[0])
    for folder, other in zip(models, metadata):
        if (scheme_of(other).names, spatial_size_of(other)) != wanted:
            raise ConfigError(f"{folder}: a model of other landmarks or another input size than {models[0]}")
    whole = metadata[0]
    own = whole[OWN_KEY]
    own["settings"] = joined_settings([settings_of(each) for each in metadata])
    own["scope"] = _joined_scope([each[OWN_KEY]["scope"] for each in metadata])
    own["dataset"] = {"name": dataset.scheme.name, "digest": dataset.digest(), "cases": len(dataset.cases)}
    target.mkdir(parents=True, exist_ok=True)
    for name in (MODEL, ROI):
        files = [folder / name for folder in models]
        if name == MODEL or any(file.is_file() for file in files):
            save_atomically(_joined_weights(files), target / name)
    temporary = target / f".{METADATA}.part"
    temporary.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
    temporary.replace(target / METADATA)


def joined_settings(settings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The first model's settings with those of every network under `ensemble`; so for the region finder of two stages.

    A decoder's shape prior is the first model's: one prior decodes the mean.
    """
    joined = dict(settings[0])
    joined["ensemble"] = [{key: value for key, value in each.items() if key not in SHARED} for each in settings]
    regions = [each["sides"].get("region") for each in settings if "sides" in each]
    if regions and regions[0] is not None:
        networks = [{"hourglass": region["hourglass"]} for region in regions]
        joined["sides"] = {**joined["sides"], "region": {**regions[0], "ensemble": networks}}
    return joined


def _metadata_of(folder: Path) -> dict[str, Any]:
    path = folder / METADATA
    if not path.is_file():
        raise ConfigError(f"no {path}: an ensemble needs each model's {METADATA} beside its weights")
    return read_metadata(path)


def _joined_weights(files: Sequence[Path]) -> dict[str, torch.Tensor]:
    weights: dict[str, torch.Tensor] = {}
    for number, file in enumerate(files):
        if not file.is_file():
            raise ConfigError(f"no {file}: every model of an ensemble needs it")
        saved = torch.load(file, map_location="cpu", weights_only=True)
        weights |= {f"networks.{number}.{key}": value for key, value in saved.items()}
    return weights


def _joined_scope(scopes: Sequence[Mapping[str, list[str]]]) -> dict[str, list[str]]:
    """What any of the models was trained on; a field that one leaves open stays open."""
    fields = [field for field in scopes[0] if all(scope.get(field) for scope in scopes)]
    return {field: sorted({value for scope in scopes for value in scope[field]}) for field in fields}
