"""The GPU script on a CPU, in small."""

import json
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import gpu
import gpu_pipeline
import pytest
import torch
from ignite.engine import Engine, Events
from PIL import Image

SDR = [str(threshold) for threshold in gpu.isbi2015.THRESHOLDS]
ISBI = Path("../shared/data/isbi2015")
CPU = torch.device("cpu")


def test_batches_on_the_device_are_an_epoch():
    items = [
        {
            "image": torch.full((1, 2, 2), float(n)),
            "network_points": torch.full((3, 2), float(n)),
            "state": torch.ones(3),
        }
        for n in range(7)
    ]
    batches = list(gpu_pipeline.DeviceBatches(items, 3, CPU))
    # The last batch would hold one image alone.
    assert [len(batch["image"]) for batch in batches] == [3, 3]
    numbers = torch.cat([batch["image"][:, 0, 0, 0] for batch in batches])
    assert len(set(numbers.tolist())) == 6
    assert all(torch.equal(batch["image"][:, 0, 0, 0], batch["network_points"][:, 0, 0]) for batch in batches)


def test_what_would_begin_too_late_is_told(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(gpu.PARTS, "steps", lambda *_: ["a table"])
    text = gpu.run(gpu.DRY, ["steps", "isbi"], tmp_path, tmp_path, deadline=5.0)
    assert "a table" in text
    assert "isbi: left out, 5 of 5 minutes" in text
    assert (tmp_path / "gpu.md").read_text() == capsys.readouterr().out == text + "\n"


def test_an_epochs_time_is_that_of_all_its_handlers(monkeypatch):
    clock = [0.0]

    def spend(seconds):
        clock[0] += seconds

    monkeypatch.setattr(gpu_pipeline, "synchronised", lambda device: clock[0])
    trainer = Engine(lambda *_: spend(1))
    trainer.add_event_handler(Events.STARTED, lambda: spend(5))
    trainer.add_event_handler(Events.ITERATION_COMPLETED(once=1), lambda: spend(10))
    # As MLflow and the checkpoint do.
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: spend(2))
    trainer.add_event_handler(Events.COMPLETED, lambda: spend(3))
    trainer.run = partial(trainer.run, range(2), max_epochs=3)
    assert gpu_pipeline.timed_run(trainer, CPU) == (5 + 10 + 3 * 4 + 3, 4)


def test_the_length_of_the_schedule_is_the_elapsed_time_and_that_of_missing_epochs():
    row = {"seconds": 60.0, "epoch_seconds": 3.0}
    assert gpu_pipeline.schedule_minutes(row, 350) == 1.0
    assert gpu_pipeline.schedule_minutes(row, 330) == 2.0


def write_isbi(folder):
    """Three images of each split, and the two that are left out."""
    (folder / "images").mkdir(parents=True)
    cases = {**dict.fromkeys(("001", "002", "003", *gpu.isbi2015.DUPLICATES), "train"), **dict.fromkeys("abc", "test1")}
    lines = [f"{name},{split},{reader},3,4" for name, split in cases.items() for reader in ("senior", "junior")]
    (folder / "landmarks.csv").write_text("\n".join(["image,split,annotator,sella_x,sella_y", *lines]) + "\n")
    for name in cases:
        Image.new("L", (8, 8)).save(folder / "images" / f"{name}.png")


def test_trainings_of_a_second_run_do_not_continue_the_first(tmp_path, monkeypatch):
    """The pipeline's are thrown away; ISBI 2015's are kept, each with its own data set file."""
    folders = []

    def row(folder, *_):
        assert not list(folder.iterdir())
        (folder / "checkpoint.pt").touch()
        yield {"name": "a", "images_per_second": 1.0, "share": 0.9, "mb": 10.0, "seconds": 60.0, "epoch_seconds": 1.0}

    def train(folder, file, *_, **options):
        folders.append((folder, len(gpu.load_dataset(file).cases)))
        return {}

    monkeypatch.setattr(gpu, "pipeline_rows", row)
    monkeypatch.setattr(gpu.isbi2015, "train", train)
    monkeypatch.setattr(gpu.isbi2015, "evaluate", lambda *_, **options: None)
    monkeypatch.setattr(gpu.isbi2015, "against", lambda *_: {"mre": 1.0, "median": 1.0, "sdr": dict.fromkeys(SDR, 1)})
    write_isbi(tmp_path / "data")
    for size in (gpu.DRY, replace(gpu.DRY, isbi_images=0, epochs=gpu.EPOCHS)):
        text = gpu.run(size, ["pipeline", "isbi"], tmp_path / "out", tmp_path / "data", deadline=100.0)
    assert "350 epochs on 5 images, minutes (elapsed) |" in text
    assert "| a | 1 | 90 % | 0.0 | 1 |" in text
    (dry, few), (full, all_of_them) = folders
    assert dry != full
    assert (few, all_of_them) == (4, 6)
    kept = {path.name for path in (tmp_path / "out").iterdir()}
    assert kept == {"gpu.md", "gpu.json", dry.name, full.name}


@pytest.mark.parametrize(("options", "folder"), [([], "runs/gpu_dry"), (["--output", "runs/other"], "runs/other")])
def test_a_dry_run_has_a_folder_of_its_own(monkeypatch, options, folder):
    given = []
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--dry-run", *options])
    monkeypatch.setattr(gpu, "run", lambda *arguments: given.extend(arguments))
    gpu.main()
    assert given[2] == Path(folder)


def test_a_missing_data_set_is_one_line(tmp_path):
    text = gpu.run(gpu.DRY, ["isbi"], tmp_path, tmp_path / "nowhere", deadline=20.0)
    assert "ISBI 2015" in text
    assert "nowhere/landmarks.csv is missing" in text


def test_a_row_that_cannot_be_run_keeps_its_cells():
    keys = ("images_per_second", "mb")
    fault = gpu._line({"name": "compiled", "fault": "no compiler | at all"}, keys)
    assert fault.count("|") == gpu._line({"name": "a", "images_per_second": 1.0, "mb": 2000.0}, keys).count("|") == 4


@pytest.mark.slow
def test_steps_and_pipeline(tmp_path):
    text = gpu.run(gpu.DRY, ["steps", "pipeline"], tmp_path, tmp_path, deadline=100.0)
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert all(row["images_per_second"] > 0 for row in found["steps"])
    assert [row["name"] for row in found["pipeline"]] == [v.name for v in gpu_pipeline.VARIANTS if not v.compiled]
    assert all(row["minutes"] > 0 and row["share"] > 0 for row in found["pipeline"])
    assert (tmp_path / "gpu.md").read_text().strip() == text.strip()


@pytest.mark.slow
@pytest.mark.skipif(not ISBI.is_dir(), reason="needs shared/data/isbi2015")
def test_isbi_without_mlflow(tmp_path, monkeypatch):
    """As on the GPU machine, where nothing is tracked."""
    monkeypatch.setattr(gpu, "UNTRACKED", {"train#handlers#10#_disabled_": True})
    text = gpu.run(gpu.DRY, ["isbi"], tmp_path, ISBI, deadline=100.0)
    rows = json.loads((tmp_path / "gpu.json").read_text())["isbi"]["rows"]
    assert {f"{name}, against senior" for name in ("first pass", "second pass")} <= set(rows)
    assert "| second pass, against mean |" in text
    assert not list(tmp_path.rglob("mlflow.db"))
