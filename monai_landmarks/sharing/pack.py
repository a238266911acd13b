"""`monai-landmarks pack`: a trained bundle as one file, checked as its receiver will check it."""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_landmarks.errors import ConfigError
from monai_landmarks.measure.uncertainty import coordinate_errors
from monai_landmarks.sharing.archive import unpack_checked
from monai_landmarks.sharing.bundles import METADATA, OWN_KEY, read_metadata
from monai_landmarks.sharing.card import METRICS, Evaluation, write_card
from monai_landmarks.sharing.layout import (
    BUNDLE_METADATA,
    CARD,
    DATA_LICENCE,
    INFERENCE,
    LICENCE,
    LOGGING,
    MODELS,
    NAME,
    VERSION,
    WEIGHTS,
)
from monai_landmarks.sharing.manifest import write_manifest
from monai_landmarks.sharing.metadata import BundleMetadata, check_metadata
from monai_landmarks.sharing.privacy import check_settings, check_template, check_texts, identifiers_of
from monai_landmarks.sharing.safe_config import check_configs
from monai_landmarks.sharing.safe_onnx import check_onnx
from monai_landmarks.sharing.safe_weights import check_region, check_weights
from monai_landmarks.sharing.selftest import make_selftest
from monai_landmarks.sharing.signing import read_private, sign_manifest
from monai_landmarks.sharing.zipfiles import write_archive

# Training, tracking and some formats need these; who verifies and predicts does not.
EXTRAS = ("mlflow", "matplotlib", "jinja2", "tqdm", "highdicom", "onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class Labels:
    """What a packed bundle is called and under which terms it may be used.

    Args:
        data_licence: terms of the training data; the bundle's docs/data_license.txt where empty.
        name: letters, digits, - and _; the metadata's where None.
        version: such as 1.0; the metadata's where None.
        licence: file with the bundle's terms; the bundle's LICENSE where None.
    """

    data_licence: str = ""
    name: str | None = None
    version: str | None = None
    licence: Path | None = None


def pack_bundle(
    run: Path,
    output: Path,
    labels: Labels,
    *,
    evaluation: Path | None = None,
    models: Path | None = None,
    dataset: Path | None = None,
    sign: Path | None = None,
) -> str:
    """Write a trained bundle as one file; the same run gives the same bytes.

    Args:
        run: a bundle's folder, or a folder that holds it as bundle/ (as `monai-landmarks demo` leaves it).
        output: the file to write; replaced only when all is well.
        labels: name, version and licences.
        evaluation: folder of the model's evaluation (metrics.json); looked for in the run where None.
        models: folder of the trained model; models/ of the bundle where None.
        dataset: data set file whose patients, cases, images and readers must not occur in the bundle; those in the
            evaluation are looked for in any case.
        sign: PEM file of the private key to sign with.

    Returns:
        What the self-test consists of, in words.

    Raises:
        ConfigError: something is missing, or holds what must not leave the house; the file and the key are named.
        BundleError: a config, weights or an ONNX file that a receiver would refuse.
    """
    bundle = find_bundle(run)
    results = find_evaluation(run, bundle, evaluation)
    key = read_private(sign) if sign is not None else None
    source = models or bundle / "models"
    errors = Evaluation(results)
    metadata = describe(source / METADATA, labels, errors)
    with tempfile.TemporaryDirectory(prefix="pack-") as place:
        folder = Path(place).resolve() / metadata.name
        _collect(bundle, source, folder, labels, metadata)
        write_card(folder / CARD, metadata, errors, (folder / DATA_LICENCE).read_text(encoding="utf-8").strip())
        check_configs(folder)
        check_settings(folder)
        check_texts(folder, identifiers_of(results, dataset))
        check_region(folder, metadata)
        check_weights(folder)
        errors.check_weights((folder / WEIGHTS).parent)
        check_template(folder)
        selftest = make_selftest(folder, metadata)
        check_onnx(folder, metadata)
        write_manifest(folder, metadata.name, metadata.version)
        if key is not None:
            sign_manifest(folder, key)
        packed = Path(place) / "packed.zip"
        write_archive(folder, packed)
        unpack_checked(packed, Path(place) / "again", key.public_key() if key is not None else None)
        output.parent.mkdir(parents=True, exist_ok=True)
        # Another file system may hold the output: moved under a name of its own, then renamed.
        part = output.with_name(f".{output.name}.part")
        shutil.move(packed, part)
        part.replace(output)
    return selftest


def find_bundle(run: Path) -> Path:
    """The bundle's folder of a run.

    Raises:
        ConfigError: there is none.
    """
    for folder in (run, run / "bundle"):
        if (folder / INFERENCE).is_file():
            return folder
    raise ConfigError(f"{run} is no bundle: neither it nor its folder bundle holds {INFERENCE}")


def find_evaluation(run: Path, bundle: Path, given: Path | None) -> Path:
    """The folder of a run's evaluation.

    Raises:
        ConfigError: there is none.
    """
    for folder in (given,) if given is not None else (run, run / "eval", bundle / "eval"):
        if (folder / METRICS).is_file():
            return folder
    where = given or run
    raise ConfigError(
        f"{where}: holds no {METRICS}, from which the model card is filled; evaluate the model, or give the folder of "
        "its evaluation with --evaluation"
    )


def describe(source: Path, labels: Labels, evaluation: Evaluation) -> BundleMetadata:
    """The trained model's metadata, named, versioned and with the evaluation's numbers.

    Raises:
        ConfigError: no trained model, a name or version that cannot be, or an evaluation of another model.
    """
    if not source.is_file():
        raise ConfigError(f"no {source}: train the bundle first, or give the folder of its model with --models")
    document = read_metadata(source)
    name, version = labels.name or document["name"], labels.version or document["version"]
    if not NAME.fullmatch(name) or not VERSION.fullmatch(version):
        raise ConfigError(f"--name {name} --version {version}: letters, digits, - and _ make a name, 1.0.2 a version")
    needed = document["required_packages_version"]
    document |= {
        "name": name,
        "version": version,
        "changelog": {version: "as packed", **document["changelog"]},
        "required_packages_version": {key: value for key, value in needed.items() if key not in EXTRAS},
        "data_source": _data_source(document),
        "eval_metrics": evaluation.headline(),
    }
    # Of each landmark's coordinates: predictions give their measurements an uncertainty from it.
    errors = coordinate_errors(evaluation.metrics)
    document[OWN_KEY]["errors_mm"] = {name: round(error, 4) for name, error in errors.items()}
    metadata = check_metadata(document)
    evaluation.check_landmarks(metadata.monai_landmarks.predicted.names)
    return metadata


def _data_source(document: dict[str, Any]) -> str:
    trained = document["monai_landmarks"]["dataset"]
    return f"data set {trained['name']}, {trained['cases']} cases" if trained else document["data_source"]


def _collect(bundle: Path, models: Path, folder: Path, labels: Labels, metadata: BundleMetadata) -> None:
    """Copy what belongs into a bundle, and nothing else; the trained model's metadata become the bundle's."""
    for part in ("configs", "models", "docs"):
        (folder / part).mkdir(parents=True)
    for path in [*(bundle / "configs").glob("*.yaml"), bundle / LOGGING]:
        if path.is_file():
            shutil.copyfile(path, folder / "configs" / path.name)
    for name in MODELS:
        if (models / Path(name).name).is_file():
            shutil.copyfile(models / Path(name).name, folder / name)
    # What is not there is not made up: settings say by their keys what kind of network it is.
    text = json.dumps(metadata.model_dump(mode="json", exclude_unset=True), indent=2) + "\n"
    (folder / BUNDLE_METADATA).write_text(text, encoding="utf-8")
    if not (folder / WEIGHTS).is_file():
        raise ConfigError(f"no {models / 'model.pt'}: train the bundle first, or give the folder of its model")
    licence = labels.licence or bundle / LICENCE
    if not licence.is_file():
        raise ConfigError(f"no {licence}: say under which terms the bundle may be used, with --license FILE")
    shutil.copyfile(licence, folder / LICENCE)
    _write_data_licence(bundle / DATA_LICENCE, folder / DATA_LICENCE, labels.data_licence)


def _write_data_licence(source: Path, target: Path, text: str) -> None:
    if not text.strip() and source.is_file():
        text = source.read_text(encoding="utf-8")
    if not text.strip():
        raise ConfigError("say under which terms the training data may be used, with --data-licence TEXT")
    target.write_text(text.strip() + "\n", encoding="utf-8")
