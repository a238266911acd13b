"""The accuracy tables: their data, the heat-map baseline, the peer's scoring, and rows in small."""

import json

import accuracy
import accuracy_heatmap
import accuracy_peer
import numpy as np
import pytest
import torch
from accuracy_data import isbi, subset
from accuracy_rows import DEFAULT, ROWS, TPL
from accuracy_run import Task
from accuracy_table import HEAD, against_peer, table
from speed_data import make_dataset

from monai_landmarks.codecs.decode import LocalSoftArgmaxCodec, codec_from, codec_settings
from monai_landmarks.curriculum import constant
from monai_landmarks.data.dataset import State, load_dataset
from monai_landmarks.transforms.regions import ScheduledRegions
from monai_landmarks.transforms.shapes import Gaussian


def heatmap(points, size=(64, 48)):
    return ScheduledRegions(constant(40.0), Gaussian())(points, size)


def test_a_perfect_heatmap_has_no_loss_and_leads_to_its_point():
    points = torch.tensor([[[20.25, 30.5], [40.0, 11.75]]])
    target = {"region": heatmap(points), "state": torch.ones(1, 2)}
    loss = accuracy_heatmap.HeatmapMSE()
    assert float(loss(target["region"], target)) == 0.0
    assert float(loss(torch.zeros_like(target["region"]), target)) > 1.0
    codec = LocalSoftArgmaxCodec(accuracy_heatmap.Heatmap(), radius=80.0)
    decoded = codec.decode(target["region"])
    torch.testing.assert_close(decoded.points, points, rtol=0, atol=0.05)
    assert isinstance(codec_from(codec_settings(codec)).likelihood, accuracy_heatmap.Heatmap)


def test_an_unlabelled_landmark_teaches_a_heatmap_nothing_and_an_absent_one_nothing_but_0():
    region = heatmap(torch.tensor([[[float("nan")] * 2, [float("nan")] * 2]]))
    output = torch.ones_like(region, requires_grad=True)
    state = torch.tensor([[State.UNLABELLED, State.ABSENT]])
    accuracy_heatmap.HeatmapMSE()(output, {"region": region, "state": state}).backward()
    assert output.grad[0, 0].abs().sum() == 0
    assert output.grad[0, 1].min() > 0


def test_a_larger_subset_holds_a_smaller_one(tmp_path):
    file = make_dataset(tmp_path / "all", 9, 2, (32, 32))
    chosen = []
    for count in (2, 5):
        dataset = load_dataset(subset(file, count, tmp_path / str(count)))
        chosen.append({case.id for case in dataset.select("training")})
        assert len(dataset.select("validation")) == 1
        assert all((dataset.root / case.image).is_file() for case in dataset.cases)
    assert len(chosen[0]) == 2
    assert chosen[0] < chosen[1]
    with pytest.raises(SystemExit, match="9 training images, not 10"):
        subset(file, 10, tmp_path / "10")


def test_missing_cephalograms_are_one_line(tmp_path, capsys):
    assert isbi(tmp_path / "nowhere", tmp_path) is None
    assert "landmarks.csv is missing" in capsys.readouterr().out


def test_schedules_follow_the_number_of_epochs():
    for epochs in (14, 70):
        schedule = ROWS["paper's steps 65 to 5"].overrides(epochs, 256)["schedule"]
        assert schedule["every"] == epochs // 7
        assert ROWS["the paper's recipe"].overrides(epochs, 128)["spatial_size"] == [128, 128]
    assert TPL not in ROWS


def test_every_data_set_has_known_rows_once():
    for names in accuracy.ROWS_OF.values():
        assert set(names) <= set(accuracy.NAMES)
        assert len(set(names)) == len(names)


def predictions(path, lines):
    path.write_text("split,case_id,landmark,row,column\n" + "".join(f"{line}\n" for line in lines))
    return path


def test_the_peers_points_are_scored_in_millimetres_of_the_original(tmp_path):
    """3 pixels off along a row at 0.5 mm are 1.5 mm; a point that the file lacks is missed."""
    dataset = load_dataset(make_dataset(tmp_path, 2, 2, (32, 64)))
    (case,) = dataset.select("validation")
    (x, y), _ = case.annotations[0].points.values()
    lines = [f"validation,{case.id},point_0,{y},{x + 3}", f"test,{case.id},point_1,0,0"]
    results = accuracy_peer.results_of(dataset, "validation", predictions(tmp_path / "p.csv", lines), [64, 64])
    assert results.errors_mm()[0, 0] == pytest.approx(1.5)
    assert np.isinf(results.errors_mm()[0, 1])
    # Fitted into 64 x 64 the image keeps its size.
    assert results.network_scale.tolist() == [[1.0, 1.0]]


def test_a_peers_row_is_read_back_and_refused_with_other_settings(tmp_path, monkeypatch):
    file = make_dataset(tmp_path, 2, 2, (32, 64))
    name = accuracy_peer.PEERS[0]
    task = Task(
        folder=tmp_path / "rows", file=file, evaluations={"test": (file, "validation")}, longer_side=64, minutes=1
    )
    started = []

    def run(command, **_):
        started.append(command)
        folder = tmp_path / "rows" / name.replace(":", "")
        (folder / "run.json").write_text(json.dumps({"epochs": 3}))
        predictions(folder / "predictions.csv", ["validation,made_2,point_0,1,1", "validation,made_2,point_1,2,2"])

    monkeypatch.setattr(accuracy_peer.subprocess, "run", run)
    first = accuracy_peer.run_peer(task, name)
    assert first["epochs"] == 3
    assert first["metrics"]["test"]["mm"]["mre"] > 0
    assert accuracy_peer.run_peer(task, name) == first
    assert len(started) == 1
    assert started[0][started[0].index("--size") + 1 :][:2] == ["32", "64"]
    with pytest.raises(SystemExit, match="other settings"):
        accuracy_peer.run_peer(Task(**{**vars(task), "minutes": 2}), name)


def block(mre):
    sdr = dict.fromkeys(("2.0", "2.5", "3.0", "4.0"), 0.5)
    return {"mm": {"mre": mre, "median": 1.0, "sdr": sdr, "ci95": {"mre": [0.9, 1.1]}}}


def result(test, validation):
    cost = {"epochs": 3, "minutes": 5.0, "peak_mb": 1000.0, "parameters": 2e6}
    errors = {"test": {"patients": ["p", "q", "r"], "errors": [[test, None], [test, test], [test, test]]}}
    return {"metrics": {"test": block(test), "validation": block(validation)}, "errors": errors, **cost}


def test_the_peers_best_is_chosen_on_validation():
    """On the test images "b" is better than "a": that must not matter."""
    results = {DEFAULT: result(1.0, 1.0), "a": result(2.0, 1.1), "b": result(0.5, 1.2)}
    sentence = against_peer("isbi2015", results, DEFAULT, ("a", "b"))[0]
    assert "default (1.00 mm) beats a (2.00 mm)" in sentence
    # The same points: what varies from patient to patient alike is no doubt about the difference.
    assert "95 %: 1.00 to 1.00 mm" in sentence
    assert "does not beat b (0.50 mm)" in against_peer("isbi2015", results, DEFAULT, ("b",))[0]
    assert against_peer("isbi2015", results, DEFAULT, ("c",)) == []
    assert {line.count("|") for line in table("isbi2015", results)[:-1]} == {len(HEAD) + 2}


@pytest.mark.slow
def test_rows_and_curve_in_small(tmp_path, capsys):
    found = accuracy.run(tmp_path, accuracy.TINY, None)
    assert set(found["pelvis"]) == set(accuracy.TINY.rows)
    assert set(found["pelvis, number of training images"]) == {"default, 3 images", "default, all"}
    # Trained on all: there is nothing left to validate on.
    assert set(found["pelvis, number of training images"]["default, all"]["metrics"]) == {"test"}
    before = (tmp_path / "accuracy.md").read_text()
    capsys.readouterr()
    # Run again: everything is read back.
    accuracy.run(tmp_path, accuracy.TINY, None)
    assert (tmp_path / "accuracy.md").read_text() == before
    assert "epoch" not in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(not accuracy_peer.available(), reason="needs benchmarks/peer_landmarker/make_env.py")
def test_the_peer_for_real(tmp_path):
    file = make_dataset(tmp_path, 3, 2, (64, 96))
    task = Task(
        folder=tmp_path / "rows", file=file, evaluations={"test": (file, "validation")}, longer_side=96, minutes=0
    )
    for name in ("landmarker: MONAI's U-Net, cross-entropy", "landmarker: SCN, its notebook's settings"):
        found = accuracy_peer.run_peer(task, name)
        assert found["epochs"] == 1
        assert found["metrics"]["test"]["mm"]["mre"] > 0
