"""The bundle on a data set that has a shape prior, and with several models at once."""

import csv
import json

import pytest
from monai.bundle import ConfigWorkflow

from monai_landmarks.codecs.decode import codec_from
from monai_landmarks.codecs.shape_codec import ShapePriorCodec
from monai_landmarks.codecs.shape_prior import training_prior
from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.engines.workflow import run_bundle
from monai_landmarks.handlers.history import read_history
from monai_landmarks.networks.ensemble import LandmarkEnsemble
from monai_landmarks.sharing.bundles import copy_bundle, load_metadata, settings_of


def points_measured(folder):
    return json.loads((folder / "metrics.json").read_text())["points"]


def test_the_prior_goes_from_the_training_to_everything_after_it(figures, tmp_path):
    """In this process: five of their own would take most of the time to start."""
    root = copy_bundle("label_augmentation", tmp_path / "bundle")
    small = {"dataset_file": str(figures), "decoder_channels": [8, 8, 8, 8, 8], "progress": False, "max_epochs": 1}
    run_bundle(root, "training", longer_side=64, **small)
    prior = training_prior(load_dataset(figures)).settings()
    decoder = settings_of(load_metadata(root))["decoder"]
    assert {key: decoder["shape_prior"][key] for key in prior} == prior
    assert isinstance(codec_from(decoder), ShapePriorCodec)

    run_bundle(root, "evaluate", ("train", "evaluate"), **small)
    assert points_measured(root / "eval") == 2 * 5
    run_bundle(root, "inference", ("inference",), dataset_dir=str(figures.parent / "images"), overlays=False)
    with (root / "predictions" / "predictions.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 28 * 5

    windows = {"longer_side": 128, "window": 64, "windows_per_image": 1, "val_interval": 1}
    run_bundle(root, "training", ("train", "second_pass"), **small, **windows)
    models, output = root / "models" / "second_pass", root / "eval" / "second_pass"
    settings = settings_of(load_metadata(root, models))
    assert settings["second_pass"]["codec"] == decoder
    assert settings["decoder"]["shape_prior"] == decoder["shape_prior"]
    assert [row["field_of_view"] for row in read_history(output / "history.csv")] == [64 / 128]
    run_bundle(root, "evaluate", ("train", "evaluate"), **small, ckpt_dir=str(models), output_dir=str(output))
    assert points_measured(output) == 2 * 5


@pytest.mark.parametrize("names", [("train", "evaluate"), ("inference",)])
def test_a_list_of_checkpoints_is_an_ensemble(names, trained, blobs):
    weights = str(trained.root / "models" / "model.pt")
    options = {"checkpoint": [weights, weights], "bundle_root": str(trained.root)}
    if "train" in names:
        options["dataset_file"] = str(blobs)
    files = [str(trained.root / "configs" / f"{name}.yaml") for name in names]
    workflow = ConfigWorkflow(config_file=files, logging_file=False, workflow_type="train", **options)
    network = workflow.parser.get_parsed_content("network")
    assert isinstance(network, LandmarkEnsemble)
    assert len(network.networks) == 2
