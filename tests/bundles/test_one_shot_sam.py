"""SAM's two-scale variant of the one-shot bundle, for real, shrunk."""

import json
import math
import zipfile

import numpy as np
import pytest
from bundle_checks import (
    check_last_epoch_is_kept,
    check_network,
    check_properties,
    check_resumes_to_the_same_end,
    read_metrics,
    read_rows,
    weights,
)
from bundle_runner import ONE_SHOT, TWO_PROCESSES, Runner
from tiny_bundle import write_evaluation
from typer.testing import CliRunner

from monai_landmarks.cli.main import build_app
from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.sharing.bundles import copy_bundle, load_metadata
from monai_landmarks.sharing.export_formats import FORMATS
from monai_landmarks.sharing.exports import TOLERANCE, export_models
from monai_landmarks.sharing.pack import Labels, pack_bundle
from monai_landmarks.sharing.signing import make_keys
from monai_landmarks.sharing.verify import verify_bundle

SMALL = {**ONE_SHOT, "places": 20, "pools": "[12,60]", "negatives": "[6,20]"}
LABELS = Labels("Invented blobs.", name="blobs", version="1.0")


@pytest.fixture(scope="module")
def sam(tmp_path_factory, blobs):
    """The one-shot bundle, trained as SAM for two epochs."""
    runner = Runner(copy_bundle("one_shot", tmp_path_factory.mktemp("sam") / "bundle"), blobs, SMALL)
    runner.output = runner("training", ("train", "sam"))
    return runner


def folders(path):
    return {"ckpt_dir": path / "models", "output_dir": path / "eval"}


def test_training_leaves_two_embeddings_and_says_so(sam):
    models = sam.root / "models"
    check_last_epoch_is_kept(models)
    state = weights(models / "model.pt")
    own = {key: tuple(value.shape) for key, value in state.items() if not key.startswith("embedding.")}
    assert own == {"template_0": (3, 8), "template_1": (3, 8), "template_offsets": (2, 3, 2)}
    assert all(state[f"template_{scale}"].norm(dim=1) == pytest.approx([1, 1, 1], abs=1e-4) for scale in range(2))
    settings = load_metadata(sam.root)["monai_landmarks"]["settings"]
    assert settings["one_shot"]["mean_of"] == [16, 2]
    signature = weights(models / "checkpoint.pt")["signature"]
    assert signature["places"] == "20"
    assert "'mean_of': [16, 2]" in signature["network"]
    assert "pools=(12, 60), counts=(6, 20)" in signature["loss"]


def test_other_stages_say_nothing_of_it(one_shot):
    """Models and runs that were there before it stay what they were."""
    assert "mean_of" not in json.dumps(load_metadata(one_shot.root))
    assert "places" not in weights(one_shot.root / "models" / "checkpoint.pt")["signature"]


def test_properties_and_network(sam, blobs):
    options = {**SMALL, "decoder_channels": [8, 8, 8, 8], "pools": [12, 60], "negatives": [6, 20]}
    check_properties(sam.root, ("train", "sam"), **options, dataset_file=str(blobs))
    check_network(sam.root, "models/metadata.json")


def test_evaluation_and_inference(sam, blobs):
    sam("evaluate", ("train", "evaluate"))
    metrics = read_metrics(sam.root / "eval")
    assert (metrics["split"], metrics["cases"], metrics["points"]) == ("test", 3, 9)
    sam("inference", ("inference",), dataset_dir=blobs.parent / "images")
    found = {(row["image"], row["landmark"]): row for row in read_rows(sam.root / "predictions" / "predictions.csv")}
    # The template itself: its points, within a cell of the fine stride (2 network pixels).
    dataset = load_dataset(blobs)
    points = dataset.cases[0].points(dataset.scheme)[0]
    for name, (row, column) in zip(dataset.names, points):
        place = found["00.png", name]
        assert math.hypot(float(place["y"]) - row, float(place["x"]) - column) < 2 * 80 / 64


@pytest.mark.parametrize(
    ("configs", "other"),
    [
        (("train", "sam"), {"places": 30}),
        (("train", "sam"), {"negatives": "[6,30]"}),
        (("train", "sam"), {"mean_of": "[8,2]"}),
        (("train",), {}),
    ],
)
def test_other_settings_are_another_run(sam, configs, other):
    with pytest.raises(AssertionError, match="was made by another run"):
        sam("training", configs, **other)


def test_one_landmark_learns_with_its_loss(sam, tmp_path):
    own = {"landmark": "middle", **folders(tmp_path)}
    sam("training", ("train", "sam", "sla"), start=sam.root / "models", **own)
    assert "pools=(12, 60)" in weights(tmp_path / "models" / "checkpoint.pt")["signature"]["loss"]
    labels = load_dataset(tmp_path / "models" / "pseudo_labels.json")
    assert all(case.annotations[-1].reader == "one_shot" for case in labels.select("training"))
    sam("evaluate", ("train", "sam", "sla", "evaluate"), **own)
    assert read_metrics(tmp_path / "eval")["points"] == 3


def test_template_copies_with_adapters_learn_with_it_too(sam, tmp_path):
    options = {"start": sam.root / "models", "adapter_channels": 2, "copies": 12, "max_epochs": 1}
    sam("training", ("train", "sam", "template", "adapter"), **options, **folders(tmp_path))
    settings = load_metadata(sam.root, tmp_path / "models")["monai_landmarks"]["settings"]["one_shot"]
    assert (settings["mean_of"], settings["landmarks"], settings["adapter_channels"]) == ([16, 2], 3, 2)
    sam("evaluate", ("train", "evaluate"), **folders(tmp_path))
    assert read_metrics(tmp_path / "eval")["points"] == 9


def test_a_fine_stage_looks_after_it(sam, tmp_path):
    small = {"longer_side": 128, "window": 32, "jitter": 6.0, "descriptor": 8, "copies": 8, "max_epochs": 1}
    sam("training", ("train", "fine"), coarse=sam.root / "models", **small, **folders(tmp_path))
    assert load_metadata(sam.root, tmp_path / "models")["monai_landmarks"]["settings"]["one_shot"]["mean_of"] == [16, 2]
    sam("evaluate", ("train", "evaluate"), **folders(tmp_path))
    assert read_metrics(tmp_path / "eval")["points"] == 9


def test_mutual_matches_are_its_own(sam, tmp_path):
    sam("training", ("train", "sam", "matching"), max_epochs=1, **folders(tmp_path))
    assert "template_image" in weights(tmp_path / "models" / "model.pt")
    sam("evaluate", ("train", "evaluate"), **folders(tmp_path))
    assert read_metrics(tmp_path / "eval")["points"] == 9


@pytest.mark.parametrize("configs", [("train", "sla"), ("train", "adapter")])
def test_stages_without_it_do_not_start_from_its_models(sam, tmp_path, configs):
    with pytest.raises(AssertionError, match=r"does not fit this network .*and sam.yaml where that one had it"):
        sam("training", configs, start=sam.root / "models", **folders(tmp_path))


def test_it_does_not_start_from_theirs(one_shot, again, tmp_path):
    again.small = SMALL
    with pytest.raises(AssertionError, match="does not fit this network"):
        again("training", ("train", "sam"), start=one_shot.root / "models")


def test_another_loss_on_two_scales_is_refused(again):
    again.small = SMALL
    other = {"loss": "{'_target_':'monai_landmarks.losses.similarity.WindowedSimilarityLoss'}"}
    with pytest.raises(AssertionError, match="2 scales of embeddings for the strides"):
        again("training", ("train", "sam"), **other)


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_end(again, tmp_path):
    """Negatives are drawn from the seed and the epoch."""
    again.small = SMALL
    check_resumes_to_the_same_end(again, tmp_path, ("train", "sam"))


@pytest.mark.slow
def test_two_processes(again):
    again.small = SMALL
    again.alone("training", ("train", "sam", "multi_gpu_train"), TWO_PROCESSES)
    check_last_epoch_is_kept(again.root / "models")


@pytest.mark.slow
def test_every_format_gives_the_same_logits_and_travels(sam, blobs, tmp_path):
    """Converted, packed, compared by verify, and predicted by ONNX Runtime: the points are those of torch."""
    models, evaluation = tmp_path / "models", tmp_path / "evaluation"
    models.mkdir()
    evaluation.mkdir()
    for name in ("model.pt", "metadata.json"):
        (models / name).write_bytes((sam.root / "models" / name).read_bytes())
    write_evaluation(evaluation, load_dataset(blobs))
    image = blobs.parent / "images" / "03.png"
    done = export_models(sam.root, models, list(FORMATS), image=image)
    assert {entry.path.name for entry in done} == {"model.onnx", "model.pt2", "model.ts"}
    assert all(entry.relative <= TOLERANCE for entry in done)
    file = tmp_path / "blobs.zip"
    private, public = make_keys(tmp_path / "signer")
    pack_bundle(sam.root, file, LABELS, models=models, evaluation=evaluation, sign=private)
    found = {check.name: (check.state, check.text) for check in verify_bundle(file, public)}
    assert {state for state, _ in found.values()} == {"ok"}, found
    assert found["network"] == ("ok", "(1, 1, 64, 64) to (1, 3, 64, 64)")
    with zipfile.ZipFile(file) as archive:
        assert "blobs/configs/sam.yaml" in archive.namelist()
    points = []
    for backend in ("torch", "onnxruntime"):
        arguments = [file, image, "-o", tmp_path / backend, "--key", public, "--backend", backend, "--no-overlays"]
        said = CliRunner().invoke(build_app(), ["predict", *map(str, arguments)])
        assert said.exit_code == 0, said.output
        rows = read_rows(tmp_path / backend / "predictions.csv")
        points.append([[float(row[key]) for key in ("x", "y", "confidence")] for row in rows])
    assert np.abs(np.subtract(*points)).max() < 0.01


@pytest.mark.slow
def test_the_network_learns(sam, tmp_path):
    """Enough epochs for the blobs."""
    more = {"max_epochs": 20, "batch_size": 8, "pairs_per_image": 4, "embedding": 64, "places": 40}
    more |= {"decoder_channels": "[16,16,16,16]", "pools": "[20,400]", "negatives": "[16,100]"}
    sam("training", ("train", "sam"), **folders(tmp_path), **more)
    sam("evaluate", ("train", "evaluate"), **folders(tmp_path))
    assert read_metrics(tmp_path / "eval")["px"]["mre"] < 2.5
