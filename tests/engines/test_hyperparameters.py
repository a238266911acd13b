"""The search around a training: what is refused, continued, given up and written."""

import csv
import math
from pathlib import Path
from types import SimpleNamespace

import optuna
import pytest
import yaml
from filelock import FileLock
from optuna.trial import TrialState

from monai_landmarks.engines import hyperparameters
from monai_landmarks.engines.hyperparameters import Pruning, opened_study, run_trials
from monai_landmarks.engines.search_plan import Search
from monai_landmarks.engines.search_space import Range
from monai_landmarks.errors import ConfigError
from monai_landmarks.handlers.training import TrainingError
from monai_landmarks.sharing.bundles import shipped_bundles

SHIPPED = shipped_bundles()["label_augmentation"]


@pytest.fixture
def plan(tmp_path):
    space = {"learning_rate": Range(low=1.0e-4, high=1.0e-2, log=True)}
    plan = Search(folder=tmp_path / "search", dataset_file=tmp_path / "dataset.json", space=space)
    plan.claim(SHIPPED, "digest")
    return plan


def leave_checkpoint(models):
    models.mkdir(parents=True, exist_ok=True)
    (models / "checkpoint.pt").touch()


@pytest.fixture
def course():
    """How the trainings go: `faults`, one each, end the next; `state` is what the evaluator ends with."""
    return SimpleNamespace(faults=[], saves=True, state={"best_metric_epoch": 1})


@pytest.fixture
def trainings(monkeypatch, course):
    """In place of trainings: those that were asked for; an error of 1000 times the learning rate."""
    seen = []

    def run(bundle, run_id, configs, expressions, prepare, **options):
        seen.append({**expressions, **options})
        value = 1000 * expressions["learning_rate"]
        state = SimpleNamespace(**{"best_metric": value, **course.state})
        workflow = SimpleNamespace(
            evaluator=SimpleNamespace(state=state), trainer=SimpleNamespace(add_event_handler=lambda *_: None)
        )
        prepare(workflow)
        if course.saves:
            leave_checkpoint(Path(options["ckpt_dir"]))
        if course.faults:
            raise course.faults.pop(0)
        if value > 8:
            raise RuntimeError("MONAI says") from TrainingError("the loss is nan")

    monkeypatch.setattr(hyperparameters, "run_bundle", run)
    monkeypatch.setattr(hyperparameters, "note_in_run", lambda *_: None)
    return seen


def test_the_smallest_error_is_kept(plan, trainings):
    with opened_study(plan) as study:
        run_trials(plan, study, 6, lambda *_: None)
    rates = [options["learning_rate"] for options in trainings]
    best = yaml.safe_load((plan.folder / "best.yaml").read_text())
    assert best == {"learning_rate": min(rates)}
    with (plan.folder / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["learning_rate"]) for row in rows] == rates
    assert {row["state"] for row in rows} <= {"complete", "pruned"}
    assert len({options["ckpt_dir"] for options in trainings}) == 6


def test_a_training_that_explodes_is_given_up_and_the_search_goes_on(plan, trainings):
    with opened_study(plan) as study:
        for rate in (0.009, 0.001):
            study.enqueue_trial({"learning_rate": rate})
        run_trials(plan, study, 2, lambda *_: None)
        assert [trial.state for trial in study.trials] == [TrialState.PRUNED, TrialState.COMPLETE]


def test_more_trials_are_added_and_none_is_drawn_again(plan, trainings):
    for count in (3, 5, 5):
        with opened_study(plan) as study:
            run_trials(plan, study, count, lambda *_: None)
    assert len({options["learning_rate"] for options in trainings}) == len(trainings) == 5


def test_a_killed_trial_continues_in_its_folder(plan, trainings):
    with opened_study(plan) as study:
        killed = study.ask()
        rate = killed.suggest_float("learning_rate", 1.0e-4, 1.0e-2, log=True)
    leave_checkpoint(plan.folder / "trial-000" / "models")
    with opened_study(plan) as study:
        run_trials(plan, study, 1, lambda *_: None)
        assert [trial.state for trial in study.trials] == [TrialState.FAIL, TrialState.COMPLETE]
    (options,) = trainings
    assert options["learning_rate"] == rate
    assert options["ckpt_dir"] == str(plan.folder / "trial-000" / "models")


def search_ends_with(plan, error):
    with opened_study(plan) as study, pytest.raises(error):
        run_trials(plan, study, 1, lambda *_: None)


def test_ctrl_c_and_failures_continue_in_one_folder_until_done(plan, trainings, course):
    course.faults += [KeyboardInterrupt(), RuntimeError("CUDA out of memory")]
    search_ends_with(plan, KeyboardInterrupt)
    search_ends_with(plan, RuntimeError)
    for count in (1, 2):
        with opened_study(plan) as study:
            run_trials(plan, study, count, lambda *_: None)
    states = [trial.state for trial in study.trials]
    assert states == [TrialState.FAIL, TrialState.FAIL, TrialState.COMPLETE, TrialState.COMPLETE]
    *same, other = trainings
    assert {options["ckpt_dir"] for options in same} == {str(plan.folder / "trial-000" / "models")}
    assert len({options["learning_rate"] for options in same}) == 1
    assert other["ckpt_dir"] == str(plan.folder / "trial-003" / "models")


@pytest.mark.parametrize(
    ("fault", "saves"), [(ConfigError("a batch of nothing"), True), (RuntimeError("CUDA out of memory"), False)]
)
def test_what_would_fail_again_is_not_tried_again(plan, trainings, course, fault, saves):
    course.faults.append(fault)
    course.saves = saves
    search_ends_with(plan, type(fault))
    with opened_study(plan) as study:
        run_trials(plan, study, 1, lambda *_: None)
    first, second = trainings
    assert first["learning_rate"] != second["learning_rate"]


@pytest.mark.parametrize("state", [{"best_metric": -1, "best_metric_epoch": -1}, {"best_metric": math.nan}])
def test_a_training_without_a_validation_error_is_an_error_and_no_best(plan, trainings, course, state):
    course.state.update(state)
    with opened_study(plan) as study, pytest.raises(ConfigError, match=r"no validation error .* val_interval=1"):
        run_trials(plan, study, 1, lambda *_: None)
    assert not (plan.folder / "best.yaml").exists()


def test_two_searches_in_one_folder_are_refused(plan):
    with (
        FileLock(plan.folder / "search.lock"),
        pytest.raises(ConfigError, match="another process"),
        opened_study(plan),
    ):
        pass


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"space": {"learning_rat": Range(low=0.1, high=0.2)}}, "learning_rat: no such entry"),
        ({"space": {"ckpt_dir": Range(low=0.1, high=0.2)}}, "ckpt_dir: set for each trial"),
        ({"overrides": {"learning_rate": 0.1}}, "searched and set"),
        ({"configs": ("nothing",)}, r"nothing\.yaml"),
    ],
)
def test_what_cannot_work_is_refused_before_training(plan, changes, told):
    given = {"space": plan.space, **changes}
    with pytest.raises(ConfigError, match=told):
        Search(folder=plan.folder, dataset_file=plan.dataset_file, **given).check(SHIPPED)


def test_entries_inside_others_can_be_searched(plan):
    space = {"schedule#start": Range(low=8.0, high=32.0)}
    Search(folder=plan.folder, dataset_file=plan.dataset_file, space=space).check(SHIPPED)


def test_the_folder_of_another_search_is_refused(plan):
    other = Search(folder=plan.folder, dataset_file=plan.dataset_file, space={"seed": Range(low=0, high=9)})
    with pytest.raises(ConfigError, match="a search with other space"):
        other.claim(SHIPPED, "digest")


def test_a_hopeless_trial_ends_after_a_third_of_its_epochs():
    study = optuna.create_study(pruner=optuna.pruners.MedianPruner(n_startup_trials=1))
    good, bad = study.ask(), study.ask()
    for epoch in range(1, 7):
        good.report(1.0, epoch)
    study.tell(good, 1.0)
    state = SimpleNamespace(epoch=0, key_metric_name="val_mre", metrics={"val_mre": 9.0})
    judge = Pruning(bad, SimpleNamespace(state=state))
    ended = []
    for epoch in range(1, 7):
        state.epoch = epoch
        engine = SimpleNamespace(
            state=SimpleNamespace(epoch=epoch, max_epochs=6), terminate=lambda at=epoch: ended.append(at)
        )
        judge.epoch_completed(engine)
    assert ended[0] == 2
    assert judge.pruned
