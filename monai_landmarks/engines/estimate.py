"""How long a training will take, before it starts."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Sequence

import torch
import torch.distributed as dist
from monai.engines import SupervisedTrainer

logger = logging.getLogger(__name__)


def estimate_training(trainer: SupervisedTrainer, size: Sequence[int], batch_size: int, samples: int) -> float:
    """Time one step on a copy of the network and tell how long the whole training will take.

    Counts forward and backward passes only; loading and validation come on top (usually 10 to 25 %).

    Args:
        trainer: gives network, device, inferer and the epochs.
        size: rows and columns of the input.
        batch_size: images a step and process.
        samples: training images an epoch, which the processes of a distributed training share.

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
    processes = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
    steps = trainer.state.max_epochs * steps_an_epoch(samples, batch_size, processes)
    total = steps * min(seconds[1:])
    where = f"{processes} x {device.type}" if processes > 1 else device
    logger.info(
        f"Training: {samples} images of {size[0]} x {size[1]}, {trainer.state.max_epochs} epochs, {steps} steps of "
        f"{min(seconds[1:]):.2f} s on {where}: about {describe_seconds(total)}, plus loading and validation."
    )
    return total


def steps_an_epoch(samples: int, batch_size: int, processes: int = 1) -> int:
    """Optimiser steps of an epoch: each process takes its share of the samples, in batches of its own."""
    return math.ceil(math.ceil(samples / processes) / batch_size)


def describe_seconds(seconds: float) -> str:
    """Seconds in words: "45 s", "12 min", "3.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
