"""The verbs of a federated training, without one (tests/federated/test_federated_simulation.py has that)."""

import json

import pytest
import torch
from filelock import FileLock

from monai_landmarks.cli import federated
from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.errors import ConfigError, DatasetError
from monai_landmarks.federated.plan import landmark_digest

SMALL = ("--longer-side", 64, "--set", "decoder_channels=[16,16,8,8,8]")


@pytest.fixture
def call(caller):
    return caller(federated)


def test_a_job_and_its_result(call, blobs, tmp_path):
    call("federated", "job", tmp_path / "ours", blobs, "--clients", 3, "--rounds", 4, *SMALL)
    config = tmp_path / "ours" / "job" / "app" / "config"
    plan = json.loads((config / "config_fed_client.json").read_text())["executors"][0]["executor"]["args"]["plan"]
    assert plan["settings"] == {"spatial_size": [64, 64], "decoder_channels": [16, 16, 8, 8, 8]}
    assert plan["landmarks"] == landmark_digest(load_dataset(blobs).names)
    server = json.loads((config / "config_fed_server.json").read_text())["workflows"][0]["args"]
    assert server == {"sites": 3, "rounds": 4}
    weights = torch.load(config / "initial.pt", weights_only=True)
    torch.save({name: weight.float() + 1 for name, weight in weights.items()}, tmp_path / "global.pt")
    call("federated", "collect", tmp_path / "ours", tmp_path / "global.pt")
    model = torch.load(tmp_path / "ours" / "bundle" / "models" / "model.pt", weights_only=True)
    assert all(torch.equal(model[name], (weight.float() + 1).to(weight.dtype)) for name, weight in weights.items())
    call("federated", "job", tmp_path / "ours", blobs, "--clients", 3, *SMALL, error=ConfigError)


@pytest.mark.parametrize("site", ["north", "north=", "=file"])
def test_a_site_is_a_name_and_a_file(call, tmp_path, site):
    pytest.importorskip("nvflare", reason="the extra `federated` is not installed")
    result = call("federated", "simulate", tmp_path / "out", "--site", site, error=ConfigError)
    assert "NAME=DATASET" in str(result.exception)


def test_a_setting_of_one_hospital_alone_is_refused(call, blobs, tmp_path):
    arguments = ("federated", "job", tmp_path / "ours", blobs, "--clients", 2)
    result = call(*arguments, "--set", "tracking_uri=http://elsewhere", error=ConfigError)
    assert "tracking_uri: not for all hospitals to set" in str(result.exception)
    assert not (tmp_path / "ours").exists()


@pytest.mark.parametrize("verb", ["job", "simulate"])
def test_a_job_that_cannot_run_is_not_written(call, blobs, tmp_path, verb):
    pytest.importorskip("nvflare", reason="the extra `federated` is not installed")
    given = {"job": (blobs, "--clients", 2), "simulate": ("--site", f"a={blobs}", "--site", f"b={blobs}")}[verb]
    wrong = ("batch_size=four", "spatial_size=[100,100]", "learning_rate=-1")
    settings = [part for setting in wrong for part in ("--set", setting)]
    result = call("federated", verb, tmp_path / "ours", *given, *settings, error=ConfigError)
    assert all(setting.split("=")[0] in str(result.exception) for setting in wrong)
    assert not (tmp_path / "ours").exists()


def test_two_commands_in_one_folder_are_refused(call, blobs, tmp_path):
    """Each would empty the simulator's folder of the other."""
    pytest.importorskip("nvflare", reason="the extra `federated` is not installed")
    sites = ("--site", f"a={blobs}", "--site", f"b={blobs}")
    with FileLock(tmp_path / "federated.lock"):
        result = call("federated", "simulate", tmp_path, *sites, error=ConfigError)
    assert "another process is training" in str(result.exception)


def test_a_file_is_no_output(call, blobs, tmp_path):
    pytest.importorskip("nvflare", reason="the extra `federated` is not installed")
    (tmp_path / "out").write_text("a user's own")
    sites = ("--site", f"a={blobs}", "--site", f"b={blobs}")
    result = call("federated", "simulate", tmp_path / "out", *sites, error=ConfigError)
    assert "out is a file" in str(result.exception)


def test_a_typing_error_leaves_no_trace_and_other_data_is_refused(call, make_blobs, monkeypatch, tmp_path):
    """The training itself is left out."""
    pytest.importorskip("nvflare", reason="the extra `federated` is not installed")
    compared = []
    monkeypatch.setattr(federated, "compare", lambda plan, sites, output: compared.append(sites) or "a table")
    files = {name: make_blobs(tmp_path / name, (2, 1, 1)) for name in ("a", "b")}

    def simulate(b, **expected):
        sites = ("--site", f"a={files['a']}", "--site", f"b={b}")
        return call("federated", "simulate", tmp_path / "out", *sites, **expected)

    simulate(tmp_path / "nothing.json", error=DatasetError)
    assert not (tmp_path / "out").exists()
    simulate(files["b"])
    simulate(files["b"])
    assert [set(sites) for sites in compared] == [{"a", "b"}] * 2
    dataset = load_dataset(files["b"])
    dataset.model_copy(update={"cases": dataset.cases[1:]}).save(files["b"])
    assert "other sites" in str(simulate(files["b"], error=ConfigError).exception)
