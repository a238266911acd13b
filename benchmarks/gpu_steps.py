"""The bare training step in several precisions, memory formats and compilations: the limit of a training's speed."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

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


def synchronised(device: torch.device) -> float:
    """The time when everything that was asked of the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def memory_mb(device: torch.device) -> float:
    """Largest memory since `forget_memory`: the device's, on a CPU the process' resident one."""
    return torch.cuda.max_memory_allocated(device) / 1e6 if device.type == "cuda" else peak_memory() / 1e6


def forget_memory(device: torch.device) -> None:
    """Start to count anew, without what was run before: a training is a web of references to itself."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def fast(device: torch.device) -> None:
    """TF32, and cuDNN free to choose its algorithms; MONAI's set_determinism forbids both."""
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = True, False
        torch.backends.cudnn.allow_tf32 = True


def seconds_of(work: Callable[[], object], device: torch.device, count: int, warm_up: int = 3) -> float:
    """Mean seconds of `count` runs after each other, as a training makes them."""
    for _ in range(warm_up):
        work()
    began = synchronised(device)
    for _ in range(count):
        work()
    return (synchronised(device) - began) / count


def step_rows(device: torch.device, side: int, batch: int, landmarks: int, steps: int) -> Iterator[dict[str, Any]]:
    """images_per_second and mb of each variant; `fault` in place of them where one cannot be run.

    On a CPU nothing is compiled: it takes minutes and says nothing about a GPU.
    """
    fast(device)
    for variant in VARIANTS:
        if variant.compiled and device.type == "cpu":
            continue
        forget_memory(device)
        try:
            seconds = seconds_of(_step(variant, device, side, batch, landmarks), device, steps)
        # torch.compile needs a compiler and a card that it knows; whatever it says is the row's text.
        except Exception as error:
            yield {"name": variant.name, "fault": f"{type(error).__name__}: {str(error).partition(chr(10))[0][:160]}"}
            continue
        yield {"name": variant.name, "images_per_second": batch / seconds, "mb": memory_mb(device)}


def _step(variant: Variant, device: torch.device, side: int, batch: int, landmarks: int) -> Callable[[], None]:
    memory_format = torch.channels_last if variant.channels_last else torch.contiguous_format
    torch.manual_seed(0)
    network = LandmarkUNet(landmarks).to(device).train()
    network.to(memory_format=memory_format)  # type: ignore[call-overload]
    if variant.compiled:
        network.compile(mode=variant.compiled)
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
