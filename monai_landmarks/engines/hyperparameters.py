"""Searching a bundle's hyper-parameters with Optuna: a training a trial, judged by its best validation MRE."""

from __future__ import annotations

import gc
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import optuna
from ignite.engine import Events
from monai.bundle import ConfigWorkflow
from monai.engines import Evaluator
from monai.engines.workflow import Workflow
from monai.utils import path_to_sqlite_uri
from optuna.trial import FrozenTrial, Trial, TrialState

from monai_landmarks.engines.search_plan import Search
from monai_landmarks.engines.search_results import DONE, folder_name, note_in_run, write_best, write_table
from monai_landmarks.engines.workflow import run_bundle
from monai_landmarks.errors import ConfigError, find_cause
from monai_landmarks.handlers.checkpoint import CHECKPOINT, NEVER
from monai_landmarks.handlers.training import TrainingError
from monai_landmarks.locks import alone

STUDY = "study.db"
# Before this share of the epochs no trial is given up: curriculum and learning rate have hardly begun.
GRACE = 1 / 3
# What a trial is marked with that failed by its settings: the same command would fail again.
FAULT = "fault"


class Pruning:
    """Tells the study each epoch's validation MRE and ends a training that is not worth its time.

    Args:
        trial: of the study.
        evaluator: gives the MRE.
    """

    def __init__(self, trial: Trial, evaluator: Evaluator) -> None:
        self.trial = trial
        self.evaluator = evaluator
        self.pruned = False

    def attach(self, engine: Workflow) -> None:
        """Register on a trainer, after the validation."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.epoch_completed)

    def epoch_completed(self, engine: Workflow) -> None:
        """Report and judge, if this epoch validated."""
        state = self.evaluator.state
        if state.epoch != engine.state.epoch or state.key_metric_name not in state.metrics:
            return
        self.trial.report(float(state.metrics[state.key_metric_name]), engine.state.epoch)
        if engine.state.epoch >= GRACE * engine.state.max_epochs and self.trial.should_prune():
            self.pruned = True
            engine.terminate()


@contextmanager
def opened_study(search: Search) -> Iterator[optuna.Study]:
    """The search's study, for this process alone; trials that an earlier command left unfinished are queued again.

    Raises:
        ConfigError: another process is searching in this folder.
    """
    # A trial that fails ends the command, which tells the error; Optuna would show its traceback first.
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with alone(search.folder / "search.lock", "searching"):
        study = optuna.create_study(
            study_name="search",
            storage=path_to_sqlite_uri((search.folder / STUDY).resolve()),
            pruner=optuna.pruners.MedianPruner() if search.prune else optuna.pruners.NopPruner(),
            load_if_exists=True,
        )
        for trial in study.get_trials(states=(TrialState.RUNNING,)):
            study.tell(trial.number, state=TrialState.FAIL)
        for trial in unfinished(search, study):
            study.enqueue_trial(trial.params, user_attrs={"folder": folder_name(trial)})
        # A search that continues must not draw the same numbers again.
        study.sampler = optuna.samplers.TPESampler(seed=search.seed + len(study.get_trials(deepcopy=False)))
        yield study


def unfinished(search: Search, study: optuna.Study) -> list[FrozenTrial]:
    """Trials that can go on: killed, ended by Ctrl-C, or failed for another reason than their settings.

    Of each folder the latest trial counts, if it failed, and there is a checkpoint to go on from. Without one nothing
    is lost, and what fails in its first epoch, for want of memory say, is not tried for ever.
    """
    latest = {folder_name(trial): trial for trial in study.get_trials(deepcopy=False)}
    return [
        trial
        for name, trial in latest.items()
        if trial.state == TrialState.FAIL
        and FAULT not in trial.user_attrs
        and (search.folder / name / "models" / CHECKPOINT).is_file()
    ]


def run_trials(
    search: Search, study: optuna.Study, count: int, tell: Callable[[optuna.Study, FrozenTrial], None]
) -> None:
    """Train until the study has `count` trials, done or given up; tables and best.yaml are renewed after each.

    Args:
        search: what is searched.
        study: as `opened_study` gives it.
        count: of trials in all, those of earlier commands included.
        tell: is called after each trial.
    """

    def after(study: optuna.Study, trial: FrozenTrial) -> None:
        write_table(search, study)
        write_best(search, study)
        tell(study, trial)

    todo = count - len(study.get_trials(deepcopy=False, states=DONE))
    if todo > 0:
        study.optimize(lambda trial: judge_trial(search, trial), n_trials=todo, callbacks=[after])


def judge_trial(search: Search, trial: Trial) -> float:
    """Train one trial and return its best validation MRE; of an error, note whether it lies in the settings.

    Raises:
        optuna.TrialPruned: it was given up, or its loss was no number.
        ConfigError: the settings cannot work, or there is no validation error.
    """
    try:
        return train_trial(search, trial)
    except Exception as error:
        cause = find_cause(error)
        if isinstance(cause, TrainingError):
            raise optuna.TrialPruned(str(cause)) from error
        if isinstance(cause, ConfigError):
            trial.set_user_attr(FAULT, str(cause))
        raise


def train_trial(search: Search, trial: Trial) -> float:
    """Train one trial and return its best validation MRE.

    Raises:
        optuna.TrialPruned: it was given up.
        ConfigError: there is no validation error.
    """
    values = {key: entry.suggest(trial, key) for key, entry in search.space.items()}
    folder = search.folder / folder_name(trial)
    options = {
        "dataset_file": str(search.dataset_file),
        "ckpt_dir": str(folder / "models"),
        "output_dir": str(folder),
        "run_name": f"{search.folder.resolve().name} {folder.name}",
    }
    store = path_to_sqlite_uri((search.folder / "mlflow.db").resolve())
    expressions = {"progress": search.progress, "tracking_uri": store, **search.overrides, **values}
    judges: list[Pruning] = []

    def prepare(workflow: ConfigWorkflow) -> None:
        judges.append(Pruning(trial, workflow.evaluator))
        judges[0].attach(workflow.trainer)

    try:
        run_bundle(search.bundle, "training", search.files, expressions, prepare, **options)
    finally:
        # A training is a web of references to itself; its cached images would outlive it.
        gc.collect()
    state = judges[0].evaluator.state
    if state.best_metric_epoch == NEVER or math.isnan(state.best_metric):
        raise ConfigError(
            f"{folder}: no validation error tells how good it is; choose another --output, with --set val_interval=1, "
            "config files that validate (refit does not), and points in the validation split"
        )
    note_in_run(folder / "models", trial.number, values, judges[0].pruned)
    if judges[0].pruned:
        raise optuna.TrialPruned
    return float(state.best_metric)
