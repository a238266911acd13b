import math
from types import SimpleNamespace

import pytest
import torch
from ignite.engine import Engine

from monai_landmarks.handlers.history import HistoryHandler, last_metrics, read_history


def run(path, epochs, begin=0, rank=0, validated=True):
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=0.5)
    evaluator = SimpleNamespace(
        state=SimpleNamespace(epoch=-1, key_metric_name="val_mre", metrics={}, best_metric=2.0, best_metric_epoch=1)
    )

    def step(engine, batch):
        if validated:
            evaluator.state.epoch, evaluator.state.metrics = engine.state.epoch, {"val_mre": 3.0}
        return {"loss": torch.tensor(float(batch))}

    engine = Engine(step)
    engine.state.rank = rank
    HistoryHandler(path, evaluator, optimizer, SimpleNamespace(radius=65.0), "Disk", 0.16).attach(engine)
    if begin:
        engine.load_state_dict({"epoch": begin, "max_epochs": epochs, "epoch_length": 2})
        engine.run([1, 2])
    else:
        engine.run([1, 2], max_epochs=epochs)


def test_a_row_an_epoch(tmp_path):
    run(tmp_path / "history.csv", 2)
    rows = read_history(tmp_path / "history.csv")
    assert [row["epoch"] for row in rows] == [1, 2]
    assert rows[0]["loss"] == 1.5
    assert (rows[0]["radius"], rows[0]["learning_rate"], rows[0]["val_mre"]) == (65, 0.5, 3)
    assert last_metrics(tmp_path / "history.csv")["loss"] == pytest.approx(1.5)
    assert (rows[0]["shape"], rows[0]["field_of_view"]) == ("Disk", 0.16)
    assert set(last_metrics(tmp_path / "history.csv")) == {"loss", "radius", "learning_rate", "val_mre", "seconds"}


def test_a_history_without_shapes_is_continued(tmp_path):
    path = tmp_path / "history.csv"
    path.write_text("epoch,loss,radius,learning_rate,val_mre,seconds\n1,2,3,4,nan,6\n")
    run(path, 2, begin=1)
    assert [row["shape"] for row in read_history(path)] == ["", "Disk"]
    assert [row["field_of_view"] for row in read_history(path)] == [1.0, 0.16]


def test_a_resumed_run_continues_after_its_last_epoch(tmp_path):
    run(tmp_path / "history.csv", 3)
    run(tmp_path / "history.csv", 4, begin=2)
    assert [row["epoch"] for row in read_history(tmp_path / "history.csv")] == [1, 2, 3, 4]


def test_an_epoch_without_validation_has_no_number(tmp_path, caplog):
    caplog.set_level("INFO")
    run(tmp_path / "history.csv", 1, validated=False)
    assert "nan" not in caplog.text
    assert "loss 1.5000" in caplog.text
    assert math.isnan(read_history(tmp_path / "history.csv")[0]["val_mre"])
    assert "val_mre" not in last_metrics(tmp_path / "history.csv")


def test_other_ranks_write_nothing(tmp_path):
    run(tmp_path / "history.csv", 1, rank=1)
    assert not (tmp_path / "history.csv").exists()
