"""Both bundles of KNEEL as they are shipped, every config for real, shrunk."""

import csv
import json
import math
import subprocess

import pytest
import torch
from bundle_runner import Runner
from monai.bundle import ConfigWorkflow, verify_net_in_out
from painted_knees import write_knees

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.handlers.history import read_history
from monai_landmarks.sharing.bundles import copy_bundle, load_metadata, shipped_bundles

BUNDLES = ("kneel_roi", "kneel_landmarks")
SMALL = {
    "width": 4,
    "depth": 2,
    "batch_size": 4,
    "spatial_size": "[64,64]",
    "spacing_mm": 1.0,
    "progress": False,
    "max_epochs": 2,
}
OWN = {"kneel_roi": {"spacing_mm": 2.0}, "kneel_landmarks": {}}


@pytest.fixture(scope="session")
def knees(tmp_path_factory):
    """Path of the data set file."""
    return write_knees(tmp_path_factory.mktemp("knees") / "data")


@pytest.fixture(scope="session")
def stages(tmp_path_factory, knees):
    """Both bundles beside each other, trained for two epochs."""
    folder = tmp_path_factory.mktemp("kneel")
    runners = {}
    for name in BUNDLES:
        runners[name] = Runner(copy_bundle(name, folder / name), knees, {**SMALL, **OWN[name]})
        runners[name].output = runners[name]("training")
    return runners


def read_rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def weights(path):
    return torch.load(path, weights_only=True)


def test_the_second_stage_holds_the_first(stages):
    first, second = (stages[name].root / "models" for name in BUNDLES)
    assert {"model.pt", "roi.pt", "checkpoint.pt", "metadata.json", "mlflow.db"} <= {p.name for p in second.iterdir()}
    own, copy = weights(first / "model.pt"), weights(second / "roi.pt")
    assert own.keys() == copy.keys()
    assert all(torch.equal(own[key], copy[key]) for key in own)
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
    options = {"dataset_dir": str(knees.parent / "images"), "bundle_root": str(stages[bundle].root)}
    if config == "train":
        small = {**SMALL, **OWN[bundle], "spatial_size": [64, 64]}
        options |= {**small, "dataset_file": str(knees)}
    workflow = ConfigWorkflow(
        config_file=str(stages[bundle].root / "configs" / f"{config}.yaml"),
        logging_file=False,
        workflow_type=config,
        **options,
    )
    workflow.initialize()
    assert workflow.check_properties() == []
    assert workflow.evaluator is not None
    assert workflow.network_def is not None


@pytest.mark.parametrize("bundle", BUNDLES)
def test_the_network_gives_what_the_metadata_says(stages, bundle):
    verify_net_in_out(
        net_id="network_def",
        meta_file=str(stages[bundle].root / "models" / "metadata.json"),
        config_file=str(stages[bundle].root / "configs" / "inference.yaml"),
        device="cpu",
        bundle_root=str(stages[bundle].root),
    )


@pytest.mark.parametrize("bundle", BUNDLES)
def test_the_shipped_metadata_describe_the_shipped_network(bundle, tmp_path):
    root = copy_bundle(bundle, tmp_path / bundle)
    verify_net_in_out(
        net_id="network_def",
        meta_file=str(root / "configs" / "metadata.json"),
        config_file=str(root / "configs" / "inference.yaml"),
        device="cpu",
        bundle_root=str(root),
    )


@pytest.mark.parametrize(("bundle", "count"), list(zip(BUNDLES, (2, 8))))
def test_evaluation_is_of_whole_radiographs(stages, knees, bundle, count):
    runner = stages[bundle]
    runner("evaluate", ("train", "evaluate"))
    # Of the file, all of whose landmarks the first stage does not use: a report compares them.
    record = json.loads((runner.root / "eval" / "evaluation.json").read_text())
    assert record["digest"] == load_dataset(knees).digest()
    metrics = json.loads((runner.root / "eval" / "metrics.json").read_text())
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


def test_both_stages_learn(stages, knees, tmp_path):
    """Enough epochs for the bars: points come close in the original's pixels, through both stages."""
    models = {name: tmp_path / name for name in BUNDLES}
    for name in BUNDLES:
        options = {"ckpt_dir": models[name], "output_dir": tmp_path, "max_epochs": 40, "learning_rate": 3e-3}
        options |= (
            {"width": 8, "mixup": 0.0, "region_models": models["kneel_roi"]}
            if name == "kneel_landmarks"
            else {"width": 8}
        )
        stages[name]("training", **options)
    stages["kneel_landmarks"](
        "evaluate", ("train", "evaluate"), ckpt_dir=models["kneel_landmarks"], output_dir=tmp_path, width=8
    )
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["mm"]["median"] < 4


def test_a_killed_run_resumes_to_the_same_end(stages, knees, tmp_path):
    runner = Runner(copy_bundle("kneel_landmarks", tmp_path / "kneel_landmarks"), knees, SMALL)
    options = {"max_epochs": 4, "region_models": stages["kneel_roi"].root / "models"}
    runner.kill_during(2, **options)
    assert "Continuing after epoch" in runner("training", **options)
    whole = {"ckpt_dir": tmp_path / "whole", "output_dir": tmp_path / "whole_eval"}
    runner("training", **options, **whole)
    resumed, straight = (weights(f / "checkpoint.pt") for f in (runner.root / "models", tmp_path / "whole"))
    assert resumed["epoch"] == straight["epoch"] == 4
    assert all(torch.equal(resumed["network"][key], straight["network"][key]) for key in straight["network"])
    best = [weights(folder / "model.pt") for folder in (runner.root / "models", tmp_path / "whole")]
    assert all(torch.equal(best[0][key], best[1][key]) for key in best[0])


@pytest.mark.parametrize("bundle", BUNDLES)
@pytest.mark.parametrize("config", ["published", "refit"])
def test_overrides_train(stages, knees, tmp_path, bundle, config):
    options = {"ckpt_dir": tmp_path / "models", "output_dir": tmp_path / "eval", "max_epochs": 1}
    output = stages[bundle]("training", ("train", config), **options)
    assert "epoch 1/1" in output
    if config == "refit":
        kept, last = (
            weights(tmp_path / "models" / "model.pt"),
            weights(tmp_path / "models" / "checkpoint.pt")["network"],
        )
        assert all(torch.equal(kept[key], last[key]) for key in last)


def test_a_unet_can_be_the_second_stage(stages, tmp_path):
    runner = stages["kneel_landmarks"]
    options = {"ckpt_dir": tmp_path / "models", "output_dir": tmp_path / "eval", "max_epochs": 2}
    runner("training", ("train", "unet"), decoder_channels="[16,16,8,8,8]", **options)
    assert read_history(tmp_path / "eval" / "history.csv")[-1]["radius"] == 1.0
    runner("evaluate", ("train", "evaluate"), **options)
    assert json.loads((tmp_path / "eval" / "metrics.json").read_text())["cases"] == 4


def test_without_a_first_stage_the_error_says_what_to_do(knees, tmp_path):
    runner = Runner(copy_bundle("kneel_landmarks", tmp_path / "alone"), knees, SMALL)
    done = subprocess.run(
        runner.command("training"),
        cwd=runner.root,
        env=runner.environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode != 0
    assert "train kneel_roi first" in done.stderr + done.stdout


def test_regions_alone_can_be_trained_but_not_looked_for(knees, tmp_path):
    runner = Runner(copy_bundle("kneel_landmarks", tmp_path / "alone"), knees, SMALL)
    runner("training", region_models="", transfer=False, max_epochs=1)
    done = subprocess.run(
        runner.command("evaluate", ("train", "evaluate"), region_models="", transfer=False),
        cwd=runner.root,
        env=runner.environment(),
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode != 0
    assert "trained without stage 1" in done.stderr + done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("bundle", BUNDLES)
def test_two_processes_train(stages, tmp_path, bundle):
    """The multi-GPU override on two CPU processes (gloo)."""
    runner = stages[bundle]
    options = {"ckpt_dir": tmp_path / "models", "output_dir": tmp_path / "eval", "max_epochs": 1}
    command = runner.command("training", ("train", "multi_gpu_train"), **options)
    torchrun = [command[0], "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone", *command[1:]]
    done = subprocess.run(
        torchrun, cwd=runner.root, env=runner.environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert not any(key.startswith("module.") for key in weights(tmp_path / "models" / "model.pt"))


def test_both_bundles_are_shipped():
    assert set(BUNDLES) <= set(shipped_bundles())
