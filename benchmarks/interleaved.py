"""Two ways to do the same work, timed in turn in one process, so that whatever else the machine does hits both."""

from __future__ import annotations

import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from monai_landmarks.cores import available_cores

FOLDER = Path("runs/benchmarks")


@dataclass(frozen=True)
class Pairs:
    """Seconds of two pieces of work, pair by pair.

    Attributes:
        first, second: seconds of each run of the one and of the other.
    """

    first: list[float]
    second: list[float]

    def ratio(self) -> float:
        """Median over the pairs of first / second."""
        return statistics.median(one / other for one, other in zip(self.first, self.second))

    def quartiles(self) -> tuple[float, float]:
        """First and third quartile of the pairs' ratios."""
        low, _, high = statistics.quantiles([one / other for one, other in zip(self.first, self.second)], n=4)
        return low, high


def interleave(
    first: Callable[[], object], second: Callable[[], object], *, pairs: int = 30, warm_up: int = 2
) -> Pairs:
    """Time `first` and `second` by turns; which of them begins a pair alternates."""
    for _ in range(warm_up):
        first()
        second()
    timed = Pairs([], [])
    for number in range(pairs):
        order = [(first, timed.first), (second, timed.second)]
        for work, seconds in order if number % 2 == 0 else reversed(order):
            began = time.perf_counter()
            work()
            seconds.append(time.perf_counter() - began)
    return timed


def machine() -> dict[str, Any]:
    """What a time depends on besides the code."""
    return {
        "cores": available_cores(),
        "threads": torch.get_num_threads(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def write(name: str, result: dict[str, Any]) -> Path:
    """Write runs/benchmarks/NAME.json, with the machine."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.json"
    path.write_text(json.dumps({**result, "machine": machine()}, indent=1) + "\n", encoding="utf-8")
    return path
