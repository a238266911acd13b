"""Both bundles of KNEEL as they are shipped, every config for real, shrunk."""

import json
import math

import pytest
from bundle_checks import (
    check_evaluation_notes_the_weights,
    check_last_epoch_is_kept,
    check_network,
    check_properties,
    check_resumes_to_the_same_end,
    check_same,
    read_metrics,
    read_rows,
    weights,
)
from bundle_runner import KNEEL, STAGES, TWO_PROCESSES, Runner

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.handlers.history import read_history
from monai_landmarks.sharing.bundles import copy_bundle, load_metadata, shipped_bundles

BUNDLES = tuple(STAGES)


def test_the_second_stage_holds_the_first(stages):
    first, second = (stages[name].root / "models" for name in BUNDLES)
    assert {"model.pt", "roi.pt", "checkpoint.pt", "metadata.json", "mlflow.db"} <= {p.name for p in second.iterdir()}
    check_same(weights(first / "model.pt"), weights(second / "roi.pt"))
    settings = load_metadata(stages["kneel_landmarks"].root)["monai_landmarks"]["settings"]
    region = load_metadata(stages["kneel_roi"].root)["monai_landmarks"]["settings"]
    assert settings["sides"]["region"]["hourglass"] == region["hourglass"]
    assert settings["sides"]["region"]["spacing_mm"] == 2.0
    assert not any(
        math.isnan(row["loss"]) for row in read_history(stages["kneel_landmarks"].root / "eval" / "history.csv")
    )


def test_the_metadata_name_one_knees_landmarks(stages):
    for name, count in zip(BUNDLES, (1, 4)):
        metadata = load_metadata(stages[name].root)
        output = metadata["network_data_format"]["outputs"]["pred"]
        assert output["num_channels"] == count
        assert output["spatial_shape"] == [16, 16]
        assert "tibia_4" in output["channel_def"].values()


@pytest.mark.parametrize("bundle", BUNDLES)
@pytest.mark.parametrize("config", ["train", "inference"])
def test_no_property_is_missing(stages, knees, bundle, config):
    options = {"dataset_dir": str(knees.parent / "images")}
    if config == "train":
        options |= {**STAGES[bundle], "spatial_size": [64, 64], "dataset_file": str(knees)}
    check_properties(stages[bundle].root, (config,), **options)


@pytest.mark.parametrize("bundle", BUNDLES)
def test_the_network_gives_what_the_metadata_says(stages, bundle):
    check_network(stages[bundle].root, "models/metadata.json")


@pytest.mark.parametrize("bundle", BUNDLES)
def test_the_shipped_metadata_describe_the_shipped_network(bundle, tmp_path):
    check_network(copy_bundle(bundle, tmp_path / bundle), "configs/metadata.json")


@pytest.mark.parametrize(("bundle", "count"), list(zip(BUNDLES, (2, 8))))
def test_evaluation_is_of_whole_radiographs(stages, knees, bundle, count):
    runner = stages[bundle]
    runner("evaluate", ("train", "evaluate"))
    # Of the file, all of whose landmarks the first stage does not use: a report compares them.
    record = json.loads((runner.root / "eval" / "evaluation.json").read_text())
    assert record["digest"] == load_dataset(knees).digest()
    files = ("model.pt", "roi.pt") if bundle == "kneel_landmarks" else ("model.pt",)
    check_evaluation_notes_the_weights(runner.root / "models", runner.root / "eval", files)
    metrics = read_metrics(runner.root / "eval")
    assert (metrics["split"], metrics["cases"]) == ("test", 4)
    rows = read_rows(runner.root / "eval" / "cases.csv")
    assert len(rows) == 4 * count
    # The last test image lacks its left knee.
    assert [row["state"] for row in rows[-count:]] == ["present"] * (count // 2) + ["absent"] * (count // 2)


def test_inference_on_a_folder(stages, knees):
    runner = stages["kneel_landmarks"]
    command = {"dataset_dir": knees.parent / "images", "spacing_mm": "[1.0,1.0]", "side": "both"}
    runner("inference", ("inference",), **command)
    rows = read_rows(runner.root / "predictions" / "predictions.csv")
    assert len(rows) == 19 * 8
    assert all((row["x"] == "") == (row["y"] == "") for row in rows)
    assert len(list((runner.root / "predictions" / "overlays").glob("*.png"))) == 19


@pytest.mark.parametrize(
    ("missing", "named"), [({"side": "both"}, "--spacing"), ({"spacing_mm": "[1.0,1.0]"}, "--side")]
)
def test_an_image_without_spacing_or_side_is_refused(stages, knees, tmp_path, missing, named):
    runner = stages["kneel_landmarks"]
    runner("inference", ("inference",), dataset_dir=knees.parent / "images", output_dir=tmp_path, **missing)
    document = json.loads((tmp_path / "predictions.json").read_text())
    assert document["images"] == []
    assert len(document["failed"]) == 19
    assert all(named in entry["reason"] for entry in document["failed"])


def test_both_stages_learn(stages, tmp_path):
    """Enough epochs for the bars: points come close in the original's pixels, through both stages."""
    models = {name: tmp_path / name for name in BUNDLES}
    wider = {"width": 8, "output_dir": tmp_path}
    long = {**wider, "max_epochs": 16, "val_interval": 8, "learning_rate": 5e-3}
    stages["kneel_roi"]("training", **long, ckpt_dir=models["kneel_roi"])
    second = {"ckpt_dir": models["kneel_landmarks"], "region_models": models["kneel_roi"], "mixup": 0.0}
    stages["kneel_landmarks"]("training", **long, **second)
    stages["kneel_landmarks"]("evaluate", ("train", "evaluate"), **wider, ckpt_dir=models["kneel_landmarks"])
    assert read_metrics(tmp_path)["mm"]["median"] < 3


def test_a_killed_run_resumes_to_the_same_end(stages, knees, tmp_path):
    runner = Runner(copy_bundle("kneel_landmarks", tmp_path / "kneel_landmarks"), knees, KNEEL)
    check_resumes_to_the_same_end(runner, tmp_path, region_models=stages["kneel_roi"].root / "models")


@pytest.mark.parametrize("bundle", BUNDLES)
@pytest.mark.parametrize("config", ["published", "refit"])
def test_overrides_train(stages, knees, tmp_path, bundle, config):
    options = {"ckpt_dir": tmp_path / "models", "output_dir": tmp_path / "eval", "max_epochs": 1}
    output = stages[bundle]("training", ("train", config), **options)
    assert "epoch 1/1" in output
    if config == "refit":
        check_last_epoch_is_kept(tmp_path / "models")


def test_a_unet_can_be_the_second_stage(stages, tmp_path):
    runner = stages["kneel_landmarks"]
    options = {"ckpt_dir": tmp_path / "models", "output_dir": tmp_path / "eval", "max_epochs": 2}
    runner("training", ("train", "unet"), decoder_channels="[16,16,8,8,8]", **options)
    assert read_history(tmp_path / "eval" / "history.csv")[-1]["radius"] == 1.0
    runner("evaluate", ("train", "evaluate"), **options)
    assert read_metrics(tmp_path / "eval")["cases"] == 4


def test_without_a_first_stage_the_error_says_what_to_do(knees, tmp_path):
    runner = Runner(copy_bundle("kneel_landmarks", tmp_path / "alone"), knees, KNEEL)
    with pytest.raises(AssertionError, match="train kneel_roi first"):
        runner("training")


def test_regions_alone_can_be_trained_but_not_looked_for(knees, tmp_path):
    runner = Runner(copy_bundle("kneel_landmarks", tmp_path / "alone"), knees, KNEEL)
    options = {"region_models": "", "transfer": False, "max_epochs": 1}
    runner("training", **options)
    with pytest.raises(AssertionError, match="trained without stage 1"):
        runner("evaluate", ("train", "evaluate"), **options)


@pytest.mark.slow
@pytest.mark.parametrize("bundle", BUNDLES)
def test_two_processes_train(stages, tmp_path, bundle):
    """The multi-GPU override on two CPU processes (gloo), with a loss that learns."""
    options = {"ckpt_dir": tmp_path / "models", "output_dir": tmp_path / "eval", "max_epochs": 1}
    robust = {"_target_": "monai_landmarks.losses.coordinate.AdaptiveRobust"}
    stages[bundle].alone("training", ("train", "multi_gpu_train"), TWO_PROCESSES, penalty=robust, **options)
    assert not any(key.startswith("module.") for key in weights(tmp_path / "models" / "model.pt"))
    learned = weights(tmp_path / "models" / "checkpoint.pt")["objects"]["loss"]
    assert not any(key.startswith("module.") for key in learned)
    assert any(value.any() for key, value in learned.items() if key.endswith("shape_logit"))


def test_both_bundles_are_shipped():
    assert set(BUNDLES) <= set(shipped_bundles())
