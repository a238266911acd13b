import json

import mlflow
import pytest
from ignite.engine import Engine
from monai.utils import path_to_sqlite_uri

from monai_landmarks.handlers.tracking import RUN_FILE, ExperimentTracker, environment, is_local


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
    def fail(engine, batch):
        raise ValueError("out of luck")

    with pytest.raises(ValueError, match="out of luck"):
        run(tracker_of(tmp_path), fail)
    _, runs = runs_of(tmp_path)
    assert [r.info.status for r in runs] == ["FAILED"]
    assert runs[0].data.tags["error"] == "out of luck"


def test_a_resume_continues_its_own_run_and_a_new_training_gets_a_new_one(tmp_path):
    run(tracker_of(tmp_path))
    first = json.loads((tmp_path / "models" / RUN_FILE).read_text())
    run(tracker_of(tmp_path, prefix="test."))
    _, runs = runs_of(tmp_path)
    assert len(runs) == 1
    assert runs[0].data.metrics == {"loss": 1.5, "test.loss": 1.5}
    run(tracker_of(tmp_path, resume=False))
    _, runs = runs_of(tmp_path)
    assert len(runs) == 2
    assert json.loads((tmp_path / "models" / RUN_FILE).read_text()) != first


def test_files_that_show_patients_stay_off_a_server_without_consent(tmp_path, monkeypatch):
    (tmp_path / "report.html").write_text("x")
    options = {"case_files": [tmp_path / "report.html"]}
    monkeypatch.setattr("monai_landmarks.handlers.tracking.is_local", lambda uri: False)
    run(tracker_of(tmp_path, **options))
    client, runs = runs_of(tmp_path)
    assert client.list_artifacts(runs[0].info.run_id) == []
    run(tracker_of(tmp_path, share_cases=True, **options))
    assert [a.path for a in client.list_artifacts(runs[0].info.run_id)] == ["report.html"]


def test_what_counts_as_local():
    assert is_local("sqlite:////data/mlflow.db")
    assert is_local("http://localhost:5000")
    assert not is_local("https://mlflow.example.org")
