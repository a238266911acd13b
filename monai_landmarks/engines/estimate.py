"""How long a training will take, before it starts."""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Sequence

import torch
from monai.engines import SupervisedTrainer

logger = logging.getLogger(__name__)


def estimate_training(trainer: SupervisedTrainer, size: Sequence[int], batch_size: int, samples: int) -> float:
    """Time one step on a copy of the network and tell how long the whole training will take.

    Counts forward and backward passes only; loading and validation come on top (usually 10 to 25 %).

    Args:
        trainer: gives network, device, inferer and the epochs.
        size: rows and columns of the input.
        batch_size: images a step.
        samples: training images an epoch.

    Returns:
        Seconds, also logged.
    """
    device = trainer.state.device
    network = copy.deepcopy(trainer.network).train()
    image = torch.rand(batch_size, 1, *size, device=device)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        trainer.inferer(image, network).float().square().mean().backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - began)
    steps = trainer.state.max_epochs * -(-samples // batch_size)
    total = steps * min(seconds[1:])
    logger.info(
        f"Training: {samples} images of {size[0]} x {size[1]}, {trainer.state.max_epochs} epochs, {steps} steps of "
        f"{min(seconds[1:]):.2f} s on {device}: about {describe_seconds(total)}, plus loading and validation."
    )
    return total


def describe_seconds(seconds: float) -> str:
    """Seconds in words: "45 s", "12 min", "3.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
