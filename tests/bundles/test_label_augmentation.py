"""The bundle as it is shipped, every config for real, shrunk."""

import csv
import json
import math
import shutil
import subprocess
from pathlib import Path

import mlflow
import pytest
import torch
import yaml
from monai.bundle import ConfigWorkflow, verify_net_in_out
from monai.utils import path_to_sqlite_uri

from monai_landmarks.handlers.history import read_history
from monai_landmarks.sharing.bundles import load_metadata, shipped_bundles

REPOSITORY = Path(__file__).parents[2]
SHIPPED = shipped_bundles()["label_augmentation"]
SMALL = {"longer_side": 64, "decoder_channels": [16, 16, 8, 8, 8], "progress": False}


def mlflow_runs(models):
    client = mlflow.MlflowClient(path_to_sqlite_uri(models / "mlflow.db"))
    return client.search_runs([e.experiment_id for e in client.search_experiments()])


def read_rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_training_tells_its_time_and_leaves_everything(trained):
    models = trained.root / "models"
    assert trained.output.index("about") < trained.output.index("epoch 1/2")
    assert {"model.pt", "checkpoint.pt", "metadata.json", "mlflow.db"} <= {p.name for p in models.iterdir()}
    assert [row["epoch"] for row in read_history(trained.root / "eval" / "history.csv")] == [1, 2]
    runs = mlflow_runs(models)
    assert [run.info.status for run in runs] == ["FINISHED"]
    assert runs[0].info.run_name == "bundle"
    assert runs[0].data.params["schedule"].startswith("GeometricSchedule")
    assert {"loss", "radius", "val_mre", "learning_rate"} <= set(runs[0].data.metrics)


def test_the_trained_metadata_names_the_landmarks(trained):
    metadata = load_metadata(trained.root)
    assert metadata["network_data_format"]["outputs"]["pred"]["channel_def"]["2"] == "middle"
    assert metadata["network_data_format"]["inputs"]["image"]["spatial_shape"] == [64, 64]


@pytest.mark.parametrize(
    ("name", "workflow", "options"),
    [
        ("train", "train", SMALL),
        ("inference", "inference", {}),
    ],
)
def test_no_property_is_missing(trained, blobs, name, workflow, options):
    options = {**options, "dataset_dir": str(blobs.parent / "images"), "bundle_root": str(trained.root)}
    if name == "train":
        options["dataset_file"] = str(blobs)
    bundle = ConfigWorkflow(
        config_file=str(trained.root / "configs" / f"{name}.yaml"),
        logging_file=False,
        workflow_type=workflow,
        **options,
    )
    bundle.initialize()
    assert bundle.check_properties() == []
    assert bundle.evaluator is not None
    assert bundle.network_def is not None


def test_the_network_gives_what_the_metadata_says(trained):
    verify_net_in_out(
        net_id="network_def",
        meta_file=str(trained.root / "models" / "metadata.json"),
        config_file=str(trained.root / "configs" / "inference.yaml"),
        device="cpu",
        bundle_root=str(trained.root),
    )


def test_evaluation_on_the_test_split(trained, blobs):
    trained("evaluate", ("train", "evaluate"))
    metrics = json.loads((trained.root / "eval" / "metrics.json").read_text())
    assert (metrics["split"], metrics["cases"]) == ("test", 3)
    assert metrics["mm"]["mre"] == pytest.approx(metrics["px"]["mre"] / 2)
    rows = read_rows(trained.root / "eval" / "cases.csv")
    assert len(rows) == 9
    runs = mlflow_runs(trained.root / "models")
    assert len(runs) == 1
    assert runs[0].data.metrics["test.mm.mre"] == pytest.approx(metrics["mm"]["mre"])


def test_inference_on_a_folder(trained, blobs):
    trained("inference", ("inference",), dataset_dir=blobs.parent / "images")
    rows = read_rows(trained.root / "predictions" / "predictions.csv")
    assert len(rows) == 14 * 3
    assert {row["landmark"] for row in rows} == {"bright_left", "bright_right", "middle"}
    assert len(list((trained.root / "predictions" / "overlays").glob("*.png"))) == 14


def test_the_network_learns(trained, blobs, tmp_path):
    """Enough epochs for the blobs: the predictions come close to the truth, in the original's pixels."""
    trained("training", ckpt_dir=tmp_path / "models", output_dir=tmp_path / "eval", max_epochs=25, learning_rate=3e-3)
    trained(
        "evaluate", ("train", "evaluate"), ckpt_dir=tmp_path / "models", output_dir=tmp_path / "eval", max_epochs=25
    )
    metrics = json.loads((tmp_path / "eval" / "metrics.json").read_text())
    assert metrics["px"]["median"] < 3


@pytest.mark.parametrize("place", ["repository root", "bundle folder"])
def test_training_runs_from(place, blobs, tmp_path, runner):
    """With a relative config path: from the repository's root into the shipped bundle, from a copy's own folder."""
    if place == "bundle folder":
        runner("training", cwd=runner.root, folder="configs", max_epochs=1)
        assert (runner.root / "models" / "model.pt").is_file()
        return
    clone = tmp_path / "clone"
    shutil.copytree(SHIPPED, clone / "bundles" / "label_augmentation", ignore=shutil.ignore_patterns("models", "eval"))
    runner("training", cwd=clone, folder="bundles/label_augmentation/configs", max_epochs=1)
    assert (clone / "bundles" / "label_augmentation" / "models" / "model.pt").is_file()


@pytest.mark.parametrize("rows", [(), ("one_pixel",), ("rotation",), ("one_pixel", "rotation")], ids=str)
def test_the_papers_rows(runner, rows):
    options = {"max_epochs": 1, "batch_size": 4, "spatial_size": "[64,64]"}
    output = runner("training", ("train", "paper", *rows), **options)
    assert f"radius {0.0 if 'one_pixel' in rows else 65.0}" in output
    metadata = load_metadata(runner.root)
    assert metadata["monai_landmarks"]["settings"]["decoder"]["likelihood"] == "Bernoulli"


def test_the_papers_settings_are_the_published_ones(blobs):
    workflow = ConfigWorkflow(
        config_file=[str(SHIPPED / "configs" / f"{name}.yaml") for name in ("train", "paper")],
        logging_file=False,
        workflow_type="train",
        dataset_file=str(blobs),
    )
    workflow.initialize()
    content = workflow.parser.get_parsed_content
    assert content("spatial_size") == [512, 512]
    assert [content("schedule")(epoch) for epoch in (0, 50, 349)] == [65, 55, 5]
    assert (content("max_epochs"), content("batch_size")) == (350, 18)
    assert [type(content(name)).__name__ for name in ("shape", "codec")] == ["Diamond", "ArgmaxCodec"]
    assert not content("test_time_mirror")
    optimizer = content("optimizer")
    assert type(optimizer) is torch.optim.Adam
    assert optimizer.param_groups[0]["lr"] == 1e-4
    assert optimizer.param_groups[0]["weight_decay"] == 0


def test_training_and_inference_see_images_alike():
    configs = {n: yaml.safe_load((SHIPPED / "configs" / f"{n}.yaml").read_text()) for n in ("train", "inference")}
    assert configs["train"]["preprocessing"] == configs["inference"]["preprocessing"]


def test_another_experiment_never_continues_a_finished_one(runner):
    options = {"max_epochs": 1, "batch_size": 4, "spatial_size": "[64,64]"}
    runner("training", ("train", "paper"), **options)
    before = (runner.root / "models" / "metadata.json").read_bytes()
    for configs, more in [
        (("train", "paper", "rotation"), {}),
        (("train", "paper"), {"longer_side": 96, "spatial_size": "[96,96]"}),
    ]:
        done = subprocess.run(
            runner.command("training", configs, **{**options, **more}),
            cwd=runner.root,
            env=runner.environment(),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode != 0
        assert "was made by another run" in done.stderr + done.stdout
    assert (runner.root / "models" / "metadata.json").read_bytes() == before


def test_a_killed_run_resumes_to_the_same_end(runner, tmp_path):
    options = {"max_epochs": 4}
    runner.kill_during(2, **options)
    interrupted = read_history(runner.root / "eval" / "history.csv")
    assert 2 <= len(interrupted) < 4
    assert [run.info.status for run in mlflow_runs(runner.root / "models")] == ["RUNNING"]
    output = runner("training", **options)
    assert "Continuing after epoch" in output
    whole = {"ckpt_dir": tmp_path / "whole", "output_dir": tmp_path / "whole_eval"}
    runner("training", **options, **whole)

    resumed = torch.load(runner.root / "models" / "checkpoint.pt", weights_only=True)
    straight = torch.load(tmp_path / "whole" / "checkpoint.pt", weights_only=True)
    assert resumed["epoch"] == straight["epoch"] == 4
    assert all(torch.equal(resumed["network"][k], straight["network"][k]) for k in straight["network"])
    best = [
        torch.load(folder / "model.pt", weights_only=True) for folder in (runner.root / "models", tmp_path / "whole")
    ]
    assert all(torch.equal(best[0][k], best[1][k]) for k in best[0])
    columns = [
        [[row[key] for key in ("epoch", "radius", "loss", "val_mre")] for row in read_history(path)]
        for path in (runner.root / "eval" / "history.csv", tmp_path / "whole_eval" / "history.csv")
    ]
    assert columns[0] == columns[1]
    runs = mlflow_runs(runner.root / "models")
    assert [run.info.status for run in runs] == ["FINISHED"]


def test_the_curriculum_reaches_the_training_whatever_loads_the_data(runner, tmp_path):
    """CacheDataset, with and without persistent workers: the radius follows the epoch and the run is the same."""
    rows = {}
    for workers in (0, 2):
        folders = {"ckpt_dir": tmp_path / f"models{workers}", "output_dir": tmp_path / f"eval{workers}"}
        schedule = "$curriculum.StepSchedule(start=30,step=10,every=1)"
        runner("training", num_workers=workers, max_epochs=3, schedule=schedule, **folders)
        rows[workers] = read_history(tmp_path / f"eval{workers}" / "history.csv")
        assert [row["radius"] for row in rows[workers]] == [30, 20, 10]
    # A worker interpolates with one thread: the same draws, sums in another order.
    assert [row["loss"] for row in rows[0]] == pytest.approx([row["loss"] for row in rows[2]], rel=1e-5)


@pytest.mark.slow
def test_two_processes_train(runner):
    """The multi-GPU override on two CPU processes (gloo)."""
    command = runner.command("training", ("train", "multi_gpu_train"), max_epochs=1)
    torchrun = [command[0], "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone", *command[1:]]
    done = subprocess.run(
        torchrun, cwd=runner.root, env=runner.environment(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert not any(
        key.startswith("module.") for key in torch.load(runner.root / "models" / "model.pt", weights_only=True)
    )
    assert [row["epoch"] for row in read_history(runner.root / "eval" / "history.csv")] == [1]


def test_a_second_pass_is_trained_evaluated_and_used(trained, runner, blobs, tmp_path):
    shutil.copytree(trained.root / "models", runner.root / "models")
    small = {"longer_side": 128, "window": 64, "batch_size": 4, "val_interval": 1}
    runner("training", ("train", "second_pass"), **small)
    with pytest.raises(AssertionError, match="was made by another run"):
        runner("training", ("train", "second_pass"), **small, jitter=4.0)
    models = runner.root / "models" / "second_pass"
    settings = load_metadata(runner.root, models)["monai_landmarks"]["settings"]
    codec = {"likelihood": "Categorical", "window": 8.0}
    assert settings["second_pass"] == {"coarse_size": [64, 64], "window": 64, "codec": codec}
    first = torch.load(trained.root / "models" / "model.pt", weights_only=True)
    both = torch.load(models / "model.pt", weights_only=True)
    assert all(torch.equal(both[f"coarse.{key}"], value) for key, value in first.items())
    assert any(not torch.equal(both[f"fine.{key}"], value) for key, value in first.items())
    runner("evaluate", ("train", "evaluate"), ckpt_dir=models, output_dir=tmp_path / "eval")
    metrics = json.loads((tmp_path / "eval" / "metrics.json").read_text())
    assert metrics["points"] == 9
    scale = float(read_rows(tmp_path / "eval" / "cases.csv")[0]["scale_row"])
    assert scale == pytest.approx(128 / 80)
    runner("inference", ("inference",), ckpt_dir=models, dataset_dir=blobs.parent / "images", output_dir=tmp_path / "p")
    assert len(read_rows(tmp_path / "p" / "predictions.csv")) == 14 * 3


def test_a_refit_trains_on_the_validation_images_too_and_keeps_the_last_epoch(runner):
    output = runner("training", ("train", "refit"))
    assert "Training: 11 images" in output
    assert all(math.isnan(row["val_mre"]) for row in read_history(runner.root / "eval" / "history.csv"))
    models = runner.root / "models"
    kept = torch.load(models / "model.pt", weights_only=True)
    last = torch.load(models / "checkpoint.pt", weights_only=True)["network"]
    assert all(torch.equal(kept[key], last[key]) for key in last)
    assert load_metadata(runner.root, models)["monai_landmarks"]["dataset"]["cases"] == 14


def test_an_hourglass_trains_on_whole_images(runner):
    runner("training", ("train", "hourglass"), width=4, depth=2, max_epochs=1)
    assert load_metadata(runner.root)["network_data_format"]["outputs"]["pred"]["spatial_shape"] == [16, 16]
    runner("evaluate", ("train", "evaluate"))
    assert json.loads((runner.root / "eval" / "metrics.json").read_text())["cases"] == 3
    runs = mlflow_runs(runner.root / "models")
    assert runs[0].data.params["network"] == "hourglass"
    assert "schedule" not in runs[0].data.params
