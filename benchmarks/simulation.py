"""Seconds per simulated image on one core: one process, one thread, for every preset.

    python benchmarks/simulation.py

One image of each preset comes first and is not counted: it loads the shape model. Seconds are those of the processor,
so that other work on the machine counts little. A 1024 x 1024 pelvis image must take at most 1.5 s.
"""

from __future__ import annotations

import os

# Before NumPy and torch are loaded: they read it once.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from interleaved import write
from rich.console import Console
from rich.table import Table

from monai_landmarks.simulate import PRESETS
from monai_landmarks.simulate.dataset import simulate_case

TARGETS = {"pelvis-radiograph": 1.5}
REFERENCE = 1024 * 1024


def measure(preset: str, count: int, images: Path) -> dict[str, list[float]]:
    """Processor and wall seconds, and megapixels (1024 x 1024), of each image, file included."""
    found: dict[str, list[float]] = {"seconds": [], "wall": [], "megapixels": []}
    simulate_case(images, preset, 1, 0)
    for index in range(count):
        began, wall = time.process_time(), time.perf_counter()
        case = simulate_case(images, preset, 0, index)
        found["seconds"].append(time.process_time() - began)
        found["wall"].append(time.perf_counter() - wall)
        rows, columns = case.size or (0, 0)
        found["megapixels"].append(rows * columns / REFERENCE)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10, help="images a preset")
    given = parser.parse_args()
    table = Table(title=f"Simulation on one core, median of {given.count} images")
    for heading in ("preset", "s / image", "wall s", "Mi pixels", "s / 1 Mi pixel", "target"):
        table.add_column(heading, justify="left" if heading == "preset" else "right", overflow="fold")
    rows = {}
    for preset in PRESETS:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(preset, given.count, Path(folder))
        seconds, wall, area = (statistics.median(found[key]) for key in ("seconds", "wall", "megapixels"))
        rate = statistics.median(s / a for s, a in zip(found["seconds"], found["megapixels"]))
        target = TARGETS.get(preset)
        aim = f"<= {target}" if target else ""
        table.add_row(preset, f"{seconds:.2f}", f"{wall:.2f}", f"{area:.2f}", f"{rate:.2f}", aim)
        rows[preset] = {**found, "median": seconds, "per_1024x1024": rate, "target": target}
    Console().print(table)
    print(write("simulation", {"count": given.count, "presets": rows}))


if __name__ == "__main__":
    main()
