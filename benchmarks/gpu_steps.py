"""The bare training step in several precisions, memory formats and compilations: the limit of a training's speed."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from monai_landmarks.curriculum import paper
from monai_landmarks.engines.footprint import peak_memory
from monai_landmarks.losses.region import RegionBCE
from monai_landmarks.networks.unet import LandmarkUNet
from monai_landmarks.transforms.regions import ScheduledRegions


@dataclass(frozen=True)
class Variant:
    """How a step is run; `compiled` is a mode of torch.compile, "reduce-overhead" uses CUDA graphs."""

    name: str
    amp: bool = False
    channels_last: bool = False
    compiled: str | None = None


VARIANTS = (
    Variant("float32 (TF32)"),
    Variant("bfloat16", amp=True),
    Variant("bfloat16, channels_last", amp=True, channels_last=True),
    Variant("bfloat16, channels_last, torch.compile", True, True, "default"),
    Variant("bfloat16, channels_last, torch.compile with CUDA graphs", True, True, "reduce-overhead"),
)


def this_device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def synchronised(device: torch.device) -> float:
    """The time when everything that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def memory_mb(device: torch.device) -> float:
    """Largest memory of this process so far: the device's, on a CPU the resident one."""
    return torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else peak_memory() / 1e6


def fast(device: torch.device) -> None:
    """cuDNN free to choose its algorithms, which MONAI's set_determinism forbids, and TF32 for what is in float32.

    Convolutions in float32 use TF32 by PyTorch's default already.
    """
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = True, False


@contextmanager
def compilation(network: nn.Module, mode: str | None) -> Iterator[Callable[[], dict[str, int]]]:
    """torch.compile with nothing of an earlier one's on the disk; None compiles nothing. Yields `graph_breaks` so far.

    Each size of batch is compiled for itself: a graph for any size would be used for the common one too, and be slower.
    The blocks of a network share their code, and so one limit of compilations, beyond which they would silently run
    uncompiled: it is raised.
    """
    if mode is None:
        yield lambda: {}
        return
    from torch._dynamo import config
    from torch._dynamo.utils import counters

    with tempfile.TemporaryDirectory(prefix="inductor-", ignore_cleanup_errors=True) as cache:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        config.recompile_limit = 256
        network.compile(mode=mode, dynamic=False)
        yield lambda: {"graph_breaks": sum(counters["graph_break"].values())}


def seconds_of(work: Callable[[], object], device: torch.device, count: int, warm_up: int = 3) -> float:
    """Mean seconds of `count` runs after each other, as a training makes them."""
    for _ in range(warm_up):
        work()
    began = synchronised(device)
    for _ in range(count):
        work()
    return (synchronised(device) - began) / count


def step_row(variant: Variant, side: int, batch: int, landmarks: int, steps: int) -> dict[str, Any]:
    """images_per_second and mb of a variant, and graph_breaks where it is compiled.

    For a process of its own: its settings stay.
    """
    device = this_device()
    fast(device)
    torch.manual_seed(0)
    network = LandmarkUNet(landmarks).to(device).train()
    with compilation(network, variant.compiled) as compiled:
        step = _step(network, variant, device, side, batch, landmarks)
        seconds = seconds_of(step, device, steps)
        return {"images_per_second": batch / seconds, "mb": memory_mb(device), **compiled()}


def _step(
    network: nn.Module, variant: Variant, device: torch.device, side: int, batch: int, landmarks: int
) -> Callable[[], None]:
    memory_format = torch.channels_last if variant.channels_last else torch.contiguous_format
    network.to(memory_format=memory_format)  # type: ignore[call-overload]
    optimizer, loss = torch.optim.AdamW(network.parameters()), RegionBCE()
    image = torch.rand(batch, 1, side, side, device=device).to(memory_format=memory_format)
    points = side * torch.rand(batch, landmarks, 2, device=device)
    target = {
        "region": ScheduledRegions(paper())(points, (side, side)),
        "state": torch.ones(batch, landmarks, device=device, dtype=torch.long),
    }

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=variant.amp):
            logits = network(image)
        loss(logits.float(), target).backward()
        optimizer.step()

    return step
