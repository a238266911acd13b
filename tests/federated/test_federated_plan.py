"""What may come from a server, and what becomes of it at a hospital."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.errors import ConfigError
from monai_landmarks.federated.hospitals import given_hospitals, load_hospitals, pooled
from monai_landmarks.federated.job import CLIENT, SERVER, collect, fitted, write_job
from monai_landmarks.federated.plan import DATASET_VARIABLE, SETTABLE, Plan, own_dataset
from monai_landmarks.federated.simulation import comparison, markdown, set_site_policy, simulate_federation

PLAN = Plan(bundle="label_augmentation", rounds=2, local_epochs=3, settings={"spatial_size": [64, 64], "seed": 1})


@pytest.mark.parametrize(
    "settings",
    [
        {"tracking_uri": "http://elsewhere"},
        {"share_cases": True},
        {"dataset_file": "other"},
        {"encoder_weights": "file"},
        {"ckpt_dir": "models"},
        {"loss": "RegionBCE"},
        {"imports": ["os"]},
        {"train#handlers#0": "x"},
        {"seed": "$__import__('os').system('true')"},
        {"seed": "@dataset"},
        {"seed": {"_target_": "os.system", "command": "true"}},
        {"seed": ["$1", 2]},
        {"seed": [[1], 2]},
        {"backbone": "../../weights"},
        {"backbone": "a#b"},
        {"learning_rate": float("nan")},
        {"spatial_size": list(range(100))},
        {"seed": None},
        {"seed": -1},
        {"seed": True},
        {"backbone": "resnet18"},
        {"batch_size": "four"},
        {"batch_size": 0},
        {"batch_size": 2.5},
        {"decoder_channels": [16, 8]},
        {"decoder_channels": [16, 16, 8, 8, 0]},
        {"learning_rate": -1},
        {"learning_rate": float("inf")},
        {"max_gradient_norm": 0},
        {"mirror_prob": 1.5},
        {"schedule#stop": 0.0},
        {"schedule#start": 0.5},
        {"spatial_size": [100, 100]},
        {"spatial_size": [64, 0]},
        {"spatial_size": 64},
        {"test_time_mirror": 1},
    ],
    ids=str,
)
def test_a_server_sends_numbers_and_names_of_a_short_list(settings):
    with pytest.raises(ConfigError, match=next(iter(settings))):
        replace(PLAN, settings=settings)


def test_what_trains_may_be_set():
    settings = {
        "backbone": "efficientnet-lite0",
        "batch_size": 2,
        "decoder_channels": [16, 16, 8, 8, 8],
        "learning_rate": 1,
        "max_gradient_norm": 0.5,
        "mirror_prob": 0.0,
        "schedule#start": 0.5,
        "schedule#stop": 0.25,
        "seed": 0,
        "spatial_size": [96, 64],
        "test_time_mirror": False,
    }
    assert set(settings) == set(SETTABLE)
    assert replace(PLAN, settings=settings).settings == settings


@pytest.mark.parametrize("bundle", ["nothing", "../label_augmentation", "one_shot"])
def test_a_hospital_runs_its_own_bundles_alone(bundle):
    with pytest.raises(ConfigError, match="cannot be trained so"):
        replace(PLAN, bundle=bundle)


@pytest.mark.parametrize("rounds", [0, -1])
def test_there_is_a_round(rounds):
    with pytest.raises(ConfigError, match="at least 1"):
        replace(PLAN, rounds=rounds)


def test_the_schedules_span_all_rounds():
    assert PLAN.expressions() == {"progress": False, "max_epochs": 6, "spatial_size": [64, 64], "seed": 1}


def test_a_hospital_says_where_its_images_are(monkeypatch, tmp_path):
    monkeypatch.delenv(DATASET_VARIABLE, raising=False)
    with pytest.raises(ConfigError, match=DATASET_VARIABLE):
        own_dataset("home")
    monkeypatch.setenv(DATASET_VARIABLE, f"{tmp_path}/{{site}}/dataset.json")
    assert own_dataset("home") == tmp_path / "home" / "dataset.json"
    with pytest.raises(ConfigError, match="letters"):
        own_dataset("../other")


def test_a_hospital_has_the_landmarks_of_the_job(make_blobs, tmp_path):
    file = make_blobs(tmp_path, (2, 1, 1))
    plan = fitted(PLAN, file, 64)
    plan.check_landmarks(file)
    with pytest.raises(ConfigError, match="name and order them"):
        PLAN.check_landmarks(file)
    text = file.read_text()
    reordered = json.loads(text)
    reordered["scheme"]["landmarks"].reverse()
    for other in (text.replace("middle", "centre"), json.dumps(reordered)):
        file.write_text(other)
        with pytest.raises(ConfigError, match="name and order them"):
            plan.check_landmarks(file)


def test_a_job_holds_weights_and_plain_values_alone(tmp_path):
    (tmp_path / "bundle" / "models").mkdir(parents=True)
    torch.save({"a": torch.zeros(2)}, tmp_path / "bundle" / "models" / "initial.pt")
    write_job(PLAN, 3, tmp_path / "bundle", tmp_path / "job")
    files = {str(path.relative_to(tmp_path / "job")) for path in (tmp_path / "job").rglob("*") if path.is_file()}
    config = "app/config"
    assert files == {
        "meta.json",
        f"{config}/initial.pt",
        f"{config}/config_fed_client.json",
        f"{config}/config_fed_server.json",
    }
    client = json.loads((tmp_path / "job" / config / "config_fed_client.json").read_text())
    assert Plan(**client["executors"][0]["executor"]["args"]["plan"]) == PLAN
    assert str(tmp_path) not in json.dumps(client)


@pytest.fixture
def bundle(tmp_path):
    models = tmp_path / "bundle" / "models"
    models.mkdir(parents=True)
    torch.save({"weight": torch.zeros(2, 3), "steps": torch.tensor(0)}, models / "initial.pt")
    return tmp_path / "bundle"


def test_an_average_becomes_the_model(bundle, tmp_path):
    torch.save({"weight": torch.ones(2, 3), "steps": torch.tensor([2.5])}, tmp_path / "global.pt")
    model = torch.load(collect(tmp_path / "global.pt", bundle), weights_only=True)
    assert torch.equal(model["weight"], torch.ones(2, 3))
    assert model["steps"].dtype == torch.int64
    assert model["steps"].shape == ()


@pytest.mark.parametrize("weights", [{"weight": torch.ones(2, 3)}, {"weight": torch.ones(7), "steps": torch.tensor(1)}])
def test_weights_of_another_network_are_refused(bundle, tmp_path, weights):
    torch.save(weights, tmp_path / "global.pt")
    with pytest.raises(ConfigError, match="another network"):
        collect(tmp_path / "global.pt", bundle)
    with pytest.raises(ConfigError, match="no "):
        collect(tmp_path / "missing.pt", bundle)


@pytest.mark.parametrize("content", [SimpleNamespace(weight=1), [torch.ones(2, 3)], {"weight": "text"}], ids=str)
def test_weights_are_a_state_dict(bundle, tmp_path, content):
    """Nothing else is made of them: code in them is not run."""
    torch.save(content, tmp_path / "global.pt")
    with pytest.raises(ConfigError, match=r"global\.pt.*give the FL_global_model\.pt"):
        collect(tmp_path / "global.pt", bundle)
    (tmp_path / "global.pt").write_text("no weights")
    with pytest.raises(ConfigError, match=r"global\.pt.*give the FL_global_model\.pt"):
        collect(tmp_path / "global.pt", bundle)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_training_that_diverged_makes_no_model(bundle, tmp_path, number):
    torch.save({"weight": torch.full((2, 3), number), "steps": torch.tensor(1)}, tmp_path / "global.pt")
    with pytest.raises(ConfigError, match=r"not finite.*learning_rate"):
        collect(tmp_path / "global.pt", bundle)
    assert not (bundle / "models" / "model.pt").exists()


def test_a_result_belongs_to_a_job(tmp_path):
    torch.save({"weight": torch.ones(2, 3)}, tmp_path / "global.pt")
    with pytest.raises(ConfigError, match=r"no .*initial\.pt; name the folder"):
        collect(tmp_path / "global.pt", tmp_path / "elsewhere" / "bundle")


def test_patients_of_two_hospitals_stay_two(make_blobs, tmp_path):
    files = {name: make_blobs(tmp_path / name, (2, 1, 1)) for name in ("a", "b")}
    sites = given_hospitals(tmp_path / "sites", load_hospitals(files))
    together = load_dataset(pooled(sites, tmp_path / "all"))
    assert len(together.cases) == 8
    assert len({case.patient for case in together.cases}) == 8
    assert {case.attributes["site"] for case in together.select("test")} == {"a", "b"}


def test_hospitals_must_name_the_same_landmarks(make_blobs, tmp_path):
    files = {name: make_blobs(tmp_path / name, (2, 1, 1)) for name in ("a", "b")}
    with pytest.raises(ConfigError, match="at least two"):
        load_hospitals({"a": files["a"]})
    other = files["b"].read_text().replace("middle", "centre")
    files["b"].write_text(other)
    with pytest.raises(ConfigError, match="b has the landmarks"):
        load_hospitals(files)
    with pytest.raises(ConfigError, match="letters"):
        load_hospitals({"../a": files["a"], "b": files["b"]})


def test_the_table_tells_hospitals_apart():
    def metrics(a, b):
        blocks = {name: {"mm": {"mre": value}, "px": {"mre": 2 * value}} for name, value in (("a", a), ("b", b))}
        whole = {"mre": (a + b) / 2, "sdr": {"2.0": 0.5}}
        return {"mm": whole, "px": whole, "attributes": {"site": blocks}}

    table = comparison({"a alone": metrics(1.0, 4.0), "federated": metrics(1.5, 1.25)})
    assert table[0] == ["trained on", "a, MRE mm", "b, MRE mm", "all, MRE mm", "all, SDR < 2 mm"]
    assert table[1:] == [["a alone", "1.00", "4.00", "2.50", "50.0 %"], ["federated", "1.50", "1.25", "1.38", "50.0 %"]]
    assert markdown(table).splitlines()[1] == "|---|---|---|---|---|"


def test_the_simulator_is_not_given_a_folder_it_would_split(tmp_path):
    pytest.importorskip("nvflare", reason="the extra `federated` is not installed")
    with pytest.raises(ConfigError, match="space"):
        simulate_federation(PLAN, tmp_path / "job", {}, tmp_path / "a b")


def test_a_server_may_build_our_two_classes_and_nothing_beside(tmp_path):
    """Else it could have any function called that our modules import."""
    pytest.importorskip("nvflare", reason="the extra `federated` is not installed")
    from nvflare.apis.fl_exception import UnsafeComponentError
    from nvflare.apis.workspace import Workspace
    from nvflare.app_common.widgets.component_path_authorizer import ComponentPathAuthorizer

    set_site_policy(tmp_path)
    (tmp_path / "startup").mkdir()
    site = Workspace(str(tmp_path), "north")
    authorizer = ComponentPathAuthorizer()
    for path in (CLIENT, SERVER):
        authorizer.authorize_component_config({"path": path}, workspace=site)
    for path in (
        "monai_landmarks.federated.simulation.run_bundle",
        "monai_landmarks.federated.executor.local_training",
        f"{CLIENT}Of",
        "monai_landmarks.engines.workflow.run_bundle",
        "os.system",
    ):
        with pytest.raises(UnsafeComponentError, match="not in allow_list"):
            authorizer.authorize_component_config({"path": path}, workspace=site)
