"""The one-shot bundle as it is shipped, every stage for real, shrunk."""

import csv
import json
import math

import pytest
import torch
import yaml
from bundle_runner import Runner
from monai.bundle import ConfigWorkflow, verify_net_in_out

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.engines.propose import Proposer, pseudo_training_set
from monai_landmarks.handlers.history import read_history
from monai_landmarks.sharing.bundles import copy_bundle, load_metadata, shipped_bundles

SHIPPED = shipped_bundles()["one_shot"]
SMALL = {
    "longer_side": 64,
    "decoder_channels": "[8,8,8,8]",
    "embedding": 8,
    "batch_size": 4,
    "progress": False,
    "max_epochs": 2,
}
ADAPTED = {"adapter_channels": 2}


@pytest.fixture(scope="session")
def one_shot(tmp_path_factory, blobs):
    """The bundle, trained without annotations for two epochs."""
    runner = Runner(copy_bundle("one_shot", tmp_path_factory.mktemp("one_shot") / "bundle"), blobs, SMALL)
    runner.output = runner("training")
    return runner


@pytest.fixture
def again(tmp_path, blobs):
    return Runner(copy_bundle("one_shot", tmp_path / "bundle"), blobs, SMALL)


def weights(path):
    return torch.load(path, weights_only=True)


def same(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


def read_rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_training_tells_its_time_and_leaves_everything(one_shot):
    models = one_shot.root / "models"
    assert "8 pairs of 64 x 64 and 32 x 32" in one_shot.output
    assert {"model.pt", "checkpoint.pt", "metadata.json", "mlflow.db"} <= {p.name for p in models.iterdir()}
    settings = load_metadata(one_shot.root)["monai_landmarks"]["settings"]
    assert settings["one_shot"]["decoder_channels"] == [8, 8, 8, 8]
    assert settings["decoder"]["likelihood"] == "Similarity"
    # The last epoch's, with the descriptors of its own weights.
    state = weights(models / "model.pt")
    same(state, weights(models / "checkpoint.pt")["network"])
    assert all(state[f"template_{scale}"].norm(dim=1) == pytest.approx([1, 1, 1], abs=1e-4) for scale in range(5))


@pytest.mark.parametrize("configs", [("train",), ("train", "sla", "adapter"), ("train", "template"), ("inference",)])
def test_no_property_is_missing(one_shot, blobs, configs):
    options = {"dataset_dir": str(blobs.parent / "images"), "bundle_root": str(one_shot.root)}
    if configs[0] == "train":
        options |= {**SMALL, "decoder_channels": [8, 8, 8, 8], "dataset_file": str(blobs)}
    workflow = ConfigWorkflow(
        config_file=[str(one_shot.root / "configs" / f"{name}.yaml") for name in configs],
        logging_file=False,
        workflow_type=configs[0],
        **options,
    )
    workflow.initialize()
    assert workflow.check_properties() == []
    assert workflow.evaluator is not None
    assert workflow.network_def is not None


def test_the_network_gives_what_the_metadata_says(one_shot):
    for meta in (one_shot.root / "models" / "metadata.json", one_shot.root / "configs" / "metadata.json"):
        verify_net_in_out(
            net_id="network_def",
            meta_file=str(meta),
            config_file=str(one_shot.root / "configs" / "inference.yaml"),
            device="cpu",
            bundle_root=str(one_shot.root),
            **({} if "models" in str(meta) else {"ckpt_dir": "nowhere"}),
        )


def test_training_and_inference_see_images_alike():
    configs = {n: yaml.safe_load((SHIPPED / "configs" / f"{n}.yaml").read_text()) for n in ("train", "inference")}
    assert configs["train"]["preprocessing"] == configs["inference"]["preprocessing"]


def test_evaluation_and_inference(one_shot, blobs):
    one_shot("evaluate", ("train", "evaluate"))
    metrics = json.loads((one_shot.root / "eval" / "metrics.json").read_text())
    assert (metrics["split"], metrics["cases"], metrics["points"]) == ("test", 3, 9)
    one_shot("inference", ("inference",), dataset_dir=blobs.parent / "images")
    found = {
        (row["image"], row["landmark"]): row for row in read_rows(one_shot.root / "predictions" / "predictions.csv")
    }
    assert len(found) == 14 * 3
    # The template itself: its points, whatever was learned, within a cell of the finest scale (2 network pixels).
    dataset = load_dataset(blobs)
    points = dataset.cases[0].points(dataset.scheme)[0]
    for name, (row, column) in zip(dataset.names, points):
        place = found["00.png", name]
        assert math.hypot(float(place["y"]) - row, float(place["x"]) - column) < 2 * 80 / 64


def test_no_annotation_but_the_templates_is_learned_from(one_shot, again, blobs, tmp_path):
    """Without the others' annotations, and with wrong ones, the weights come out the same to the last bit."""
    dataset = load_dataset(blobs)
    wrong = dataset.cases[-1].annotations
    for name, others in (("removed", []), ("wrong", wrong)):
        cases = [
            case if case.id == "case00" else case.model_copy(update={"annotations": others}) for case in dataset.cases
        ]
        file = tmp_path / f"{name}.json"
        dataset.model_copy(update={"cases": cases}).relocated(tmp_path).save(file)
        models = tmp_path / name
        again("training", dataset_file=file, ckpt_dir=models, output_dir=tmp_path / "eval")
        same(weights(models / "model.pt"), weights(one_shot.root / "models" / "model.pt"))


def test_another_template_is_another_run(one_shot):
    with pytest.raises(AssertionError, match="was made by another run"):
        one_shot("training", template="case01")


def test_one_landmark_learns_from_pseudo_labels(one_shot, tmp_path):
    folders = {"ckpt_dir": tmp_path / "models", "output_dir": tmp_path / "eval", "landmark": "middle"}
    one_shot("training", ("train", "sla"), start=one_shot.root / "models", **folders)
    labels = load_dataset(tmp_path / "models" / "pseudo_labels.json")
    assert labels.names == ("middle",)
    training = labels.select("training")
    assert all(case.annotations[-1].reader == "one_shot" for case in training)
    assert [len(case.annotations) for case in training] == [2] + [1] * 7
    one_shot("evaluate", ("train", "sla", "evaluate"), **folders)
    assert json.loads((tmp_path / "eval" / "metrics.json").read_text())["points"] == 3
    with pytest.raises(AssertionError, match="check_landmarks"):
        one_shot("evaluate", ("train", "evaluate"), ckpt_dir=tmp_path / "models")


def test_template_copies_then_adapters(one_shot, tmp_path):
    """ATD: each stage starts from the one before; the first has no adapters."""
    first = {"ckpt_dir": tmp_path / "template", "output_dir": tmp_path / "eval"}
    start = {"start": one_shot.root / "models", "copies": 12, "max_epochs": 1}
    one_shot("training", ("train", "template", "adapter"), **ADAPTED, **first, **start)
    second = {"ckpt_dir": tmp_path / "adapter", "output_dir": tmp_path / "eval"}
    one_shot("training", ("train", "sla", "adapter"), **ADAPTED, **second, start=tmp_path / "template")
    states = [weights(folder / "model.pt") for folder in (one_shot.root / "models", *tmp_path.glob("[at]*[er]"))]
    frozen = [key for key in states[0] if ".encoder." in key]
    assert frozen
    assert all(torch.equal(state[key], states[0][key]) for state in states for key in frozen)
    one_shot("evaluate", ("train", "evaluate"), **second)
    assert json.loads((tmp_path / "eval" / "metrics.json").read_text())["points"] == 9


def test_a_killed_run_resumes_to_the_same_end(one_shot, again, tmp_path):
    options = {"max_epochs": 4, "start": one_shot.root / "models", **ADAPTED}
    configs = ("train", "sla", "adapter")
    again.kill_during(2, configs=configs, **options)
    assert 2 <= len(read_history(again.root / "eval" / "history.csv")) < 4
    assert "Continuing after epoch" in again("training", configs, **options)
    again("training", configs, **options, ckpt_dir=tmp_path / "whole", output_dir=tmp_path / "whole_eval")
    resumed, straight = (weights(folder / "checkpoint.pt") for folder in (again.root / "models", tmp_path / "whole"))
    assert resumed["epoch"] == straight["epoch"] == 4
    same(resumed["network"], straight["network"])
    labels = [state["objects"]["pseudo_labels"] for state in (resumed, straight)]
    assert torch.equal(labels[0]["points"].nan_to_num(-1), labels[1]["points"].nan_to_num(-1))
    same(weights(again.root / "models" / "model.pt"), weights(tmp_path / "whole" / "model.pt"))


def test_pseudo_labels_train_another_network(one_shot, blobs, tmp_path):
    """TPL: the label-augmentation bundle learns from what the one-shot model has found, and from nothing else."""
    dataset = load_dataset(blobs)
    proposer = Proposer(one_shot.root, dataset)
    labels = proposer.points(dataset.select(["training", "validation"]))
    pseudo = pseudo_training_set(dataset, labels, "case00", tmp_path)
    pseudo.save(tmp_path / "pseudo.json")
    assert [case.annotations[-1].reader for case in pseudo.select(["training", "validation"])] == ["one_shot"] * 11
    assert not any(case.annotations for case in pseudo.select("test"))
    small = {"longer_side": 64, "decoder_channels": "[16,16,8,8,8]", "progress": False, "max_epochs": 1}
    runner = Runner(copy_bundle("label_augmentation", tmp_path / "bundle"), tmp_path / "pseudo.json", small)
    runner("training", reader="one_shot")
    runner("evaluate", ("train", "evaluate"), dataset_file=blobs)
    assert json.loads((runner.root / "eval" / "metrics.json").read_text())["points"] == 9


@pytest.mark.slow
def test_two_processes_train_adapters(one_shot, again):
    """The multi-GPU override on two CPU processes (gloo): both have the same pseudo-labels."""
    import subprocess

    command = again.command("training", ("train", "sla", "adapter", "multi_gpu_train"), max_epochs=2, **ADAPTED)
    torchrun = [command[0], "-m", "torch.distributed.run", "--nproc_per_node=2", "--standalone", *command[1:]]
    done = subprocess.run(
        torchrun, cwd=again.root, env=again.environment(), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    same(weights(again.root / "models" / "model.pt"), weights(again.root / "models" / "checkpoint.pt")["network"])


@pytest.mark.slow
def test_the_network_learns(one_shot, tmp_path):
    """Enough epochs for the blobs: closer than the template's points, copied."""
    folders = {"ckpt_dir": tmp_path / "models", "output_dir": tmp_path / "eval"}
    more = {"max_epochs": 20, "batch_size": 8, "pairs_per_image": 4, "embedding": 16}
    one_shot("training", **folders, **{**more, "decoder_channels": "[16,16,16,16]"})
    one_shot("evaluate", ("train", "evaluate"), **folders)
    metrics = json.loads((tmp_path / "eval" / "metrics.json").read_text())
    assert metrics["px"]["mre"] < 2.5
