"""A training step and a prediction with freed memory kept, against the same in a process that gives it back."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from interleaved import interleave
from speed_prediction import network_of
from speed_row import Row, paired

from monai_landmarks.data.dataset import State
from monai_landmarks.engines.allocator import keep_freed_memory
from monai_landmarks.engines.processes import in_own_process
from monai_landmarks.losses.region import SpatialCrossEntropy

_prepared: dict[str, Callable[[], object]] = {}


def allocator_rows(side: int, landmarks: int, batch_size: int, pairs: int) -> Iterator[Row]:
    """Both, on one thread; each of the two processes does nothing else. None where the C library has nothing to set."""
    if not in_own_process("allocator", keep_freed_memory):
        print("allocator: this C library has nothing to set")
        return
    for name, make, batch in (("training step", _training, batch_size), ("prediction", _prediction, 1)):
        with (
            _process(True, make, side, landmarks, batch) as kept,
            _process(False, make, side, landmarks, batch) as back,
        ):
            fields: dict[str, Any] = paired(interleave(kept, back, pairs=pairs), batch)
        yield Row(
            part="allocator",
            what=f"{name}, batch of {batch}, 1 thread",
            size=f"{side} x {side}",
            landmarks=landmarks,
            against="freed memory given back",
            **fields,
        )


@contextmanager
def _process(keep: bool, *work: Any) -> Iterator[Callable[[], object]]:
    """Runs the work once a call, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=_prepare, initargs=(keep, *work)) as pool:
        yield lambda: pool.submit(_again).result()


def _prepare(keep: bool, make: Callable[[int, int, int], Callable[[], object]], *size: int) -> None:
    torch.set_num_threads(1)
    if keep:
        keep_freed_memory()
    _prepared["work"] = make(*size)


def _again() -> None:
    _prepared["work"]()


def _training(side: int, landmarks: int, batch_size: int) -> Callable[[], object]:
    network = network_of(landmarks).train()
    optimizer, loss_function = torch.optim.AdamW(network.parameters()), SpatialCrossEntropy()
    image = torch.rand(batch_size, 1, side, side).to(memory_format=torch.channels_last)
    region = torch.zeros(batch_size, landmarks, side, side)
    region[..., side // 2, side // 2] = 1.0
    target = {"region": region, "state": torch.full((batch_size, landmarks), int(State.PRESENT))}

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss_function(network(image), target).backward()
        optimizer.step()

    return step


def _prediction(side: int, landmarks: int, batch_size: int) -> Callable[[], object]:
    network, image = network_of(landmarks), torch.rand(batch_size, 1, side, side)
    return torch.no_grad()(partial(network, image))
