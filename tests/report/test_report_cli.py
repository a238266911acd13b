"""`monai-landmarks report` on a run folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from monai_landmarks.cli.report import build_report, parse_comparison, register
from monai_landmarks.data.dataset import LandmarkDataset, load_dataset
from monai_landmarks.errors import ConfigError, LandmarksError


@pytest.fixture
def app() -> typer.Typer:
    application = typer.Typer()

    @application.callback()
    def root() -> None: ...

    register(application)
    return application


@pytest.fixture
def dataset_file(dataset: LandmarkDataset) -> Path:
    return dataset.root / "dataset.json"


def test_command_writes_and_names_the_report(app: typer.Typer, run_folder: Path, dataset_file: Path) -> None:
    (run_folder / "provenance.json").write_text(json.dumps({"command": "train --seed 3"}))
    arguments = ["report", str(run_folder), "--dataset", str(dataset_file), "--title", "Toy", "--note", "Look out."]
    arguments += ["--compare", f"one-pixel baseline={run_folder / 'baseline'}"]
    outcome = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0
    report = run_folder / "report.html"
    assert "".join(outcome.output.split()) == str(report)
    text = report.read_text()
    assert all(word in text for word in ("<h1>Toy</h1>", "Look out.", "train --seed 3", "Training loss"))
    # Named on the command line, so not found a second time under its folder's name.
    assert "one-pixel baseline</th>" in text
    assert ">baseline</th>" not in text
    assert load_dataset(dataset_file).digest() in text


def test_command_finds_evaluations_below_the_run(run_folder: Path, dataset_file: Path) -> None:
    (run_folder / "models").mkdir()
    assert ">baseline</th>" in build_report(run_folder, dataset_file).read_text()


@pytest.mark.parametrize("option", ["--public", "--no-cases"])
def test_public_report(app: typer.Typer, run_folder: Path, dataset_file: Path, option: str) -> None:
    output = run_folder / "for_everyone.html"
    arguments = ["report", str(run_folder), "-d", str(dataset_file), option, "-o", str(output)]
    assert CliRunner().invoke(app, arguments, catch_exceptions=False).exit_code == 0
    assert "image/jpeg" not in output.read_text()
    assert "image 00" not in output.read_text()


def test_simulated_images_are_called_so(run_folder: Path, dataset_file: Path) -> None:
    def page(simulated: int) -> str:
        dataset = load_dataset(dataset_file)
        for case in dataset.cases[:simulated]:
            case.attributes["simulator"] = "toy"
        dataset.save(dataset_file)
        return build_report(run_folder, dataset_file, public=True).read_text()

    assert "imulated" not in page(0)
    assert "Simulated images in this data set: 1 of 12." in page(1)
    assert "The images of this data set are simulated" in page(12)


def test_without_history_there_are_no_training_curves(run_folder: Path, dataset_file: Path) -> None:
    (run_folder / "history.csv").unlink()
    assert "Training loss" not in build_report(run_folder, dataset_file, public=True).read_text()


def test_comparison_texts() -> None:
    assert parse_comparison("one = two=three") == ("one", Path("two=three"))
    for wrong in ("runs/a", "=runs/a", "name=", " = "):
        with pytest.raises(ConfigError, match="NAME=FOLDER"):
            parse_comparison(wrong)


def _change_metrics(run: Path, **changes: object) -> None:
    path = run / "metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("missing", "metrics.json: no such file; evaluate"),
        ("text", "metrics.json: not a readable JSON file"),
        ("list", "metrics.json: not a JSON object"),
        ("version", "is no monai_landmarks.metrics file of version 1"),
        ("other cases", "hold different cases"),
        ("other landmarks", "landmarks are not those of the data set \\(toy\\)"),
        ("no csv", "cases.csv: no such file"),
    ],
)
def test_damaged_run_is_explained(run_folder: Path, dataset_file: Path, fault: str, message: str) -> None:
    metrics, cases = run_folder / "metrics.json", run_folder / "cases.csv"
    if fault == "missing":
        metrics.unlink()
    elif fault == "text":
        metrics.write_text("{")
    elif fault == "list":
        metrics.write_text("[]")
    elif fault == "version":
        _change_metrics(run_folder, version=2)
    elif fault == "other cases":
        _change_metrics(run_folder, images={})
    elif fault == "other landmarks":
        cases.write_text(cases.read_text().replace("notch", "niche"))
    else:
        cases.unlink()
    with pytest.raises(LandmarksError, match=message) as caught:
        build_report(run_folder, dataset_file)
    assert str(run_folder) in str(caught.value)
    assert not (run_folder / "report.html").exists()


def test_the_evaluated_data_set_is_remembered(run_folder: Path, dataset_file: Path) -> None:
    digest = load_dataset(dataset_file).digest()
    record = {"dataset": "toy", "digest": digest, "split": "test"}
    for folder in (run_folder, run_folder / "baseline"):
        (folder / "evaluation.json").write_text(json.dumps(record))
    text = build_report(run_folder, dataset_file).read_text()
    assert "has changed since the evaluation" not in text
    assert f"toy, digest {digest}, test" in text
    (run_folder / "evaluation.json").write_text(json.dumps({**record, "digest": "0123456789abcdef"}))
    assert "evaluated: 0123456789abcdef" in build_report(run_folder, dataset_file).read_text()
