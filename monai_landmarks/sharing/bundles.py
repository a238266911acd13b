"""Bundles on disk: which are shipped, where a running one lies, what a trained one knows of itself."""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import monai_landmarks
from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.data.reader import read_radiograph
from monai_landmarks.data.stream import SCOPE_FIELDS
from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.build import output_stride
from monai_landmarks.scheme import Scheme
from monai_landmarks.sharing.layout import NAME
from monai_landmarks.sides import both_sides, limb_scheme

METADATA = "metadata.json"
OWN_KEY = "monai_landmarks"


def shipped_bundles() -> dict[str, Path]:
    """Name and folder of every bundle that comes with the package (in a wheel) or the repository (in a clone)."""
    package = Path(monai_landmarks.__file__).parent
    for folder in (package / "_bundles", package.parent / "bundles"):
        if folder.is_dir():
            return {p.name: p for p in sorted(folder.iterdir()) if (p / "configs" / METADATA).is_file()}
    return {}


def copy_bundle(name: str, destination: Path) -> Path:
    """Copy a shipped bundle, without any trained model that lies in it, to a new folder.

    Raises:
        ConfigError: unknown name, or the folder exists and is not empty.
    """
    bundles = shipped_bundles()
    if name not in bundles:
        raise ConfigError(f"no bundle named {name!r}; there are: {', '.join(bundles) or 'none'}")
    if destination.exists() and (not destination.is_dir() or any(destination.iterdir())):
        raise ConfigError(f"{destination} exists and is not empty; choose another folder")
    ignore = shutil.ignore_patterns("models", "eval", "predictions", "__pycache__")
    shutil.copytree(bundles[name], destination, ignore=ignore, dirs_exist_ok=True)
    return destination


def bundle_root(name: str) -> str:
    """Folder of the bundle that is being run, for `bundle_root` in a config.

    In this order: the folder above the `configs` folder of a config file on the command line, the working directory if
    it is a bundle, `bundles/NAME` below it. So a bundle runs from the repository root and from its own folder.

    Raises:
        ConfigError: when none of them is a bundle, or the name is a path: a stranger's config may call this.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(f"the bundle's name {name!r} must be letters, digits, - and _")
    folders = []
    for argument in sys.argv[1:]:
        value = argument.removeprefix("--config_file=")
        listed = re.findall(r"""['"]([^'"]+)['"]""", value) if value.startswith("[") else value.split(",")
        files = [Path(file) for file in listed if file.endswith((".yaml", ".yml", ".json"))]
        folders += [file.resolve().parent.parent for file in files if file.resolve().parent.name == "configs"]
    for folder in [*folders, Path(), Path("bundles") / name]:
        if (folder / "configs" / METADATA).is_file():
            return str(folder.resolve())
    raise ConfigError(f"cannot tell where the bundle {name} lies; give its folder with --bundle_root PATH")


def load_metadata(root: str | Path, models: str | Path | None = None) -> dict[str, Any]:
    """The metadata of a bundle: of its trained model where there is one, else as shipped.

    Args:
        root: the bundle's folder.
        models: where its trained model lies, `root`/models by default.

    Raises:
        ConfigError: no or broken metadata.
    """
    for path in (Path(models or Path(root) / "models") / METADATA, Path(root) / "configs" / METADATA):
        if path.is_file():
            return read_metadata(path)
    raise ConfigError(f"{root} is no bundle: it has no configs/{METADATA}")


def read_metadata(path: Path) -> dict[str, Any]:
    """A metadata.json.

    Raises:
        ConfigError: it is broken.
    """
    try:
        metadata: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise ConfigError(f"{path} is no valid JSON: {error}") from None
    return metadata


def scheme_of(metadata: dict[str, Any]) -> Scheme:
    """The landmarks a bundle's network gives, in channel order."""
    return Scheme.model_validate(metadata[OWN_KEY]["scheme"])


def predicted_scheme_of(metadata: dict[str, Any]) -> Scheme:
    """The landmarks of a bundle's predictions: of both sides where its network looks at one side at a time."""
    scheme = scheme_of(metadata)
    return both_sides(scheme) if "sides" in settings_of(metadata) else scheme


def scope_of(metadata: dict[str, Any]) -> dict[str, list[str]]:
    """Modality, body part and view a bundle may be used on; an empty list or no entry allows anything."""
    return metadata[OWN_KEY].get("scope", {})


def model_of(metadata: dict[str, Any]) -> dict[str, Any]:
    """What a result says of the model that made it: bundle, version, training data."""
    own = metadata[OWN_KEY]
    return {"bundle": metadata["name"], "version": metadata["version"], "trained_on": own.get("dataset")}


def settings_of(metadata: dict[str, Any]) -> dict[str, Any]:
    """Backbone, decoder channels, decoder (`codec_settings`) and more of the trained network."""
    return metadata[OWN_KEY]["settings"]


def errors_of(metadata: dict[str, Any]) -> dict[str, float]:
    """Standard deviation in mm of a coordinate of each landmark, by a packed model's evaluation; none for others."""
    return metadata[OWN_KEY].get("errors_mm", {})


def spatial_size_of(metadata: dict[str, Any]) -> list[int]:
    """Rows and columns of the network's input."""
    return list(metadata["network_data_format"]["inputs"]["image"]["spatial_shape"])


def describe_model(
    root: str | Path,
    dataset: LandmarkDataset,
    size: Sequence[int],
    settings: dict[str, Any],
    items: Iterable[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """The shipped metadata with what this model is trained for.

    Number and names of the landmarks, input size and scope come from the data set, so one bundle serves any.

    Args:
        root: the bundle's folder.
        dataset: what the model is trained on.
        size: rows and columns of the input.
        settings: what inference must know of the training: the network's, decoder, ...; with `sides` the network
            looks at one side at a time, and its landmarks are one side's.
        items: the loaded training images, whose headers give the scope where the data set file tells none.
    """
    source = Path(root) / "configs" / METADATA
    metadata: dict[str, Any] = json.loads(source.read_text(encoding="utf-8"))
    metadata["monai_version"] = version("monai")
    metadata["pytorch_version"] = version("torch").split("+")[0]
    metadata["numpy_version"] = version("numpy")
    formats = metadata["network_data_format"]
    formats["inputs"]["image"]["spatial_shape"] = list(size)
    scheme = network_scheme(dataset.scheme, settings)
    formats["outputs"]["pred"]["spatial_shape"] = [side // output_stride(settings) for side in size]
    formats["outputs"]["pred"]["num_channels"] = len(scheme.names)
    formats["outputs"]["pred"]["channel_def"] = {str(k): name for k, name in enumerate(scheme.names)}
    metadata[OWN_KEY] = {
        "version": version("monai_landmarks"),
        "scheme": scheme.model_dump(mode="json"),
        "scope": dataset.scope or observed_scope(items),
        "settings": settings,
        "dataset": {
            "name": dataset.scheme.name,
            "digest": dataset.digest(),
            "cases": len(dataset.cases),
            "test_patients": dataset.test_digest(),
        },
    }
    return metadata


def network_scheme(scheme: Scheme, settings: Mapping[str, Any]) -> Scheme:
    """The landmarks a network of these settings gives for a data set's scheme: with `sides`, those of one side."""
    return limb_scheme(scheme) if "sides" in settings else scheme


def observed_scope(items: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Modality, body part and view in the headers of loaded images; a field that one leaves empty stays open."""
    seen: dict[str, set[str]] = {field: set() for field in SCOPE_FIELDS}
    for item in items:
        for field, values in seen.items():
            values.add(str(item["image"].meta.get(field, "")).upper())
    return {field: sorted(values) for field, values in seen.items() if values and "" not in values}


def check_landmarks(metadata: dict[str, Any], dataset: LandmarkDataset) -> dict[str, Any]:
    """The metadata, if the model's landmarks are the data set's, in the same order.

    Raises:
        ConfigError: they are not, so that errors would be measured against the wrong points; or the metadata are those
            a bundle is shipped with.
    """
    names = scheme_of(metadata).names
    own = network_scheme(dataset.scheme, settings_of(metadata)).names
    if names != own and not metadata[OWN_KEY].get("dataset"):
        raise ConfigError("no trained model: the bundle is as shipped; train it first, or give the folder of its model")
    if names != own:
        raise ConfigError(f"the model finds {', '.join(names)}; the data set holds {', '.join(own)}")
    return metadata


def fit_size(dataset: LandmarkDataset, longer_side: int, multiple: int = 32) -> list[int]:
    """Input rows and columns with the images' median aspect ratio.

    Args:
        dataset: the sizes are the cases' `size` fields; where none has one, up to ten training images are read.
        longer_side: of the input, in pixels.
        multiple: what both sides are rounded to (the encoder halves five times).
    """
    sizes = [case.size for case in dataset.cases if case.size] or _measured_sizes(dataset)
    ratios = sorted(rows / columns for rows, columns in sizes)
    ratio = ratios[len(ratios) // 2] if ratios else 1.0
    sides = (1.0, 1 / ratio) if ratio >= 1 else (ratio, 1.0)
    return [max(multiple, round(longer_side * side / multiple) * multiple) for side in sides]


def _measured_sizes(dataset: LandmarkDataset, count: int = 10) -> list[tuple[int, int]]:
    cases = dataset.select("training")
    chosen = cases[:: max(1, len(cases) // count)]
    return [read_radiograph(dataset.root / case.image, frame=case.frame).pixels.shape[-2:] for case in chosen]
