"""How long a training will take, before it starts."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Callable, Sequence

import torch
import torch.distributed as dist
from monai.engines import SupervisedTrainer
from torch import Tensor

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
    image = torch.rand(batch_size, 1, *size, device=trainer.state.device)
    network = copy.deepcopy(trainer.network).train()
    seconds = _step_seconds(lambda: trainer.inferer(image, network).float().square().mean(), trainer.state.device)
    return _tell(trainer, seconds, f"{samples} images of {size[0]} x {size[1]}", batch_size, samples)


def estimate_pairs(trainer: SupervisedTrainer, size: Sequence[int], patch: int, batch_size: int, samples: int) -> float:
    """The same for a training on pairs of an image and a patch of `patch` x `patch` pixels (`networks.pair`)."""
    image = torch.rand(batch_size, 1, *size, device=trainer.state.device)
    crop = torch.rand(batch_size, 1, patch, patch, device=trainer.state.device)
    network = copy.deepcopy(trainer.network).train()

    def loss() -> Tensor:
        scales = trainer.inferer(image, network, crop)
        return torch.stack([scale.mean((-2, -1)).square().mean() for view in scales for scale in view]).sum()

    seconds = _step_seconds(loss, trainer.state.device)
    return _tell(
        trainer, seconds, f"{samples} pairs of {size[0]} x {size[1]} and {patch} x {patch}", batch_size, samples
    )


def _step_seconds(loss: Callable[[], Tensor], device: torch.device) -> float:
    """Time of one forward and backward pass; the first of three, which also allocates, does not count."""
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        loss().backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


def _tell(trainer: SupervisedTrainer, seconds: float, what: str, batch_size: int, samples: int) -> float:
    """Log and return how long all steps take."""
    processes = dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1
    steps = trainer.state.max_epochs * steps_an_epoch(samples, batch_size, processes)
    device = trainer.state.device
    where = f"{processes} x {device.type}" if processes > 1 else device
    logger.info(
        f"Training: {what}, {trainer.state.max_epochs} epochs, {steps} steps of "
        f"{seconds:.2f} s on {where}: about {describe_seconds(steps * seconds)}, plus loading and validation."
    )
    return steps * seconds


def steps_an_epoch(samples: int, batch_size: int, processes: int = 1) -> int:
    """Optimiser steps of an epoch: each process takes its share of the samples, in batches of its own."""
    return math.ceil(math.ceil(samples / processes) / batch_size)


def describe_seconds(seconds: float) -> str:
    """Seconds in words: "45 s", "12 min", "3.5 h"."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
