"""MLflow: one run per training, named, ended, FAILED when it fails, continued by a resume."""

from __future__ import annotations

import json
import logging
import os
import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch.distributed as dist
from ignite.engine import Engine, Events
from mlflow.exceptions import MlflowException
from monai.handlers import MLFlowHandler
from monai.utils import path_to_sqlite_uri
from sqlalchemy.engine import make_url

from monai_landmarks.locks import alone

RUN_FILE = "mlflow_run.json"
EVALUATION_ERROR = "evaluation_error"
PACKAGES = ("monai_landmarks", "monai", "torch", "pytorch-ignite", "numpy", "pydicom", "mlflow")


def is_local(uri: str) -> bool:
    """Whether a tracking URI keeps everything on this machine."""
    parsed = urlparse(uri)
    return (parsed.scheme in ("sqlite", "file") and not parsed.netloc) or parsed.hostname in (
        "localhost",
        "127.0.0.1",
        "::1",
    )


@contextmanager
def making_tables(uri: str) -> Iterator[None]:
    """Several trainings may start at once on one new SQLite file: one makes its tables, the others wait for them."""
    path = make_url(uri).database if uri.startswith("sqlite:") else None
    with alone(Path(path).with_name(f".{Path(path).name}.lock")) if path else nullcontext():
        yield


def environment() -> dict[str, str]:
    """Versions that make a run repeatable."""
    found = {"python": platform.python_version(), "system": platform.system()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


class ExperimentTracker(MLFlowHandler):
    """MONAI's MLFlowHandler with a run that is really this training's.

    The run's id is kept in `directory`/mlflow_run.json: a training that continues after its checkpoint continues that
    run and no other; one that starts at its first epoch is a new run. Ends as FINISHED, or FAILED when the engine
    raises. Parent's behaviours put right: it continues the latest unfinished run of the same name, leaves runs
    RUNNING, and marks a crash as nothing.

    Args:
        directory: where the run's id is kept, the bundle's models folder.
        metrics: gives what is logged after each epoch.
        tracking_uri: an MLflow server, or None for a SQLite file `mlflow.db` in `directory`.
        experiment_name, run_name: as in MLflow; the run name defaults to the folder's.
        params: logged once: settings, schedule, loss, data set fingerprint; those that are None are left out.
        files: paths logged when the engine completes, where they exist: history, weights, metrics.
        case_files: files that show patients (reports, overlays): logged only to a local store, or when
            `share_cases` is set.
        share_cases: the user's consent to send them to a server.
        prefix: put before every metric's name.
    """

    # The parent starts them as None and fills them in `start`.
    experiment: Any
    cur_run: Any
    experiment_param: Any

    def __init__(
        self,
        directory: str | Path,
        metrics: Callable[[], Mapping[str, float]],
        tracking_uri: str | None = None,
        experiment_name: str = "monai_landmarks",
        run_name: str | None = None,
        params: Mapping[str, Any] | None = None,
        files: Iterable[str | Path] = (),
        case_files: Iterable[str | Path] = (),
        share_cases: bool = False,
        prefix: str = "",
    ) -> None:
        # Only the first of several processes tracks; two would also make the SQLite tables at the same time.
        self.active = not (dist.is_available() and dist.is_initialized() and dist.get_rank() > 0)
        if not self.active:
            return
        self.directory = Path(directory).resolve()
        self.directory.mkdir(parents=True, exist_ok=True)
        # Both tell each step of making the SQLite tables.
        for chatty in ("alembic", "mlflow.store.db.utils"):
            logging.getLogger(chatty).setLevel(logging.WARNING)
        uri = tracking_uri or path_to_sqlite_uri(self.directory / "mlflow.db")
        with making_tables(os.environ.get("MLFLOW_TRACKING_URI") or uri):
            super().__init__(
                tracking_uri=uri,
                iteration_log=False,
                experiment_name=experiment_name,
                run_name=run_name or self.directory.parent.name or "training",
                experiment_param={
                    **environment(),
                    **{key: value for key, value in (params or {}).items() if value is not None},
                },
            )
        self.log_metrics = metrics
        self.files = [Path(path) for path in files]
        self.case_files = [Path(path) for path in case_files]
        self.share_cases = share_cases
        self.prefix = prefix

    def attach(self, engine: Engine) -> None:
        """Register on a trainer or an evaluator, after whatever gives its metrics and before the checkpoint."""
        if not self.active:
            return
        engine.add_event_handler(Events.STARTED, self.start)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.epoch_completed)
        engine.add_event_handler(Events.COMPLETED, self.finish)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.fail)

    def start(self, engine: Engine) -> None:
        """Open this training's run, an old one on a resume, else a new one."""
        self._set_experiment()
        self.open(self.known_run() if engine.state.epoch > 0 else None)
        self.client.update_run(self.cur_run.info.run_id, status="RUNNING")

    def _set_experiment(self) -> None:
        """Find the experiment, or make it."""
        with making_tables(self.client.tracking_uri):
            super()._set_experiment()

    def open(self, run_id: str | None) -> None:
        """Take up a run, or make a new one and note it, and log the parameters it lacks."""
        if run_id is None:
            self.cur_run = self.client.create_run(self.experiment.experiment_id, run_name=self.run_name)
            note = {"run_id": self.cur_run.info.run_id, "tracking_uri": self.client.tracking_uri}
            (self.directory / RUN_FILE).write_text(json.dumps(note) + "\n")
        else:
            self.cur_run = self.client.get_run(run_id)
        params = dict(self.experiment_param)
        self._delete_exist_param_in_dict(params)
        self._log_params({key: str(value)[:6000] for key, value in params.items()})

    def known_run(self) -> str | None:
        """The run noted in the folder, if it is on this server and still there."""
        run_file = self.directory / RUN_FILE
        if not run_file.is_file():
            return None
        note = json.loads(run_file.read_text())
        if note.get("tracking_uri") != self.client.tracking_uri:
            return None
        try:
            return str(self.client.get_run(note["run_id"]).info.run_id)
        except MlflowException:
            return None

    def epoch_completed(self, engine: Engine) -> None:
        """Log the numbers of an epoch at its step."""
        metrics = {self.prefix + key: value for key, value in self.log_metrics().items()}
        if metrics:
            self._log_metrics(metrics, step=engine.state.epoch)

    def finish(self, engine: Engine) -> None:
        """Log the files and end the run."""
        allowed = self.share_cases or is_local(self.client.tracking_uri)
        for path in [*self.files, *(self.case_files if allowed else [])]:
            if path.is_file():
                self.client.log_artifact(self.cur_run.info.run_id, str(path))
        self.close()

    def fail(self, engine: Engine, error: Exception) -> None:
        """Mark the run as failed and let the error go on."""
        if self.cur_run is not None:
            self.tag_error("error", error)
            self.run_finish_status = "FAILED"
            self.close()
        raise error

    def tag_error(self, tag: str, error: Exception) -> None:
        """Say what happened; to a server the error's kind alone, for a message may name files, and so patients."""
        local = is_local(self.client.tracking_uri)
        self.client.set_tag(self.cur_run.info.run_id, tag, str(error)[:5000] if local else type(error).__name__)


class EvaluationTracker(ExperimentTracker):
    """Adds an evaluation's numbers to the run of the training it evaluates, and never touches that run's status.

    Without a known run it makes one of its own, which ends as FINISHED or FAILED. An evaluation that fails leaves the
    tag `evaluation_error` on the training's run; the next one that succeeds removes it.
    """

    own_run = True

    def start(self, engine: Engine) -> None:
        """Open the training's run."""
        self._set_experiment()
        run_id = self.known_run()
        self.own_run = run_id is None
        self.open(run_id)

    def finish(self, engine: Engine) -> None:
        """Log the files; nothing is wrong any more."""
        if EVALUATION_ERROR in self.cur_run.data.tags:
            self.client.delete_tag(self.cur_run.info.run_id, EVALUATION_ERROR)
        super().finish(engine)

    def fail(self, engine: Engine, error: Exception) -> None:
        """Say that the evaluation failed; a run of its own has failed with it."""
        if not self.own_run and self.cur_run is not None:
            self.tag_error(EVALUATION_ERROR, error)
            self.close()
        super().fail(engine, error)

    def close(self) -> None:
        """End a run of its own; let go of a training's."""
        if not self.own_run:
            self.cur_run = None
        super().close()
