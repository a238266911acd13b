"""Both stages of KNEEL over the same folds, and their mean as one model, as docs/how-to/cross_validate.md has it."""

import csv
import json

import pytest
from painted_knees import write_knees
from typer.testing import CliRunner

from monai_landmarks.cli.main import build_app
from monai_landmarks.data.dataset import load_dataset

SMALL = ["width=4", "depth=2", "batch_size=4", "spatial_size=[64,64]", "progress=False", "max_epochs=1"]


def command(*arguments):
    done = CliRunner().invoke(build_app(), [str(argument) for argument in arguments])
    assert done.exit_code == 0, (done.output, done.exception)


def settings(*more):
    return [part for text in (*SMALL, *more) for part in ("--set", text)]


@pytest.mark.slow
def test_both_stages_over_the_same_folds(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    file = write_knees(tmp_path / "data", counts=(8, 0, 1))
    roi, kneel = tmp_path / "roi", tmp_path / "kneel"
    command("crossvalidate", "kneel_roi", file, "-o", roi, "--folds", 2, *settings("spacing_mm=2.0"))
    shared = [
        "--use-folds",
        roi / "folds.json",
        *settings("spacing_mm=1.0", f"region_models={roi}/fold-{{fold}}/models"),
    ]
    command("crossvalidate", "kneel_landmarks", file, "-o", kneel, *shared)

    one, other = (json.loads((folder / "folds.json").read_text()) for folder in (roi, kneel))
    assert one["folds"] == other["folds"]
    with (kneel / "cases.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    dataset = load_dataset(file)
    trained = {case.id for case in dataset.cases if case.split != "test"}
    assert {row["case_id"] for row in rows} == trained
    assert {row["landmark"] for row in rows} == set(dataset.names)
    known = ["--side", "both", "--spacing", "1"]
    case = next(case for case in dataset.cases if case.split == "test")
    command("predict", kneel / "bundle", file.parent / case.image, "-o", tmp_path / "found", *known)
    assert (tmp_path / "found" / "predictions.csv").is_file()
