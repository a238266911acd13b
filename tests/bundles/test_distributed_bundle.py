"""Two processes by torchrun (gloo, CPU), as a user starts them: what is trained and evaluated is what one would."""

import shutil

import pytest
from bundle_checks import mlflow_runs, read_metrics, read_rows
from bundle_runner import Runner
from monai.bundle import ConfigParser

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.engines.workflow import evaluate_comes_last
from monai_landmarks.errors import ConfigError
from monai_landmarks.handlers.history import read_history
from monai_landmarks.sharing.bundles import shipped_bundles

LAUNCHER = ("torch.distributed.run", "--nproc_per_node=2", "--standalone", "-m")
EVALUATION = ("train", "multi_gpu_train", "evaluate")


def numbers(value, path=()):
    """Every number of a JSON document by its place."""
    if isinstance(value, dict):
        return {k: v for key, part in value.items() for k, v in numbers(part, (*path, key)).items()}
    if isinstance(value, list):
        return {k: v for place, part in enumerate(value) for k, v in numbers(part, (*path, place)).items()}
    return {path: value} if isinstance(value, (int, float)) else {}


@pytest.fixture(scope="module")
def cases(tmp_path_factory, make_blobs):
    """Eleven training cases, three for validation, seven for test: no share is even."""
    return make_blobs(tmp_path_factory.mktemp("uneven"), (11, 3, 7))


@pytest.fixture(scope="module")
def alike(trained, cases, tmp_path_factory):
    """One model, evaluated by one process and by two."""
    folders = {count: tmp_path_factory.mktemp(f"processes{count}") for count in (1, 2)}
    for folder in folders.values():
        ignored = shutil.ignore_patterns("mlflow*")
        shutil.copytree(trained.root / "models", folder / "models", ignore=ignored)
    runner = Runner(trained.root, cases)
    one, two = ({"ckpt_dir": folders[n] / "models", "output_dir": folders[n], "batch_size": 2} for n in (1, 2))
    runner("evaluate", ("train", "evaluate"), **one)
    runner.alone("evaluate", EVALUATION, LAUNCHER, **two)
    return folders[1], folders[2]


@pytest.mark.slow
def test_two_processes_evaluate_as_one_does(alike, cases):
    """Seven cases for two: one is looked at twice and counted once."""
    one, two = (numbers(read_metrics(folder)) for folder in alike)
    assert one[("cases",)] == 7
    assert one[("points",)] == two[("points",)]
    assert one.keys() == two.keys()
    assert two == pytest.approx(one, abs=1e-6, rel=1e-6, nan_ok=True)
    rows = [read_rows(folder / "cases.csv") for folder in alike]
    named = [[(row["case_id"], row["landmark"]) for row in of] for of in rows]
    assert named[0] == named[1]
    assert len(rows[1]) == 7 * len(load_dataset(cases).names)
    found = [[float(row["predicted_row"]) for row in of] for of in rows]
    assert found[1] == pytest.approx(found[0], abs=1e-6)


@pytest.mark.slow
def test_two_processes_make_one_run_of_their_evaluation(alike):
    (run,) = mlflow_runs(alike[1] / "models")
    metrics = read_metrics(alike[1])
    assert run.data.metrics["test.mm.mre"] == pytest.approx(metrics["mm"]["mre"])


@pytest.mark.slow
def test_two_processes_train_and_one_tells(trained, cases, tmp_path):
    """One line an epoch, one run, one history; its validation is that of the saved network by one process."""
    models = tmp_path / "models"
    options = {"ckpt_dir": models, "output_dir": tmp_path / "eval", "max_epochs": 2, "test_time_mirror": False}
    runner = Runner(trained.root, cases)
    said = runner.alone("training", ("train", "multi_gpu_train"), LAUNCHER, **options)
    for line in ("epoch 1/2", "epoch 2/2", "Training: 11 images"):
        assert said.count(line) == 1
    (run,) = mlflow_runs(models)
    assert run.info.status == "FINISHED"
    history = read_history(tmp_path / "eval" / "history.csv")
    assert [row["epoch"] for row in history] == [1, 2]
    alone = {**options, "output_dir": tmp_path / "again", "validate#split": "validation"}
    runner("evaluate", ("train", "evaluate"), **alone)
    again = read_metrics(tmp_path / "again")
    assert (again["split"], again["cases"]) == ("validation", 3)
    assert again["mm"]["mre"] == pytest.approx(min(row["val_mre"] for row in history), abs=1e-6)


@pytest.mark.parametrize("bundle", shipped_bundles())
def test_an_untrained_network_is_not_evaluated_by_mistake(bundle):
    """evaluate.yaml before multi_gpu_train.yaml would evaluate the wrapped, untrained network."""
    configs = shipped_bundles()[bundle] / "configs"
    for names, refused in ((EVALUATION, False), (("train", "evaluate", "multi_gpu_train"), True)):
        merged = ConfigParser(ConfigParser.load_config_files([str(configs / f"{name}.yaml") for name in names]))
        assert (merged["evaluate"] == ["$evaluate_comes_last()"]) == refused
    with pytest.raises(ConfigError, match=r"evaluate\.yaml must be the last"):
        evaluate_comes_last()
