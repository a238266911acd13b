import logging
from types import SimpleNamespace

import pytest
import torch

from monai_landmarks.engines import estimate
from monai_landmarks.engines.estimate import estimate_training, steps_an_epoch


@pytest.mark.parametrize(
    ("samples", "batch", "processes", "steps"), [(119, 4, 1, 30), (119, 4, 2, 15), (9, 4, 2, 2), (8, 4, 3, 1)]
)
def test_processes_share_the_samples(samples, batch, processes, steps):
    assert steps_an_epoch(samples, batch, processes) == steps


@pytest.mark.parametrize(("processes", "text"), [(1, "20 steps"), (2, "10 steps")])
def test_the_estimate_counts_the_processes(monkeypatch, caplog, processes, text):
    monkeypatch.setattr(estimate.dist, "is_initialized", lambda: processes > 1)
    monkeypatch.setattr(estimate.dist, "get_world_size", lambda: processes)
    state = SimpleNamespace(device=torch.device("cpu"), max_epochs=2)
    trainer = SimpleNamespace(
        state=state, network=torch.nn.Conv2d(1, 1, 1), inferer=lambda image, network: network(image)
    )
    with caplog.at_level(logging.INFO):
        estimate_training(trainer, (8, 8), batch_size=4, samples=40)
    assert text in caplog.text
