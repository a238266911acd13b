"""The GPU script on a CPU, in small."""

import json
import os
import sys
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import gpu
import gpu_isbi
import gpu_pipeline
import gpu_rows
import gpu_steps
import pytest
import torch
from ignite.engine import Engine, Events
from monai.bundle import ConfigParser
from PIL import Image

from monai_landmarks.errors import LandmarksError

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


@pytest.fixture
def at_once(monkeypatch):
    """Rows are made in this process: a new one takes seconds to import PyTorch."""

    def in_this_process(name, function, *arguments):
        return function(*arguments)

    monkeypatch.setattr(gpu_rows, "in_own_process", in_this_process)


def fail(*_):
    raise RuntimeError("CUDA error: an illegal memory access | was met\nmore lines")


def training_row(seconds):
    def row(variant, folder, dataset, side, batch, epochs, whole):
        assert dataset.is_file()
        assert not list(folder.iterdir())
        (folder / "checkpoint.pt").touch()
        numbers = {"images_per_second": 1234.5, "share": 0.9, "mb": 10.0, "epochs": epochs}
        return {**numbers, "minutes": seconds.get(variant.name, 60.0) / 60}

    return row


def isbi_row(folder, file, name, *_):
    block = {"mre": 1.0, "median": 1.0, "sdr": dict.fromkeys(SDR, 1)}
    return {"train_seconds": 60.0, "against": {"mean": block}}


def test_a_row_that_fails_leaves_the_others(tmp_path, at_once, monkeypatch, capsys):
    def step(variant, *_):
        return fail() if variant.amp else {"images_per_second": 1.0, "mb": 2000.0}

    monkeypatch.setattr(gpu_steps, "step_row", step)
    monkeypatch.setattr(gpu_pipeline, "pipeline_row", training_row({}))
    lacking = gpu.run(gpu.DRY, ["steps", "isbi", "pipeline"], tmp_path / "out", tmp_path / "nowhere", deadline=100.0)
    fault = "RuntimeError: CUDA error: an illegal memory access | was met"
    names = [v.name for v in gpu_steps.VARIANTS if v.amp and not v.compiled]
    assert lacking[:-1] == [f"steps, {name}: {fault}" for name in names]
    # The data set is missing: no row of its part can be made.
    assert lacking[-1].startswith("isbi: ")
    found = json.loads((tmp_path / "out" / "gpu.json").read_text())
    assert [row.get("fault") for row in found["steps"].values()] == [None, fault, fault]
    assert len(found["pipeline"]) == len([v for v in gpu_pipeline.VARIANTS if not v.compiled])
    table = (tmp_path / "out" / "gpu.md").read_text()
    assert "| bfloat16 | cannot be run: RuntimeError: CUDA error: an illegal memory access / was met | | |" in table
    assert "| 1234.5 | 90 % |" in table
    assert capsys.readouterr().out.endswith(table)


def test_a_process_that_dies_is_a_fault(monkeypatch):
    def die(*_):
        raise LandmarksError("a: its process was killed")

    monkeypatch.setattr(gpu_rows, "in_own_process", die)
    assert gpu_rows.separately("a", dict) == {"fault": "a: its process was killed"}


def test_each_row_is_saved_and_the_same_command_makes_the_others(tmp_path, at_once):
    settings, told, calls = asdict(gpu.DRY), [], []

    def row(name):
        calls.append(name)
        return {"value": len(told)} if name != "b" or len(calls) > 2 else fail()

    for _ in range(2):
        record = gpu_rows.Record(tmp_path, settings, 1.0, lambda found: told.append(json.loads(json.dumps(found))))
        kept = [record.row("part", name, 0.5, row, name) for name in "ab"]
    assert calls == ["a", "b", "b"]
    assert kept == [True, True]
    assert record.lacking == []
    assert [list(found["part"]) for found in told] == [["a"], ["a", "b"], ["a", "b"]]
    assert json.loads((tmp_path / "gpu.json").read_text()) == told[-1]
    with pytest.raises(SystemExit, match="other settings"):
        gpu_rows.Record(tmp_path, {**settings, "side": 32}, 1.0, told.append)


def test_what_would_begin_too_late_is_told(tmp_path, at_once, capsys):
    record = gpu_rows.Record(tmp_path, {}, 2.0, lambda found: None)
    assert record.row("part", "a", 1.5, dict)
    assert not record.row("part", "b", 2.5, fail)
    assert record.lacking == ["part, b: left out, 2.0 minutes are left and it may need 2.5"]
    assert record.lacking[0] in capsys.readouterr().out
    assert "b" not in record.found["part"]


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
    assert gpu_pipeline.schedule_minutes(60.0, 3.0, 0) == 1.0
    assert gpu_pipeline.schedule_minutes(60.0, 3.0, 20) == 2.0


def test_the_whole_schedule_is_that_of_the_fastest(tmp_path, at_once, monkeypatch):
    chosen = gpu_pipeline.VARIANTS[2].name
    monkeypatch.setattr(gpu_pipeline, "pipeline_row", training_row({chosen: 30.0}))
    for _ in range(2):
        assert gpu.run(gpu.DRY, ["pipeline", "schedule"], tmp_path, tmp_path, deadline=100.0) == []
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert {name: row["epochs"] for name, row in found["schedule"].items()} == {chosen: gpu.DRY.schedule}
    assert {row["epochs"] for row in found["pipeline"].values()} == {gpu.DRY.epochs}
    (lacking,) = gpu.run(gpu.DRY, ["schedule"], tmp_path / "other", tmp_path, deadline=100.0)
    assert "no row of pipeline" in lacking
    # Trainings are thrown away, the data set of all of them is kept.
    assert {path.name for path in tmp_path.iterdir()} == {"gpu.md", "gpu.json", "made_up", "other"}


def write_isbi(folder):
    """Three images of each split, and the two that are left out."""
    (folder / "images").mkdir(parents=True)
    cases = {**dict.fromkeys(("001", "002", "003", *gpu.isbi2015.DUPLICATES), "train"), **dict.fromkeys("abc", "test1")}
    lines = [f"{name},{split},{reader},3,4" for name, split in cases.items() for reader in ("senior", "junior")]
    (folder / "landmarks.csv").write_text("\n".join(["image,split,annotator,sella_x,sella_y", *lines]) + "\n")
    for name in cases:
        Image.new("L", (8, 8)).save(folder / "images" / f"{name}.png")


def test_the_second_pass_waits_for_the_first(tmp_path, at_once, monkeypatch):
    write_isbi(tmp_path / "data")
    monkeypatch.setattr(gpu_isbi, "isbi_row", fail)
    (lacking,) = gpu.run(gpu.DRY, ["isbi"], tmp_path / "out", tmp_path / "data", deadline=100.0)
    assert lacking.startswith("isbi, first pass: RuntimeError")
    monkeypatch.setattr(gpu_isbi, "isbi_row", isbi_row)
    assert len(gpu.run(gpu.DRY, ["isbi"], tmp_path / "out", tmp_path / "data", deadline=0.1)) == 1
    assert gpu.run(gpu.DRY, ["isbi"], tmp_path / "out", tmp_path / "data", deadline=100.0) == []
    table = (tmp_path / "out" / "gpu.md").read_text()
    assert "cannot be run" not in table
    assert "| second pass, against mean | 1.00 |" in table


@pytest.mark.parametrize(("size", "cases"), [(gpu.DRY, 4), (replace(gpu.DRY, isbi_images=0), 6)])
def test_isbi_without_its_duplicates(tmp_path, size, cases):
    write_isbi(tmp_path / "data")
    for _ in range(2):
        file = gpu_isbi.make_dataset(tmp_path / "data", tmp_path / "out", size.isbi_images)
    assert len(gpu_isbi.load_dataset(file).cases) == cases


@pytest.mark.parametrize("handlers", ["train#handlers", "validate#handlers"])
def test_what_is_left_out_is_the_tracker(handlers):
    configs = gpu_rows.shipped_bundles()["label_augmentation"] / "configs"
    parser = ConfigParser()
    parser.read_config([str(configs / f"{name}.yaml") for name in ("train", "evaluate")])
    (entry,) = gpu_rows.without_trackers(handlers)
    assert parser[entry.removesuffix("#_disabled_")]["_target_"].endswith("Tracker")


@pytest.mark.parametrize(("options", "folder"), [([], "runs/gpu_dry"), (["--output", "runs/other"], "runs/other")])
def test_a_dry_run_has_a_folder_of_its_own(monkeypatch, options, folder):
    given = []
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--dry-run", "--only", "steps", *options])
    monkeypatch.setattr(gpu, "run", lambda *arguments: given.extend(arguments))
    gpu.main()
    assert given[2] == Path(folder)


def test_whatever_is_lacking_is_an_exit_status(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--dry-run", "--only", "steps"])
    monkeypatch.setattr(gpu, "run", lambda *_: ["steps, a: left out"])
    with pytest.raises(SystemExit, match=r"(?s)lacking.*steps, a"):
        gpu.main()


def test_a_missing_data_set_is_told_before_all_else(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gpu.py", "--dry-run", "--isbi", str(tmp_path)])
    monkeypatch.setattr(gpu, "run", fail)
    with pytest.raises(SystemExit, match=r"landmarks.csv is missing; --isbi"):
        gpu.main()


def test_compilations_have_a_cache_of_their_own(monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "shared")
    config = torch._dynamo.config
    with config.patch(recompile_limit=8):
        network = torch.nn.Linear(2, 2)
        with gpu_steps.compilation(network, "default") as compiled:
            assert Path(os.environ["TORCHINDUCTOR_CACHE_DIR"]).is_dir()
            assert network._compiled_call_impl is not None
            assert config.recompile_limit > 8
            assert list(compiled()) == ["graph_breaks"]
    with gpu_steps.compilation(torch.nn.Linear(2, 2), None) as compiled:
        assert compiled() == {}


@pytest.mark.slow
def test_rows_in_processes_of_their_own(tmp_path):
    """One ends in the middle; the next one is made, and so is a training to its end."""
    record = gpu_rows.Record(tmp_path, asdict(gpu.DRY), 100.0, lambda found: None)
    assert not record.row("steps", "dies", 0.0, os._exit, 3)
    parts = ["steps", "pipeline", "schedule"]
    assert gpu.run(gpu.DRY, parts, tmp_path, tmp_path, deadline=100.0) == []
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert "its process was killed" in found["steps"].pop("dies")["fault"]
    assert all(row["images_per_second"] > 0 for row in found["steps"].values())
    assert list(found["pipeline"]) == [v.name for v in gpu_pipeline.VARIANTS if not v.compiled]
    assert all(row["minutes"] > 0 and row["share"] > 0 for row in found["pipeline"].values())
    (whole,) = found["schedule"].values()
    assert whole["minutes"] == whole["seconds"] / 60


@pytest.mark.slow
@pytest.mark.skipif(not ISBI.is_dir(), reason="needs shared/data/isbi2015")
def test_isbi_without_mlflow_and_once_more_after_its_training(tmp_path, monkeypatch):
    """As on the GPU machine, where nothing is tracked."""
    monkeypatch.setattr(gpu, "untracked", gpu_rows.without_trackers)
    assert gpu.run(gpu.DRY, ["isbi"], tmp_path, ISBI, deadline=100.0) == []
    found = json.loads((tmp_path / "gpu.json").read_text())
    rows = found["isbi"]
    assert {name: set(row["against"]) for name, row in rows.items()} == {key: set(gpu.isbi2015.READERS) for key in rows}
    assert "| second pass, against mean |" in (tmp_path / "gpu.md").read_text()
    assert not list(tmp_path.rglob("mlflow.db"))
    # As if it had been cut off between training and evaluation.
    second = rows.pop("second pass")
    (tmp_path / "gpu.json").write_text(json.dumps(found))
    assert gpu.run(gpu.DRY, ["isbi"], tmp_path, ISBI, deadline=100.0) == []
    again = json.loads((tmp_path / "gpu.json").read_text())["isbi"]["second pass"]
    assert (again["against"], again["train_seconds"]) == (second["against"], second["train_seconds"])
