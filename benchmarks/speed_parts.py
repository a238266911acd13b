"""Simulating radiographs and making label regions."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from interleaved import interleave
from speed_row import Row, paired
from torch import Tensor

from monai_landmarks.curriculum import constant
from monai_landmarks.simulate import simulate_dataset
from monai_landmarks.transforms.regions import ScheduledRegions
from monai_landmarks.transforms.shapes import Diamond, Gaussian, Shape

# The paper's first radius, the diamond's, and the recipe's last, the Gaussian's.
REGIONS: dict[str, tuple[Callable[[], Shape], float]] = {
    "diamond of 65": (Diamond, 65.0),
    "Gaussian of 1": (Gaussian, 1.0),
}


def simulation_row(preset: str, count: int) -> Row:
    """One image after the other on one core, for 1024 x 1024 pixels; the processor's seconds."""
    # It sets the number of threads for all that is imported after it: not in the process that starts the others.
    from simulation import REFERENCE, TARGETS, measure

    with TemporaryDirectory() as folder:
        found = measure(preset, count, Path(folder))
    seconds = statistics.median(s / area for s, area in zip(found["seconds"], found["megapixels"]))
    limit = TARGETS.get(preset)
    side = round(REFERENCE**0.5)
    return Row(
        part="simulation",
        what=f"{preset}, 1 core",
        size=f"{side} x {side}",
        ms=1000 * seconds,
        target=f"<= {1000 * limit:g} ms" if limit else "",
        holds=seconds <= limit if limit else None,
    )


def workers_row(preset: str, count: int, workers: int) -> Row:
    """A data set by several processes against one: at best the number of processes."""
    seconds = {}
    for number in (1, workers):
        with TemporaryDirectory() as folder:
            began = time.perf_counter()
            simulate_dataset(Path(folder), preset, count=count, workers=number, progress=False)
            seconds[number] = time.perf_counter() - began
    return Row(
        part="simulation",
        what=f"{preset}, {count} images, {workers} processes",
        size="as the preset's",
        ms=1000 * seconds[workers] / count,
        against="1 process",
        other_ms=1000 * seconds[1] / count,
        ratio=seconds[workers] / seconds[1],
        target=f"limit {1 / workers:g}",
    )


def region_rows(plan: Sequence[tuple[str, int, int, int]]) -> list[Row]:
    """Regions of one image against writing as many numbers, by name, side, landmarks and pairs."""
    return [_region_row(*one) for one in plan]


def _region_row(name: str, side: int, landmarks: int, pairs: int) -> Row:
    shape, radius = REGIONS[name]
    make = ScheduledRegions(constant(radius), shape())
    points = side * torch.rand(1, landmarks, 2, generator=torch.Generator().manual_seed(0))
    wanted = (1, landmarks, side, side)
    timed = interleave(partial(make, points, (side, side)), partial(_written, wanted), pairs=pairs)
    fields: dict[str, Any] = paired(timed, 1)
    return Row(
        part="regions",
        what=name,
        size=f"{side} x {side}",
        landmarks=landmarks,
        against="writing a tensor once",
        **fields,
    )


def _written(size: tuple[int, ...]) -> Tensor:
    return torch.empty(size).fill_(1.0)
