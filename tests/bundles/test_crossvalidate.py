"""Cross-validation of a shipped bundle as one command, killed and continued."""

import json
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import jsonschema
import pytest
from bundle_checks import mlflow_runs, read_rows
from bundle_runner import environment
from typer.testing import CliRunner

from monai_landmarks.cli.main import build_app
from monai_landmarks.data.dataset import load_dataset

REPOSITORY = Path(__file__).parents[2]
SMALL = ("longer_side=64", "decoder_channels=[16,16,8,8,8]", "max_epochs=5", "batch_size=2")


@pytest.fixture
def radiographs(tmp_path, make_blobs):
    """Sixteen images of ten patients, two of whom are the test split."""
    file = make_blobs(tmp_path / "data", (8, 6, 2))
    dataset = load_dataset(file)
    for number, case in enumerate(dataset.cases):
        case.attributes["kl_grade"] = number // 4 % 2
        if case.split != "test":
            case.patient = f"P{number // 2:04}"
    dataset.save(file)
    return file


def command(dataset, output):
    settings = [part for setting in SMALL for part in ("--set", setting)]
    arguments = ["crossvalidate", "label_augmentation", str(dataset), "--output", str(output)]
    return [
        *(sys.executable, "-c", "from monai_landmarks.cli.main import main; main()", *arguments),
        *("--folds", "2", "--stratify", "kl_grade", *settings),
    ]


def kill_in_fold_1(arguments, cwd):
    """SIGKILL the command in the third epoch of its second fold; returns when the fold's process has gone too."""
    in_fold_1, lines = False, []
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(arguments, cwd=cwd, env=environment(), **options) as process:
        # The output ends when the last process that can write to it has.
        for line in process.stdout:
            lines.append(line)
            in_fold_1 |= line.startswith("fold 1:")
            if in_fold_1 and "epoch 2/5" in line:
                process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "".join(lines)[-3000:]


@pytest.mark.slow
def test_a_killed_crossvalidation_continues_where_it_was(radiographs, tmp_path):
    output = tmp_path / "cv"
    kill_in_fold_1(command(radiographs, output), tmp_path)
    assert (output / "fold-0" / "fold.json").is_file()
    assert not (output / "fold-1" / "fold.json").is_file()
    first = (output / "fold-0" / "models" / "model.pt").stat().st_mtime_ns
    done = subprocess.run(
        command(radiographs, output), cwd=tmp_path, env=environment(), capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "fold 0 is done" in done.stdout
    assert "Continuing after epoch" in done.stdout + done.stderr
    assert (output / "fold-0" / "models" / "model.pt").stat().st_mtime_ns == first

    dataset = load_dataset(radiographs)
    _check_no_leak(output, dataset)
    _check_metrics(output, dataset)
    _check_runs(output)
    _check_use(output, radiographs, tmp_path)


def _check_no_leak(output, dataset):
    held_out = Counter()
    for number in range(2):
        fold = load_dataset(output / f"fold-{number}" / "dataset.json")
        assert {case.split for case in fold.cases} == {"training", "test"}
        patients = [{case.patient for case in fold.select(split)} for split in ("training", "test")]
        assert patients[0].isdisjoint(patients[1])
        evaluated = {row["case_id"] for row in read_rows(output / f"fold-{number}" / "cases.csv")}
        assert evaluated == {case.id for case in fold.select("test")}
        held_out.update(evaluated)
    assert held_out == Counter(case.id for case in dataset.cases if case.split != "test")


def _check_metrics(output, dataset):
    metrics = json.loads((output / "metrics.json").read_text())
    schema = json.loads((REPOSITORY / "docs" / "reference" / "metrics.schema.json").read_text())
    jsonschema.validate(metrics, schema)
    assert (metrics["split"], metrics["cases"], metrics["patients"]) == ("out-of-fold", 14, 7)
    assert sorted(metrics["attributes"]["kl_grade"]) == ["0", "1"]
    rows = read_rows(output / "cases.csv")
    errors = [float(row["error_mm"]) for row in rows if row["error_mm"]]
    assert metrics["mm"]["mre"] == pytest.approx(sum(errors) / len(errors))
    own = [row for number in range(2) for row in read_rows(output / f"fold-{number}" / "cases.csv")]
    assert sorted(row["predicted_row"] for row in own) == sorted(row["predicted_row"] for row in rows)
    assert json.loads((output / "evaluation.json").read_text())["digest"] == dataset.digest()


def _check_runs(output):
    runs = mlflow_runs(output)
    assert sorted(run.info.run_name for run in runs) == ["cv fold 0", "cv fold 1"]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert all("test.mm.mre" in run.data.metrics for run in runs)


def _check_use(output, dataset, tmp_path):
    """The mean of the folds predicts, and the folder is a run that can be reported."""
    runner = CliRunner()
    image = dataset.parent / "images" / "15.png"
    result = runner.invoke(build_app(), ["predict", str(output / "bundle"), str(image), "-o", str(tmp_path / "p")])
    assert result.exit_code == 0, result.output
    assert len(read_rows(tmp_path / "p" / "predictions.csv")) == 3
    result = runner.invoke(build_app(), ["report", str(output), "-d", str(dataset)])
    assert result.exit_code == 0, result.output
    page = (output / "report.html").read_text()
    assert "By attribute" in page
    assert "fold-1" in page
    assert "has changed since the evaluation" not in page
