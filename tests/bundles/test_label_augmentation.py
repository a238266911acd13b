"""The bundle as it is shipped, every config for real, shrunk."""

import math
import shutil

import pytest
import torch
import yaml
from bundle_checks import (
    check_evaluation_notes_the_weights,
    check_last_epoch_is_kept,
    check_network,
    check_properties,
    check_resumes_to_the_same_end,
    check_same,
    mlflow_runs,
    read_metrics,
    read_rows,
    weights,
)
from bundle_runner import SMALL, TWO_PROCESSES, Runner
from monai.bundle import ConfigWorkflow

from monai_landmarks.handlers.history import read_history
from monai_landmarks.sharing.bundles import copy_bundle, load_metadata, shipped_bundles

SHIPPED = shipped_bundles()["label_augmentation"]
PAPER = {"max_epochs": 1, "batch_size": 4, "spatial_size": "[64,64]"}


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


@pytest.mark.parametrize("config", ["train", "inference"])
def test_no_property_is_missing(trained, blobs, config):
    options = {"dataset_dir": str(blobs.parent / "images")}
    if config == "train":
        options |= {**SMALL, "decoder_channels": [16, 16, 8, 8, 8], "dataset_file": str(blobs)}
    check_properties(trained.root, (config,), **options)


def test_the_network_gives_what_the_metadata_says(trained):
    check_network(trained.root, "models/metadata.json")


def test_evaluation_on_the_test_split(trained, blobs):
    trained("evaluate", ("train", "evaluate"))
    check_evaluation_notes_the_weights(trained.root / "models", trained.root / "eval")
    metrics = read_metrics(trained.root / "eval")
    assert (metrics["split"], metrics["cases"]) == ("test", 3)
    assert metrics["mm"]["mre"] == pytest.approx(metrics["px"]["mre"] / 2)
    rows = read_rows(trained.root / "eval" / "cases.csv")
    assert len(rows) == 9
    runs = mlflow_runs(trained.root / "models")
    assert len(runs) == 1
    assert runs[0].data.metrics["test.mm.mre"] == pytest.approx(metrics["mm"]["mre"])


def test_inference_on_a_folder(trained, blobs):
    """In a process of its own, where nothing but the configs has imported anything."""
    trained.alone("inference", ("inference",), dataset_dir=blobs.parent / "images")
    rows = read_rows(trained.root / "predictions" / "predictions.csv")
    assert len(rows) == 14 * 3
    assert {row["landmark"] for row in rows} == {"bright_left", "bright_right", "middle"}
    assert len(list((trained.root / "predictions" / "overlays").glob("*.png"))) == 14


def test_the_network_learns(trained, blobs, tmp_path):
    """Enough epochs for the blobs: the predictions come close to the truth, in the original's pixels."""
    folders = {"ckpt_dir": tmp_path / "models", "output_dir": tmp_path / "eval"}
    trained("training", **folders, max_epochs=13, batch_size=2, learning_rate=3e-3)
    trained("evaluate", ("train", "evaluate"), **folders)
    assert read_metrics(tmp_path / "eval")["px"]["median"] < 3


def test_training_runs_from_the_repositorys_root(blobs, tmp_path):
    """With a relative config path into the shipped bundle."""
    root = tmp_path / "clone" / "bundles" / "label_augmentation"
    runner = Runner(copy_bundle("label_augmentation", root), blobs)
    runner("training", cwd=tmp_path / "clone", folder="bundles/label_augmentation/configs", max_epochs=1)
    assert (root / "models" / "model.pt").is_file()


def test_training_runs_from_the_bundles_folder(runner):
    runner("training", folder="configs", max_epochs=1)
    assert (runner.root / "models" / "model.pt").is_file()


@pytest.mark.parametrize("rows", [("one_pixel",), ("rotation",), ("one_pixel", "rotation")], ids=str)
def test_the_papers_rows(runner, rows):
    output = runner("training", ("train", "paper", *rows), **PAPER)
    assert f"radius {0.0 if 'one_pixel' in rows else 65.0}" in output
    assert load_metadata(runner.root)["monai_landmarks"]["settings"]["decoder"]["likelihood"] == "Bernoulli"


def test_another_experiment_never_continues_a_finished_one(runner):
    assert "radius 65.0" in runner("training", ("train", "paper"), **PAPER)
    before = (runner.root / "models" / "metadata.json").read_bytes()
    assert load_metadata(runner.root)["monai_landmarks"]["settings"]["decoder"]["likelihood"] == "Bernoulli"
    with pytest.raises(AssertionError, match="was made by another run"):
        runner("training", ("train", "paper", "rotation"), **PAPER)
    with pytest.raises(AssertionError, match="was made by another run"):
        runner("training", ("train", "paper"), **{**PAPER, "longer_side": 96, "spatial_size": "[96,96]"})
    assert (runner.root / "models" / "metadata.json").read_bytes() == before


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


def test_a_killed_run_resumes_to_the_same_end(runner, tmp_path):
    check_resumes_to_the_same_end(runner, tmp_path)


def test_the_curriculum_reaches_the_training_whatever_loads_the_data(runner, tmp_path):
    """CacheDataset, with and without persistent workers: the radius follows the epoch and the run is the same."""
    rows = {}
    for workers, run in ((0, runner), (2, runner.alone)):
        folders = {"ckpt_dir": tmp_path / f"models{workers}", "output_dir": tmp_path / f"eval{workers}"}
        schedule = "$curriculum.StepSchedule(start=30,step=10,every=1)"
        run("training", num_workers=workers, max_epochs=3, schedule=schedule, **folders)
        rows[workers] = read_history(tmp_path / f"eval{workers}" / "history.csv")
        assert [row["radius"] for row in rows[workers]] == [30, 20, 10]
    # A worker interpolates with one thread: the same draws, sums in another order.
    assert [row["loss"] for row in rows[0]] == pytest.approx([row["loss"] for row in rows[2]], rel=1e-5)


@pytest.mark.slow
def test_two_processes_train(runner):
    """The multi-GPU override on two CPU processes (gloo)."""
    runner.alone("training", ("train", "multi_gpu_train"), TWO_PROCESSES, max_epochs=1)
    assert not any(key.startswith("module.") for key in weights(runner.root / "models" / "model.pt"))
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
    first, both = weights(trained.root / "models" / "model.pt"), weights(models / "model.pt")
    check_same({key: both[f"coarse.{key}"] for key in first}, first)
    assert any(not torch.equal(both[f"fine.{key}"], value) for key, value in first.items())
    runner("evaluate", ("train", "evaluate"), ckpt_dir=models, output_dir=tmp_path / "eval")
    assert read_metrics(tmp_path / "eval")["points"] == 9
    check_evaluation_notes_the_weights(models, tmp_path / "eval")
    scale = float(read_rows(tmp_path / "eval" / "cases.csv")[0]["scale_row"])
    assert scale == pytest.approx(128 / 80)
    runner("inference", ("inference",), ckpt_dir=models, dataset_dir=blobs.parent / "images", output_dir=tmp_path / "p")
    assert len(read_rows(tmp_path / "p" / "predictions.csv")) == 14 * 3


def test_a_refit_trains_on_the_validation_images_too_and_keeps_the_last_epoch(runner):
    output = runner("training", ("train", "refit"))
    assert "Training: 11 images" in output
    assert all(math.isnan(row["val_mre"]) for row in read_history(runner.root / "eval" / "history.csv"))
    models = runner.root / "models"
    check_last_epoch_is_kept(models)
    assert load_metadata(runner.root, models)["monai_landmarks"]["dataset"]["cases"] == 14


def test_an_hourglass_trains_on_whole_images(runner):
    runner("training", ("train", "hourglass"), width=4, depth=2, max_epochs=1)
    assert load_metadata(runner.root)["network_data_format"]["outputs"]["pred"]["spatial_shape"] == [16, 16]
    runner("evaluate", ("train", "evaluate"))
    assert read_metrics(runner.root / "eval")["cases"] == 3
    runs = mlflow_runs(runner.root / "models")
    assert runs[0].data.params["network"] == "hourglass"
    assert "schedule" not in runs[0].data.params
