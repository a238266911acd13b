import contextlib
import json

import mlflow
import pytest
from filelock import FileLock, Timeout
from ignite.engine import Engine, Events
from mlflow.store.db import utils
from monai.utils import path_to_sqlite_uri

from monai_landmarks.handlers.tracking import RUN_FILE, EvaluationTracker, ExperimentTracker, environment, is_local

pytestmark = pytest.mark.usefixtures("quick_tracking")


def tracker_of(folder, **options):
    options.setdefault("metrics", lambda: {"loss": 1.5})
    return ExperimentTracker(folder / "models", run_name="hip", params={"epochs": 2}, **options)


def run(tracker, step=lambda engine, batch: None, epochs=2):
    engine = Engine(step)
    tracker.attach(engine)
    engine.run([0], max_epochs=epochs)


def runs_of(folder):
    client = mlflow.MlflowClient(path_to_sqlite_uri(folder / "models" / "mlflow.db"))
    experiments = [e for e in client.search_experiments() if e.name == "monai_landmarks"]
    return client, client.search_runs([e.experiment_id for e in experiments])


def test_one_named_finished_run_with_numbers_and_versions(tmp_path):
    (tmp_path / "history.csv").write_text("epoch\n")
    run(tracker_of(tmp_path, files=[tmp_path / "history.csv", tmp_path / "missing.csv"]))
    client, runs = runs_of(tmp_path)
    assert [(r.info.run_name, r.info.status) for r in runs] == [("hip", "FINISHED")]
    assert runs[0].data.metrics == {"loss": 1.5}
    assert runs[0].data.params["epochs"] == "2"
    assert runs[0].data.params["torch"] == environment()["torch"]
    assert [m.step for m in client.get_metric_history(runs[0].info.run_id, "loss")] == [1, 2]
    assert [a.path for a in client.list_artifacts(runs[0].info.run_id)] == ["history.csv"]


def test_a_failed_training_is_a_failed_run(tmp_path):
    with pytest.raises(ValueError, match="out of luck"):
        run(tracker_of(tmp_path), fail)
    _, runs = runs_of(tmp_path)
    assert [r.info.status for r in runs] == ["FAILED"]
    assert runs[0].data.tags["error"] == "out of luck"


def continue_after(tracker, epoch):
    """As a resume does: the checkpoint's epoch is put back before the tracker starts."""
    engine = Engine(lambda engine, batch: None)
    engine.add_event_handler(Events.STARTED, lambda engine: setattr(engine.state, "epoch", epoch))
    tracker.attach(engine)
    engine.run([0], max_epochs=2)


def evaluate(folder, step=lambda engine, batch: None, **options):
    options.setdefault("metrics", lambda: {"mre": 2.5})
    run(EvaluationTracker(folder / "models", prefix="test.", **options), step, epochs=1)


def fail(engine, batch):
    raise ValueError("out of luck")


def test_a_resume_continues_its_own_run_and_a_new_training_gets_a_new_one(tmp_path):
    run(tracker_of(tmp_path), epochs=1)
    first = json.loads((tmp_path / "models" / RUN_FILE).read_text())
    continue_after(tracker_of(tmp_path), 1)
    client, runs = runs_of(tmp_path)
    assert [r.info.status for r in runs] == ["FINISHED"]
    assert [m.step for m in client.get_metric_history(runs[0].info.run_id, "loss")] == [1, 2]
    # No checkpoint was restored, so this is another training, though mlflow_run.json is still there.
    run(tracker_of(tmp_path))
    _, runs = runs_of(tmp_path)
    assert len(runs) == 2
    assert json.loads((tmp_path / "models" / RUN_FILE).read_text()) != first


def test_an_evaluation_adds_its_numbers_to_the_training(tmp_path):
    run(tracker_of(tmp_path))
    evaluate(tmp_path)
    _, runs = runs_of(tmp_path)
    assert [(r.info.status, r.data.metrics) for r in runs] == [("FINISHED", {"loss": 1.5, "test.mre": 2.5})]


def test_a_failed_evaluation_leaves_the_training_finished_and_says_so(tmp_path):
    run(tracker_of(tmp_path))
    before = runs_of(tmp_path)[1][0].info.end_time
    with pytest.raises(ValueError, match="out of luck"):
        evaluate(tmp_path, fail)
    _, runs = runs_of(tmp_path)
    assert [(r.info.status, r.info.end_time) for r in runs] == [("FINISHED", before)]
    assert runs[0].data.tags["evaluation_error"] == "out of luck"
    assert "error" not in runs[0].data.tags
    evaluate(tmp_path)
    _, runs = runs_of(tmp_path)
    assert "evaluation_error" not in runs[0].data.tags


def test_an_evaluation_does_not_finish_a_training_that_is_not(tmp_path):
    with pytest.raises(ValueError, match="out of luck"):
        run(tracker_of(tmp_path), fail)
    evaluate(tmp_path)
    assert [r.info.status for r in runs_of(tmp_path)[1]] == ["FAILED"]


@pytest.mark.parametrize(("step", "status"), [(fail, "FAILED"), (lambda engine, batch: None, "FINISHED")])
def test_an_evaluation_without_a_training_has_a_run_of_its_own(tmp_path, step, status):
    with contextlib.suppress(ValueError):
        evaluate(tmp_path, step)
    assert [r.info.status for r in runs_of(tmp_path)[1]] == [status]


def test_files_that_show_patients_stay_off_a_server_without_consent(tmp_path, monkeypatch):
    (tmp_path / "report.html").write_text("x")
    options = {"case_files": [tmp_path / "report.html"]}
    monkeypatch.setattr("monai_landmarks.handlers.tracking.is_local", lambda uri: False)
    run(tracker_of(tmp_path, **options))
    client, runs = runs_of(tmp_path)
    assert client.list_artifacts(runs[0].info.run_id) == []
    continue_after(tracker_of(tmp_path, share_cases=True, **options), 1)
    assert [a.path for a in client.list_artifacts(runs[0].info.run_id)] == ["report.html"]


def test_tables_are_made_by_one_process_at_a_time(tmp_path, monkeypatch):
    """Two that make those of one new file at once spoil them."""
    store, made, make = tmp_path / "my runs" / "mlflow.db", [], utils._initialize_tables
    store.parent.mkdir()

    def make_alone(engine):
        with pytest.raises(Timeout):
            FileLock(store.with_name(".mlflow.db.lock"), timeout=0).acquire()
        made.append(make(engine))

    monkeypatch.setattr(utils, "_initialize_tables", make_alone)
    tracker_of(tmp_path, tracking_uri=path_to_sqlite_uri(store))
    assert len(made) == 1
    assert store.is_file()


def test_what_counts_as_local():
    assert is_local("sqlite:////data/mlflow.db")
    assert is_local("http://localhost:5000")
    assert not is_local("https://mlflow.example.org")
