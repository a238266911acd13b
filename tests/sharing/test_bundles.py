import json
import sys

import pytest

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.errors import ConfigError
from monai_landmarks.sharing.bundles import (
    bundle_root,
    check_landmarks,
    copy_bundle,
    describe_model,
    fit_size,
    load_metadata,
    model_of,
    observed_scope,
    scheme_of,
    scope_of,
    settings_of,
    shipped_bundles,
    spatial_size_of,
)

NAME = "label_augmentation"


def test_the_bundle_is_shipped_with_all_its_parts():
    folder = shipped_bundles()[NAME]
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    configs = ("train.yaml", "evaluate.yaml", "inference.yaml", "multi_gpu_train.yaml", "metadata.json", "logging.conf")
    assert {f"configs/{name}" for name in configs} | {"LICENSE", "docs/README.md"} <= names


def test_copying_leaves_trained_models_behind_and_overwrites_nothing(tmp_path, monkeypatch):
    source = tmp_path / "source"
    copy_bundle(NAME, source)
    (source / "models").mkdir()
    monkeypatch.setattr("monai_landmarks.sharing.bundles.shipped_bundles", lambda: {NAME: source})
    assert not (copy_bundle(NAME, tmp_path / "copy") / "models").exists()
    with pytest.raises(ConfigError, match="not empty"):
        copy_bundle(NAME, tmp_path / "copy")
    with pytest.raises(ConfigError, match="no bundle named 'hip'; there are: label_augmentation"):
        copy_bundle("hip", tmp_path / "hip")


@pytest.mark.parametrize(
    ("place", "argument"),
    [
        (".", "bundle/configs/train.yaml"),
        (".", "['bundle/configs/train.yaml','bundle/configs/evaluate.yaml']"),
        ("bundle", "configs/train.yaml"),
        ("bundle/configs", "train.yaml"),
        ("bundle", "--nothing"),
    ],
)
def test_the_running_bundle_is_found(tmp_path, monkeypatch, place, argument):
    bundle = copy_bundle(NAME, tmp_path / "bundle")
    monkeypatch.chdir(tmp_path / place)
    monkeypatch.setattr(sys, "argv", ["run", "--config_file", argument])
    assert bundle_root(NAME) == str(bundle)


def test_the_config_file_goes_before_the_working_directory(tmp_path, monkeypatch):
    copy_bundle(NAME, tmp_path / "here")
    there = copy_bundle(NAME, tmp_path / "there")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(sys, "argv", ["run", "--config_file", f"{there}/configs/train.yaml"])
    assert bundle_root(NAME) == str(there)


def test_no_bundle_anywhere_is_an_error(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["run"])
    with pytest.raises(ConfigError, match="--bundle_root"):
        bundle_root(NAME)


def test_a_trained_model_describes_itself(tmp_path, blobs):
    bundle = copy_bundle(NAME, tmp_path / "bundle")
    assert len(scheme_of(load_metadata(bundle)).names) == 20
    dataset = load_dataset(blobs)
    settings = {"backbone": "resnet18", "decoder_channels": [8], "decoder": {"likelihood": "Bernoulli"}}
    metadata = describe_model(bundle, dataset, (96, 64), settings)
    assert scheme_of(metadata).names == dataset.names
    assert spatial_size_of(metadata) == [96, 64]
    assert settings_of(metadata) == settings
    assert scope_of(metadata) == {}
    assert model_of(metadata)["trained_on"]["digest"] == dataset.digest()
    assert metadata["network_data_format"]["outputs"]["pred"]["num_channels"] == 3
    assert check_landmarks(metadata, dataset) is metadata
    # Of a bundle as shipped, whose landmarks are others, the reason is that nobody has trained it.
    with pytest.raises(ConfigError, match="no trained model: the bundle is as shipped"):
        check_landmarks(load_metadata(bundle), dataset)


def test_the_scope_is_what_every_training_image_says():
    class Image:
        def __init__(self, **meta):
            self.meta = meta

    items = [
        {"image": Image(modality="DX", body_part="hip", view="")},
        {"image": Image(modality="CR", body_part="HIP")},
    ]
    assert observed_scope(items) == {"modality": ["CR", "DX"], "body_part": ["HIP"]}
    assert observed_scope([]) == {}


def test_folders_with_spaces(tmp_path, monkeypatch):
    bundle = copy_bundle(NAME, tmp_path / "my data" / "bundle")
    monkeypatch.chdir(tmp_path)
    for argument in (
        f"{bundle}/configs/train.yaml",
        f"['{bundle}/configs/train.yaml','{bundle}/configs/evaluate.yaml']",
    ):
        monkeypatch.setattr(sys, "argv", ["run", "--config_file", argument])
        assert bundle_root(NAME) == str(bundle)


def test_metadata_faults_are_named(tmp_path):
    with pytest.raises(ConfigError, match="is no bundle"):
        load_metadata(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "metadata.json").write_text("{")
    with pytest.raises(ConfigError, match="no valid JSON"):
        load_metadata(tmp_path)


def test_the_input_has_the_images_aspect(tmp_path, blobs):
    dataset = load_dataset(blobs)
    assert fit_size(dataset, 320) == [320, 256]
    wide = dataset.model_copy(update={"cases": [c.model_copy(update={"size": (100, 300)}) for c in dataset.cases]})
    assert fit_size(wide, 96) == [32, 96]
    unknown = dataset.model_copy(update={"cases": [c.model_copy(update={"size": None}) for c in dataset.cases]})
    unknown.root = dataset.root
    assert fit_size(unknown, 320) == [320, 256]


def test_the_shipped_metadata_is_monais_form():
    metadata = json.loads((shipped_bundles()[NAME] / "configs" / "metadata.json").read_text())
    channels = metadata["network_data_format"]["outputs"]["pred"]
    assert channels["num_channels"] == len(channels["channel_def"]) == 20
    assert "not a medical device" in metadata["intended_use"].lower()


@pytest.mark.parametrize("name", ["//server/share", "../other", "/srv/bundle", "a\\b", ""])
def test_a_bundles_name_is_no_path(name):
    with pytest.raises(ConfigError, match="must be letters, digits, - and _"):
        bundle_root(name)
