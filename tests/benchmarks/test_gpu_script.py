"""The GPU script on a CPU, in small."""

import json
from pathlib import Path

import gpu
import gpu_pipeline
import pytest
import torch

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


def test_what_would_begin_too_late_is_left_out(tmp_path):
    text = gpu.run(gpu.DRY, ["steps", "isbi"], tmp_path, tmp_path, deadline=1.0)
    assert "steps: left out" in text
    assert "isbi: left out" in text


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
