"""The one-shot bundle as it is shipped, every stage for real, shrunk."""

import json
import math

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
    read_metrics,
    read_rows,
    weights,
)
from bundle_runner import ONE_SHOT, TWO_PROCESSES, Runner

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.engines.propose import Proposer, pseudo_training_set
from monai_landmarks.sharing.bundles import copy_bundle, load_metadata, shipped_bundles

SHIPPED = shipped_bundles()["one_shot"]
ADAPTED = {"adapter_channels": 2}


def test_training_tells_its_time_and_leaves_everything(one_shot):
    models = one_shot.root / "models"
    assert "8 pairs of 64 x 64 and 32 x 32" in one_shot.output
    assert {"model.pt", "checkpoint.pt", "metadata.json", "mlflow.db"} <= {p.name for p in models.iterdir()}
    settings = load_metadata(one_shot.root)["monai_landmarks"]["settings"]
    assert settings["one_shot"]["decoder_channels"] == [8, 8, 8, 8]
    assert settings["decoder"]["likelihood"] == "Similarity"
    # The last epoch's, with the descriptors of its own weights.
    check_last_epoch_is_kept(models)
    state = weights(models / "model.pt")
    assert all(state[f"template_{scale}"].norm(dim=1) == pytest.approx([1, 1, 1], abs=1e-4) for scale in range(5))


@pytest.mark.parametrize("configs", [("train",), ("train", "sla", "adapter"), ("train", "template"), ("inference",)])
def test_no_property_is_missing(one_shot, blobs, configs):
    options = {"dataset_dir": str(blobs.parent / "images")}
    if configs[0] == "train":
        options |= {**ONE_SHOT, "decoder_channels": [8, 8, 8, 8], "dataset_file": str(blobs)}
    check_properties(one_shot.root, configs, **options)


def test_the_network_gives_what_the_metadata_says(one_shot):
    check_network(one_shot.root, "models/metadata.json")
    check_network(one_shot.root, "configs/metadata.json", ckpt_dir="nowhere")


def test_training_and_inference_see_images_alike():
    configs = {n: yaml.safe_load((SHIPPED / "configs" / f"{n}.yaml").read_text()) for n in ("train", "inference")}
    assert configs["train"]["preprocessing"] == configs["inference"]["preprocessing"]


def test_evaluation_and_inference(one_shot, blobs):
    one_shot("evaluate", ("train", "evaluate"))
    check_evaluation_notes_the_weights(one_shot.root / "models", one_shot.root / "eval")
    metrics = read_metrics(one_shot.root / "eval")
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
        check_same(weights(models / "model.pt"), weights(one_shot.root / "models" / "model.pt"))


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
    assert read_metrics(tmp_path / "eval")["points"] == 3
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
    assert read_metrics(tmp_path / "eval")["points"] == 9


def test_a_killed_run_resumes_to_the_same_end(one_shot, again, tmp_path):
    options = {"start": one_shot.root / "models", **ADAPTED}
    both = check_resumes_to_the_same_end(again, tmp_path, ("train", "sla", "adapter"), **options)
    labels = [state["objects"]["pseudo_labels"]["points"].nan_to_num(-1) for state in both]
    assert torch.equal(*labels)


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
    assert read_metrics(runner.root / "eval")["points"] == 9


@pytest.mark.slow
def test_two_processes_train_adapters(one_shot, again):
    """The multi-GPU override on two CPU processes (gloo): both have the same pseudo-labels."""
    told = "$torch.save(@pseudo_labels.state_dict(), @ckpt_dir + '/labels' + repr(dist.get_rank()) + '.pt')"
    (again.root / "configs" / "told.yaml").write_text(json.dumps({"training": ["$@train#trainer.run()", told]}))
    again.alone("training", ("train", "sla", "adapter", "multi_gpu_train", "told"), TWO_PROCESSES, **ADAPTED)
    check_last_epoch_is_kept(again.root / "models")
    labels = [weights(again.root / "models" / f"labels{rank}.pt") for rank in (0, 1)]
    assert labels[0]["points"].isfinite().all()
    check_same(*labels)


@pytest.mark.slow
def test_the_network_learns(one_shot, tmp_path):
    """Enough epochs for the blobs: closer than the template's points, copied."""
    folders = {"ckpt_dir": tmp_path / "models", "output_dir": tmp_path / "eval"}
    more = {"max_epochs": 20, "batch_size": 8, "pairs_per_image": 4, "embedding": 16}
    one_shot("training", **folders, **{**more, "decoder_channels": "[16,16,16,16]"})
    one_shot("evaluate", ("train", "evaluate"), **folders)
    metrics = read_metrics(tmp_path / "eval")
    assert metrics["px"]["mre"] < 2.5
