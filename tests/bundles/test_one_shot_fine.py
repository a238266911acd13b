"""The one-shot bundle's fine stage and mutual matches, for real, shrunk."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.engines.propose import Proposer
from monai_landmarks.sharing.archive import opened_bundle
from monai_landmarks.sharing.bundles import load_metadata, scope_of, settings_of
from monai_landmarks.sharing.pack import Labels, pack_bundle
from monai_landmarks.transforms import load

SHRUNK = {"longer_side": 128, "window": 32, "jitter": 6.0, "descriptor": 8, "copies": 8, "max_epochs": 1}


@pytest.fixture(scope="module")
def fine(one_shot, tmp_path_factory):
    """Folder of a model that looks twice, trained after the session's."""
    folder = tmp_path_factory.mktemp("fine")
    one_shot("training", ("train", "fine"), **SHRUNK, ckpt_dir=folder / "models", output_dir=folder / "eval")
    return folder


def test_training_leaves_the_coarse_model_as_it_was(one_shot, fine):
    before, after = (torch.load(path / "models" / "model.pt", weights_only=True) for path in (one_shot.root, fine))
    assert all(torch.equal(after[f"coarse.{key}"], value) for key, value in before.items() if "template" not in key)
    assert {key.split(".")[0] for key in after} >= {"coarse", "whole", "local", "template_fine"}
    settings = settings_of(load_metadata(fine))
    assert settings["fine"] == {"coarse_size": [64, 64], "window": 32, "descriptor": 8, "dino": False}
    assert load_metadata(fine)["network_data_format"]["inputs"]["image"]["spatial_shape"] == [128, 128]


def test_one_models_folder_evaluates_and_predicts_both_stages(one_shot, fine, blobs):
    options = {"ckpt_dir": fine / "models", "output_dir": fine / "eval"}
    one_shot("evaluate", ("train", "evaluate"), **options)
    assert json.loads((fine / "eval" / "metrics.json").read_text())["points"] == 9
    one_shot("inference", ("inference",), dataset_dir=blobs.parent / "images", **options)
    with (fine / "eval" / "predictions.csv").open(newline="") as file:
        found = {(row["image"], row["landmark"]): row for row in csv.DictReader(file)}
    dataset = load_dataset(blobs)
    for name, point in zip(dataset.names, dataset.cases[0].points(dataset.scheme)[0]):
        place = found["00.png", name]
        # Half a fine cell is a pixel of 128, and the images have 80 or more.
        assert np.hypot(float(place["y"]) - point[0], float(place["x"]) - point[1]) < 1.5 * 80 / 128


def test_the_model_is_packed_in_one_file_that_passes_its_checks(one_shot, fine, tmp_path):
    one_shot("evaluate", ("train", "evaluate"), ckpt_dir=fine / "models", output_dir=fine / "eval")
    labels = Labels("Invented blobs.", name="blobs", version="1.0")
    pack_bundle(one_shot.root, tmp_path / "fine.zip", labels, models=fine / "models", evaluation=fine / "eval")
    with opened_bundle(tmp_path / "fine.zip", None) as folder:
        assert settings_of(load_metadata(folder))["fine"]["window"] == 32


def test_another_template_is_found_in_itself(one_shot, fine, blobs):
    dataset = load_dataset(blobs)
    proposer = Proposer(one_shot.root, dataset, fine / "models")
    proposer.use_template("case01")
    found = proposer.points([dataset.cases[1]])["case01"]
    assert found[:, :2] == pytest.approx(dataset.cases[1].points(dataset.scheme)[0], abs=1.5 * 80 / 128)


def test_a_missing_dino_file_is_one_clear_error(one_shot, tmp_path):
    options = {**SHRUNK, "ckpt_dir": tmp_path / "models", "output_dir": tmp_path / "eval"}
    with pytest.raises(AssertionError, match=r"dino_weights: no file .*dino\.pth; fetch dino_deitsmall8_pretrain"):
        one_shot("training", ("train", "fine"), **options, dino_weights=tmp_path / "dino.pth")


def test_a_wrong_coarse_model_is_one_clear_error(one_shot, fine, tmp_path):
    (tmp_path / "unet").mkdir()
    metadata = load_metadata(one_shot.root)
    del settings_of(metadata)["one_shot"]
    (tmp_path / "unet" / "metadata.json").write_text(json.dumps(metadata))
    options = {**SHRUNK, "ckpt_dir": tmp_path / "models", "output_dir": tmp_path / "eval"}
    for coarse, said in ((fine / "models", "has a fine stage"), (tmp_path / "unet", "is another network")):
        with pytest.raises(AssertionError, match=f"{said}; give a one-shot model without a fine stage"):
            one_shot("training", ("train", "fine"), **options, coarse=coarse)


@pytest.mark.parametrize(("stage", "earlier"), [("fine", "coarse"), ("sla", "start")])
def test_another_template_than_the_earlier_models_must_be_named(one_shot, blobs, tmp_path, stage, earlier):
    """case00 was the default; here its point is moved, as a corrected annotation is."""
    dataset = load_dataset(blobs)
    digest = settings_of(load_metadata(one_shot.root))["template"]
    assert len(digest) == 16
    dataset.cases[0].annotations[0].points["middle"] = (30.0, 40.0)
    dataset.relocated(tmp_path).save(tmp_path / "dataset.json")
    options = {**(SHRUNK if stage == "fine" else {}), earlier: one_shot.root / "models", "max_epochs": 1}
    options |= {"dataset_file": tmp_path / "dataset.json", "ckpt_dir": tmp_path / "m", "output_dir": tmp_path / "e"}
    with pytest.raises(AssertionError, match=r"was trained with another template .*--template CASE_ID"):
        one_shot("training", ("train", stage), **options)
    assert not (tmp_path / "m" / "model.pt").exists()
    one_shot("training", ("train", stage), **options, template="case00")
    assert settings_of(load_metadata(tmp_path, tmp_path / "m"))["template"] != digest


@pytest.mark.parametrize("stage", ["template", "fine"])
def test_the_scope_is_that_of_all_training_images(one_shot, blobs, tmp_path, monkeypatch, stage):
    """The template is a CR image, the others DX images."""
    read = load.read_radiograph

    def with_header(path, **settings):
        modality = "CR" if Path(path).name == "00.png" else "DX"
        found = read(path, **settings)
        return dataclasses.replace(found, info={**found.info, "modality": modality})

    monkeypatch.setattr(load, "read_radiograph", with_header)
    given = {"max_epochs": 1, "copies": 4, "ckpt_dir": tmp_path / "models", "output_dir": tmp_path / "eval"}
    one_shot("training", ("train", stage), **({**SHRUNK, **given} if stage == "fine" else given))
    assert scope_of(load_metadata(tmp_path)) == {"modality": ["CR", "DX"]}


def test_mutual_matches_and_a_fine_stage_after_them(one_shot, tmp_path):
    matched = {"ckpt_dir": tmp_path / "models", "output_dir": tmp_path / "eval"}
    one_shot("training", ("train", "matching"), **matched, start=one_shot.root / "models", max_epochs=1)
    assert settings_of(load_metadata(tmp_path))["matching"] == {"size": [64, 64], "count": 3, "separation": 8}
    one_shot("evaluate", ("train", "evaluate"), **matched)
    assert json.loads((tmp_path / "eval" / "metrics.json").read_text())["points"] == 9
    both = {"ckpt_dir": tmp_path / "both", "output_dir": tmp_path / "both_eval", "coarse": tmp_path / "models"}
    one_shot("training", ("train", "fine"), **SHRUNK, **both)
    state = torch.load(tmp_path / "both" / "model.pt", weights_only=True)
    assert state["coarse.template_image"].shape == (1, 1, 64, 64)
    assert state["coarse.template_image"].amax() > 0
    one_shot("evaluate", ("train", "evaluate"), ckpt_dir=tmp_path / "both", output_dir=tmp_path / "both_eval")
