"""What a GPU makes of it: the bare step, the paper's training, ISBI 2015 to its end.

    python benchmarks/gpu.py --isbi ISBI2015 --output runs/gpu
    python benchmarks/gpu.py --only steps pipeline             # without the data set
    python benchmarks/gpu.py --only schedule                   # then: all 350 epochs of the paper, the fastest way
    python benchmarks/gpu.py --dry-run                         # on a CPU, in small: the numbers mean nothing

- steps: images a second at 512 x 512, batch of 18, 20 landmarks, in several precisions and compilations.
- pipeline: the trainer with paper.yaml on 329 made-up images (time does not depend on what they show): images a second,
  share of the bare step with the same settings, memory, and how long 350 epochs take: the wall clock of the trainer's
  few epochs, and the missing ones at the mean of those after the first.
- schedule: the wall clock of all 350, with the variant of `pipeline` that promises to be the fastest.
- isbi: both passes of our recipe at 512 on all 148 training images of ISBI2015 (landmarks.csv, images/), then test 1,
  once. Epochs and all else are fixed before; nothing is chosen on test images.

Each row is made in a process of its own and written to OUTPUT/gpu.json and gpu.md as soon as it is done. The same
command makes the rows that failed or are missing, and continues an interrupted pass of isbi. A row that might not be
done by --deadline is left out. The exit status is 0 when all rows are there.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import gpu_isbi
import gpu_pipeline
import gpu_steps
import isbi2015
import torch
from gpu_rows import Record, about, untracked
from speed_data import make_dataset

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
    # Of the paper's largest data set.
    images: int = 329
    epochs: int = 5
    schedule: int = 350
    isbi_epochs: int = 200
    isbi_second_epochs: int = 100
    isbi_batch: int = 8
    isbi_images: int = 0
    workers: int = 8


DRY = Size(side=64, batch=2, landmarks=2, steps=2, images=5, epochs=2, schedule=3, isbi_epochs=1, isbi_second_epochs=1,
           isbi_batch=2, isbi_images=2, workers=0)  # fmt: skip
Cell = Callable[[Any], str]
CELLS: dict[str, tuple[str, Cell]] = {
    "images_per_second": ("images/s", lambda value: f"{value:.1f}"),
    "share": ("share of the bare step", lambda value: f"{100 * value:.0f} %"),
    "mb": ("memory, GB", lambda value: f"{value / 1000:.1f}"),
    "epochs": ("epochs run", str),
    "minutes": ("whole schedule, minutes", lambda value: f"{value:.1f}"),
    "graph_breaks": ("graph breaks", str),
}
TRAINING = ("images_per_second", "share", "mb", "epochs", "minutes", "graph_breaks")
TABLES = {
    "steps": ("bare step", ("images_per_second", "mb", "graph_breaks")),
    "pipeline": ("training, paper.yaml", TRAINING),
    "schedule": ("training, paper.yaml, to its end", TRAINING),
}


def minutes(epochs: int = 0, compiled: str | None = None) -> float:
    """What a row may need on an H200: a process' start and its data, a compilation, and a second an epoch."""
    return 0.5 + (2.5 if compiled else 0.0) + epochs / 60


def steps(size: Size, record: Record, data: Path) -> None:
    for variant in possible(gpu_steps.VARIANTS):
        arguments = (variant, size.side, size.batch, size.landmarks, size.steps)
        record.row("steps", variant.name, minutes(compiled=variant.compiled), gpu_steps.step_row, *arguments)


def pipeline(size: Size, record: Record, data: Path) -> None:
    for variant in possible(gpu_pipeline.VARIANTS):
        train(size, record, "pipeline", variant, size.epochs, minutes(size.epochs, variant.compiled))


def schedule(size: Size, record: Record, data: Path) -> None:
    done = [variant for variant in gpu_pipeline.VARIANTS if record.good("pipeline", variant.name)]
    if not done:
        record.lack("schedule: left out, no row of pipeline says which variant is the fastest")
        return
    rows = record.found["pipeline"]
    fastest = min(done, key=lambda variant: rows[variant.name]["minutes"])
    train(size, record, "schedule", fastest, size.schedule, 1 + 1.2 * rows[fastest.name]["minutes"])


def train(size: Size, record: Record, part: str, variant: gpu_pipeline.Variant, epochs: int, may_need: float) -> None:
    dataset = record.output / "made_up" / "dataset.json"
    if not dataset.is_file():
        make_dataset(dataset.parent, size.images, 20, (size.side, size.side))
    # On the disk that a training would write to; anew, so that none continues another.
    with tempfile.TemporaryDirectory(prefix="pipeline-", dir=record.output) as folder:
        arguments = (variant, Path(folder), dataset, size.side, size.batch, epochs, size.schedule)
        record.row(part, variant.name, may_need, gpu_pipeline.pipeline_row, *arguments)


def isbi(size: Size, record: Record, data: Path) -> None:
    folder = record.output / "isbi2015"
    file = gpu_isbi.make_dataset(data, folder, size.isbi_images)
    common: dict[str, Any] = {"num_workers": size.workers, **untracked("train#handlers")}
    first = {"max_epochs": size.isbi_epochs, "longer_side": size.side, "batch_size": size.isbi_batch}
    passes = {"first pass": {**common, **first}, "second pass": {**common, "max_epochs": size.isbi_second_epochs}}
    for name, training in passes.items():
        arguments = (folder, file, name, training, untracked("validate#handlers"))
        if not record.row("isbi", name, minutes(training["max_epochs"]), gpu_isbi.isbi_row, *arguments):
            # The second starts from the first.
            break


PARTS: dict[str, Callable[[Size, Record, Path], None]] = {
    "steps": steps,
    "pipeline": pipeline,
    "schedule": schedule,
    "isbi": isbi,
}
USUAL = ("steps", "pipeline", "isbi")


def possible(variants: Sequence[Any]) -> list[Any]:
    """On a CPU nothing is compiled: it takes minutes and says nothing about a GPU."""
    return [variant for variant in variants if torch.cuda.is_available() or not variant.compiled]


def run(size: Size, parts: Sequence[str], output: Path, data: Path, deadline: float) -> list[str]:
    """Run parts one after the other, whatever becomes of those before; what is lacking in the end, a line each."""
    file = output / "gpu.md"
    record = Record(output, asdict(size), deadline, lambda found: _write(file, report(found)))
    record.row("about", "machine", 0.0, about)
    for part in parts:
        try:
            PARTS[part](size, record, data)
        except Exception as error:
            traceback.print_exc()
            record.lack(f"{part}: {type(error).__name__}: {error}")
    print(report(record.found))
    return record.lacking


def report(found: Mapping[str, Any]) -> str:
    """Markdown of all that was found."""
    lines = [json.dumps(found.get("about", {})), "", GOAL, ""]
    for part, (title, keys) in TABLES.items():
        if rows := found.get(part):
            heads = [title, *(CELLS[key][0] for key in keys)]
            lines += ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
            lines += [*(_line(name, row, keys) for name, row in rows.items()), ""]
    rows = found.get("isbi", {})
    lines += [f"{name} cannot be run: {row['fault']}\n" for name, row in rows.items() if "fault" in row]
    if done := {name: row for name, row in rows.items() if "fault" not in row}:
        blocks = {f"{name}, against {r}": block for name, row in done.items() for r, block in row["against"].items()}
        seconds = {name: row["train_seconds"] for name, row in done.items()}
        lines += isbi2015.table({"rows": blocks, "train_seconds": seconds})
    return "\n".join(lines)


def _line(name: str, row: Mapping[str, Any], keys: Sequence[str]) -> str:
    """A row of a table; one that could not be run says why."""
    if "fault" in row:
        return f"| {name} | cannot be run: {row['fault'].replace('|', '/')} |" + " |" * (len(keys) - 1)
    return "| " + " | ".join([name, *(CELLS[key][1](row[key]) if key in row else "" for key in keys)]) + " |"


def _write(file: Path, text: str) -> None:
    file.write_text(text + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=USUAL)
    parser.add_argument("--output", type=Path, help="default: runs/gpu, of a dry run runs/gpu_dry")
    parser.add_argument("--isbi", type=Path, default=Path("../shared/data/isbi2015"))
    parser.add_argument("--deadline", type=float, default=22.0, help="minutes")
    parser.add_argument("--isbi-epochs", type=int, help="of the first pass on ISBI 2015")
    parser.add_argument("--isbi-second-epochs", type=int, help="of the second pass on ISBI 2015")
    parser.add_argument("--workers", type=int, help="processes that load ISBI 2015")
    parser.add_argument("--dry-run", action="store_true", help="in small, on a CPU")
    given = parser.parse_args()
    if not torch.cuda.is_available() and not given.dry_run:
        raise SystemExit("there is no GPU here; --dry-run shows on a CPU that the script works")
    if "isbi" in given.only and not (given.isbi / "landmarks.csv").is_file():
        raise SystemExit(f"{given.isbi / 'landmarks.csv'} is missing; --isbi names the folder, --only the other parts")
    names = ("isbi_epochs", "isbi_second_epochs", "workers")
    changes = {name: getattr(given, name) for name in names if getattr(given, name) is not None}
    size = replace(DRY if given.dry_run else Size(), **changes)
    output = given.output or Path("runs/gpu_dry" if given.dry_run else "runs/gpu")
    if lacking := run(size, given.only, output, given.isbi, given.deadline):
        raise SystemExit("\n".join(["lacking, the same command makes them:", *lacking]))


if __name__ == "__main__":
    main()
