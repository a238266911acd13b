"""The timing of pairs, and the contests of the region benchmark."""

import json

import interleaved
import numpy as np
import pytest
import regions
import torch
from ignite.engine import Engine
from training_step import AlternatingBatches


def test_the_ratio_is_the_median_over_pairs():
    pairs = interleaved.Pairs([2.0, 9.0, 8.0], [1.0, 3.0, 1.0])
    assert pairs.ratio() == 3.0
    assert pairs.quartiles() == (2.0, 8.0)


def test_pairs_alternate_after_the_warm_up():
    order = []
    timed = interleaved.interleave(lambda: order.append("a"), lambda: order.append("b"), pairs=4, warm_up=1)
    assert "".join(order) == "ab" + "abbaabba"
    assert len(timed.first) == len(timed.second) == 4


def test_a_result_is_written_with_the_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(interleaved, "FOLDER", tmp_path / "benchmarks")
    content = json.loads(interleaved.write("some", {"ratio": 1.0}).read_text())
    assert content["ratio"] == 1.0
    assert content["machine"]["threads"] == torch.get_num_threads()


@pytest.mark.parametrize("dtype", [torch.bool, torch.float32])
def test_contestants_read_the_same_regions(dtype):
    pixels = np.array([[[0, 0], [300, 200]]])
    masks, points = regions.masks_of(pixels), torch.from_numpy(pixels.astype(np.float32))
    assert masks.sum() == 2
    for theirs, ours in regions.contests(masks, points, dtype).values():
        if dtype == torch.bool:
            assert theirs() == ours()
        else:
            assert ours() != 0


def test_the_engine_and_the_bare_step_alternate():
    order = []
    batches = AlternatingBatches({"image": 1}, lambda: order.append("bare"), pairs=2)
    for batch in batches:
        assert batch == {"image": 1}
        order.append("engine")
    assert order == ["bare", "engine"] * len(batches)
    assert len(batches.timed.first) == len(batches.timed.second) == 2


def test_the_engine_leaves_as_many_pairs_as_asked_for():
    batches = AlternatingBatches({}, lambda: None, pairs=3)
    Engine(lambda engine, batch: None).run(batches, max_epochs=1, epoch_length=len(batches))
    assert len(batches.timed.first) == len(batches.timed.second) == 3
