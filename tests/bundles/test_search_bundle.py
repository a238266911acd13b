"""A search over a shipped bundle as one command, with real trainings."""

import csv

import mlflow
import pytest
import yaml
from bundle_runner import as_if_alone
from monai.utils import path_to_sqlite_uri
from typer.testing import CliRunner

from monai_landmarks.cli.main import build_app
from monai_landmarks.engines.workflow import run_bundle
from monai_landmarks.handlers.history import read_history

SMALL = ("longer_side=64", "decoder_channels=[16,16,8,8,8]", "max_epochs=1", "encoder_weights=None")
SPACE = """
learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}
schedule#start: {choices: [8.0, 16.0]}
"""


@pytest.mark.slow
def test_a_search_leaves_runs_a_table_and_an_override_that_trains(blobs, tmp_path):
    (tmp_path / "space.yaml").write_text(SPACE)
    output = tmp_path / "search"
    settings = [part for setting in SMALL for part in ("--set", setting)]
    arguments = ["search", "label_augmentation", blobs, "--space", tmp_path / "space.yaml", "-o", output]
    with as_if_alone():
        for count in (1, 2):
            result = CliRunner().invoke(build_app(), [*map(str, arguments), "--trials", str(count), *settings])
            assert result.exit_code == 0, result.output + repr(result.exception)
    with (output / "trials.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["complete", "complete"]
    best = min(rows, key=lambda row: float(row["val_mre"]))
    history = read_history(output / best["folder"] / "history.csv")
    assert float(best["val_mre"]) == pytest.approx(history[0]["val_mre"])
    values = yaml.safe_load((output / "best.yaml").read_text())
    assert values == {key: float(best[key]) for key in ("learning_rate", "schedule#start")}
    check_runs(output, rows)
    check_training(output, blobs, tmp_path / "again", values)


def check_runs(output, rows):
    client = mlflow.MlflowClient(path_to_sqlite_uri(output / "mlflow.db"))
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert sorted(run.data.params["search.learning_rate"] for run in runs) == sorted(r["learning_rate"] for r in rows)
    assert sorted(run.info.run_name for run in runs) == ["search trial-000", "search trial-001"]


def check_training(output, blobs, folder, values):
    """best.yaml as the last of the config files."""
    small = {"longer_side": 64, "decoder_channels": [16, 16, 8, 8, 8], "max_epochs": 1, "progress": False}
    options = {"dataset_file": str(blobs), "ckpt_dir": str(folder / "models"), "output_dir": str(folder)}
    with as_if_alone():
        workflow = run_bundle(output / "bundle", "training", ("train", "../../best"), small, **options)
    assert workflow.parser.get_parsed_content("schedule").start == values["schedule#start"]
    assert workflow.parser.get_parsed_content("learning_rate") == values["learning_rate"]
