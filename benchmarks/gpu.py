"""What a GPU makes of it, in one go of at most 25 minutes: the bare step, the paper's training, ISBI 2015 to its end.

    python benchmarks/gpu.py --isbi ISBI2015 --output runs/gpu
    python benchmarks/gpu.py --only steps pipeline             # without the data set
    python benchmarks/gpu.py --full-schedule                   # all 350 epochs of the paper, not a few of them
    python benchmarks/gpu.py --dry-run                         # on a CPU, in small: the numbers mean nothing

- steps: images a second at 512 x 512, batch of 18, 20 landmarks, in several precisions and compilations.
- pipeline: the trainer with paper.yaml on 329 made-up images (time does not depend on what they show): images a second,
  share of the bare step with the same settings, memory, and how long 350 epochs take: the wall clock of the trainer's
  few epochs, and the missing ones at the mean of those after the first. --full-schedule misses none.
- isbi: both passes of our recipe at 512 on all 148 training images of ISBI2015 (landmarks.csv, images/), then test 1,
  once. Epochs and all else are fixed before; nothing is chosen on test images.

Each part is written to OUTPUT/gpu.md and gpu.json as soon as it is done. --deadline leaves out what would begin too
late. No training continues an earlier one: each isbi part trains in a folder of its own, OUTPUT/isbi2015-*.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import isbi2015
import torch
from gpu_pipeline import EPOCHS, IMAGES, UNTRACKED, pipeline_rows, schedule_minutes
from gpu_steps import step_rows
from interleaved import machine

from monai_landmarks.data.dataset import load_dataset

GOAL = "Goals: the paper's 350 epochs in 15 minutes on an H200; ISBI 2015 test 1 MRE 1.05 mm, 88 % below 2 mm."


@dataclass(frozen=True, kw_only=True)
class Size:
    """How much is run: of the input, a step, the paper's data set and schedule, and ISBI 2015's two passes.

    `isbi_images`: so many of each split; 0 for all.
    """

    side: int = 512
    batch: int = 18
    landmarks: int = 20
    steps: int = 30
    images: int = IMAGES
    epochs: int = 5
    isbi_epochs: int = 200
    isbi_second_epochs: int = 100
    isbi_batch: int = 8
    isbi_images: int = 0
    workers: int = 8


DRY = Size(side=64, batch=2, landmarks=2, steps=2, images=5, epochs=2, isbi_epochs=1, isbi_second_epochs=1,
           isbi_batch=2, isbi_images=2, workers=0)  # fmt: skip


def steps(size: Size, output: Path, device: torch.device, data: Path) -> list[str]:
    rows = list(step_rows(device, size.side, size.batch, size.landmarks, size.steps))
    _save(output, "steps", rows)
    lines = [
        f"| bare step, {size.side} x {size.side}, batch of {size.batch} | images/s | memory, GB |",
        "|---|---|---|",
    ]
    return lines + [_line(row, ("images_per_second", "mb")) for row in rows]


def pipeline(size: Size, output: Path, device: torch.device, data: Path) -> list[str]:
    # On the disk that a training would write to.
    with tempfile.TemporaryDirectory(prefix="pipeline-", dir=output) as folder:
        rows = list(pipeline_rows(Path(folder), device, size.side, size.batch, size.images, size.epochs))
    for row in rows:
        if "seconds" in row:
            row["minutes"] = schedule_minutes(row, size.epochs)
    _save(output, "pipeline", rows)
    source = "elapsed" if size.epochs == EPOCHS else f"from {size.epochs}"
    about = f"{EPOCHS} epochs on {size.images} images, minutes ({source})"
    lines = [f"| training, paper.yaml | images/s | share of the bare step | memory, GB | {about} |", "|---" * 5 + "|"]
    return lines + [_line(row, ("images_per_second", "share", "mb", "minutes")) for row in rows]


def isbi(size: Size, output: Path, device: torch.device, data: Path) -> list[str]:
    if not (data / "landmarks.csv").is_file():
        return [f"ISBI 2015: {data / 'landmarks.csv'} is missing, so it is left out; --isbi names the folder."]
    folder = Path(tempfile.mkdtemp(prefix="isbi2015-", dir=output))
    file = isbi2015.make_dataset(data, folder, 0.0)
    if size.isbi_images:
        _keep_few(file, size.isbi_images)
    common: dict[str, Any] = {"num_workers": size.workers, **UNTRACKED}
    passes = {
        "first pass": {
            **common,
            "max_epochs": size.isbi_epochs,
            "longer_side": size.side,
            "batch_size": size.isbi_batch,
        },
        "second pass": {**common, "max_epochs": size.isbi_second_epochs},
    }
    began = time.perf_counter()
    seconds = isbi2015.train(folder, file, passes, validation=False)
    dataset = load_dataset(file)
    rows: dict[str, Any] = {}
    untracked = {"validate#handlers#1#_disabled_": True} if UNTRACKED else {}
    for name in passes:
        results = isbi2015.evaluate(folder, file, name, "test", **untracked)
        rows |= {f"{name}, against {r}": isbi2015.against(results, dataset, "test", r) for r in isbi2015.READERS}
    result = {"train_seconds": seconds, "rows": rows, "passes": passes, "seconds": time.perf_counter() - began}
    _save(output, "isbi", {**result, "folder": folder.name})
    return isbi2015.table(result)


PARTS: dict[str, Callable[[Size, Path, torch.device, Path], list[str]]] = {
    "steps": steps,
    "pipeline": pipeline,
    "isbi": isbi,
}
# Minutes a part may need on an H200; it is not begun with less left.
NEEDS = {"steps": 3.0, "pipeline": 4.0, "isbi": 8.0}


def run(size: Size, parts: Sequence[str], output: Path, data: Path, deadline: float) -> str:
    """Run parts one after the other; their Markdown."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    output.mkdir(parents=True, exist_ok=True)
    about = {
        "device": torch.cuda.get_device_name() if device.type == "cuda" else "CPU",
        "tracking": "none" if UNTRACKED else "MLflow",
        **machine(),
    }
    lines: list[str] = []

    def tell(*more: str) -> None:
        lines.extend(more)
        print("\n".join(more), flush=True)
        (output / "gpu.md").write_text("\n".join(lines) + "\n", encoding="utf-8")

    tell(f"{time.strftime('%Y-%m-%d')}: {json.dumps(about)}", "", GOAL)
    began = time.perf_counter()
    for part in parts:
        started = time.perf_counter()
        left = deadline - (started - began) / 60
        if left < NEEDS[part]:
            tell("", f"{part}: left out, {left:.0f} of {deadline:g} minutes are left and it may need {NEEDS[part]:g}.")
        else:
            tell("", *PARTS[part](size, output, device, data), "", f"({time.perf_counter() - started:.0f} s)")
    return "\n".join(lines)


def _save(output: Path, part: str, content: Any) -> None:
    file = output / "gpu.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    file.write_text(json.dumps({**known, part: content}, indent=1) + "\n", encoding="utf-8")


def _keep_few(file: Path, count: int) -> None:
    dataset = load_dataset(file)
    cases = [case for split in ("training", "test") for case in dataset.select(split)[:count]]
    dataset.model_copy(update={"cases": cases}).save(file)


def _line(row: dict[str, Any], keys: Sequence[str]) -> str:
    """A row of a table; one that could not be run says why."""
    if "fault" in row:
        return f"| {row['name']} | cannot be run: {row['fault'].replace('|', '/')} |" + " |" * (len(keys) - 1)
    texts = {"mb": lambda mb: f"{mb / 1000:.1f}", "share": lambda share: f"{100 * share:.0f} %"}
    cells = [texts.get(key, lambda value: f"{value:.3g}")(row[key]) for key in keys]
    return "| " + " | ".join([row["name"], *cells]) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--output", type=Path, help="default: runs/gpu, of a dry run runs/gpu_dry")
    parser.add_argument("--isbi", type=Path, default=Path("../shared/data/isbi2015"))
    parser.add_argument("--deadline", type=float, default=25.0, help="minutes")
    parser.add_argument("--isbi-epochs", type=int, help="of the first pass on ISBI 2015")
    parser.add_argument("--isbi-second-epochs", type=int, help="of the second pass on ISBI 2015")
    parser.add_argument("--full-schedule", action="store_true", help="all epochs of the paper's training")
    parser.add_argument("--dry-run", action="store_true", help="in small, on a CPU")
    given = parser.parse_args()
    if not torch.cuda.is_available() and not given.dry_run:
        raise SystemExit("there is no GPU here; --dry-run shows on a CPU that the script works")
    changes = {name: getattr(given, name) for name in ("isbi_epochs", "isbi_second_epochs") if getattr(given, name)}
    changes |= {"epochs": EPOCHS} if given.full_schedule else {}
    size = replace(DRY if given.dry_run else Size(), **changes)
    output = given.output or Path("runs/gpu_dry" if given.dry_run else "runs/gpu")
    run(size, given.only, output, given.isbi, given.deadline)


if __name__ == "__main__":
    main()
