"""Folds, their settings and what they say together; no training here (tests/bundles/test_crossvalidate.py)."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from filelock import FileLock, Timeout
from typer.testing import CliRunner

from monai_landmarks.cli import crossvalidate
from monai_landmarks.cli.crossvalidate import find_bundle, parse_only, parse_setting
from monai_landmarks.cli.main import build_app
from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.data.splits import held_out_fold, make_folds
from monai_landmarks.engines.claim import LOCK, recipe
from monai_landmarks.engines.crossvalidation import DONE, Plan, claim, join_folds, run_fold
from monai_landmarks.errors import ConfigError
from monai_landmarks.metrics import Results
from monai_landmarks.metrics.evaluation import EvaluationOptions, write_evaluation
from monai_landmarks.sharing.bundles import shipped_bundles

BUNDLE = shipped_bundles()["label_augmentation"]


def folds_of(blobs, count=3):
    dataset = load_dataset(blobs)
    return dataset, make_folds(dataset, count, seed=0)


def test_the_held_out_fold_is_test_and_the_old_test_is_gone(blobs):
    dataset, folds = folds_of(blobs)
    for number, names in enumerate(folds["folds"]):
        fold = held_out_fold(dataset, folds, number)
        assert sorted(case.id for case in fold.select("test")) == names
        assert len(fold.select("training")) == 11 - len(names)
        assert len(fold.cases) == 11
    assert dataset.select("test") == load_dataset(blobs).select("test")
    with pytest.raises(ConfigError, match="fold 3 does not exist"):
        held_out_fold(dataset, folds, 3)


def test_a_folder_belongs_to_one_crossvalidation(blobs, tmp_path):
    dataset, folds = folds_of(blobs)
    plan = Plan(folder=tmp_path / "cv", overrides={"max_epochs": 2})
    claim(plan, BUNDLE, dataset, folds)
    fold = load_dataset(plan.fold(1) / "dataset.json")
    assert (fold.root / fold.cases[0].image).is_file()
    claim(plan, BUNDLE, dataset, folds)
    with pytest.raises(ConfigError, match="a cross-validation with other overrides"):
        claim(Plan(folder=plan.folder, overrides={"max_epochs": 3}), BUNDLE, dataset, folds)
    with pytest.raises(ConfigError, match="other folds"):
        claim(plan, BUNDLE, dataset, make_folds(dataset, 3, seed=1))


def test_all_of_a_job_array_may_start_at_once(blobs, tmp_path):
    """As threads; the lock keeps them apart as it does processes."""
    dataset, folds = folds_of(blobs)
    together = threading.Barrier(5)
    for attempt in range(4):
        plan = Plan(folder=tmp_path / str(attempt))

        def start(_, plan=plan):
            together.wait()
            claim(plan, BUNDLE, dataset, folds)

        with ThreadPoolExecutor(5) as pool:
            list(pool.map(start, range(5)))
        assert recipe(plan.bundle) == recipe(BUNDLE)
        assert [len(load_dataset(plan.fold(index) / "dataset.json").cases) for index in range(3)] == [11] * 3


def test_a_fold_is_trained_by_one_process(blobs, tmp_path):
    dataset, folds = folds_of(blobs)
    plan = Plan(folder=tmp_path / "cv")
    claim(plan, BUNDLE, dataset, folds)
    with FileLock(plan.fold(1) / LOCK), pytest.raises(ConfigError, match="fold-1: another process is training here"):
        run_fold(plan, 1)


def test_folds_are_joined_by_one_process_at_a_time(blobs, tmp_path, monkeypatch):
    dataset, folds = folds_of(blobs, 2)
    plan = Plan(folder=tmp_path / "cv")
    claim(plan, BUNDLE, dataset, folds)
    for index in range(2):
        (plan.fold(index) / DONE).write_text("{}")
    joined = []

    def join(plan, *_):
        with pytest.raises(Timeout):
            FileLock(plan.folder / LOCK, timeout=0).acquire()
        joined.append(plan.folder)

    monkeypatch.setattr(crossvalidate, "finish", join)
    arguments = ["crossvalidate", "label_augmentation", str(blobs), "-o", str(plan.folder), "--folds", "2"]
    assert CliRunner().invoke(build_app(), arguments).exit_code == 0
    assert joined == [plan.folder]


def test_the_number_of_the_fold_stands_in_settings(tmp_path):
    plan = Plan(folder=tmp_path / "cv", overrides={"region_models": "roi/fold-{fold}/models", "max_epochs": 2})
    assert plan.expressions(4)["region_models"] == "roi/fold-4/models"
    assert plan.expressions(4)["max_epochs"] == 2
    assert plan.options(1)["run_name"] == "cv fold 1"


def test_what_cannot_be_crossvalidated_is_refused_first(tmp_path):
    bundle = tmp_path / "bundle"
    (bundle / "configs").mkdir(parents=True)
    for name in ("train", "evaluate"):
        (bundle / "configs" / f"{name}.yaml").write_text("a: 1\n")
    with pytest.raises(ConfigError, match=r"no configs/refit.yaml: training without a validation"):
        Plan(folder=tmp_path).check(bundle)
    with pytest.raises(ConfigError, match="ckpt_dir: set for each fold"):
        Plan(folder=tmp_path, overrides={"ckpt_dir": "x"}).check(BUNDLE)
    with pytest.raises(ConfigError, match=r"no configs/papers.yaml"):
        Plan(folder=tmp_path, configs=("papers",)).check(BUNDLE)


def write_fold(plan, dataset, folds, number, error):
    """A fold that was trained and evaluated: every point off by `error` mm."""
    fold = held_out_fold(dataset, folds, number)
    cases = fold.select("test")
    points, states = zip(*(case.points(fold.scheme) for case in cases))
    truth = np.stack(points)
    results = Results(
        names=fold.names, groups={}, case_ids=[c.id for c in cases], patients=[c.patient_key for c in cases],
        images=[str(fold.root / c.image) for c in cases], truth=truth, state=np.stack(states),
        predicted=np.nan_to_num(truth) + np.array([0.0, 2 * error]), confidence=np.ones(truth.shape[:2]),
        presence=np.ones(truth.shape[:2]), spacing=np.full((len(cases), 2), 0.5), planes=["user"] * len(cases),
        network_scale=np.ones((len(cases), 2)),
    )  # fmt: skip
    options = EvaluationOptions(thresholds_mm=(1.0,), group_by=("kl_grade < 1",))
    write_evaluation(plan.fold(number), results, fold, "test", options)
    (plan.fold(number) / DONE).write_text("{}")


def test_folds_are_joined_in_the_order_of_the_data_set(blobs, tmp_path):
    dataset, folds = folds_of(blobs)
    for number, case in enumerate(dataset.cases):
        case.attributes["kl_grade"] = number % 3
    plan = Plan(folder=tmp_path / "cv")
    for number in range(3):
        write_fold(plan, dataset, folds, number, error=number + 0.5)
    metrics = join_folds(plan, dataset, 3, "kl_grade")
    results = Results.read_csv(plan.folder / "cases.csv")
    assert results.case_ids == [case.id for case in dataset.cases if case.split != "test"]
    wanted = {case: number + 0.5 for number, names in enumerate(folds["folds"]) for case in names}
    assert [np.nanmax(row) for row in results.errors_mm()] == pytest.approx([wanted[c] for c in results.case_ids])
    assert metrics["split"] == "out-of-fold"
    assert list(metrics["mm"]["sdr"]) == ["1.0"]
    assert list(metrics["attributes"]) == ["kl_grade < 1", "kl_grade"]
    assert metrics["groups"]["bright"]["points"] == 22
    record = json.loads((plan.folder / "evaluation.json").read_text())
    assert (record["digest"], record["split"]) == (dataset.digest(), "out-of-fold")


def test_settings_are_read_as_monai_reads_them():
    texts = ("max_epochs=30", "lr=1e-3", "amp=False", "size=[64,64]", "codec=$decode.Argmax()", "name=a=b")
    assert dict(parse_setting(text) for text in texts) == {
        "max_epochs": 30, "lr": 1e-3, "amp": False, "size": [64, 64], "codec": "$decode.Argmax()", "name": "a=b",
    }  # fmt: skip
    with pytest.raises(ConfigError, match="KEY=VALUE"):
        parse_setting("max_epochs")
    assert parse_only(None, 3) == [0, 1, 2]
    assert parse_only("0,2", 3) == [0, 2]
    for text in ("3", "one", "-1"):
        with pytest.raises(ConfigError, match="choose from 0 to 2"):
            parse_only(text, 3)
    assert find_bundle("label_augmentation") == find_bundle(str(BUNDLE)) == BUNDLE
    with pytest.raises(ConfigError, match="shipped are"):
        find_bundle("unknown")


def test_finished_folds_are_not_run_again_and_missing_ones_are_named(blobs, tmp_path):
    dataset, folds = folds_of(blobs, 2)
    plan = Plan(folder=tmp_path / "cv")
    claim(plan, BUNDLE, dataset, folds)
    (plan.fold(1) / DONE).write_text("{}")
    arguments = ["crossvalidate", "label_augmentation", str(blobs), "-o", str(plan.folder), "--folds", "2"]
    result = CliRunner().invoke(build_app(), [*arguments, "--only", "1"])
    assert result.exit_code == 0, result.output
    assert "fold 1 is done" in result.output
    assert "still to run: --only 0" in result.output
    assert not plan.models(1).exists()
