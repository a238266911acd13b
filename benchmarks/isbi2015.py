"""ISBI 2015 cephalograms: the recipe chosen on held-out training images, refitted on all of them, tested once.

    python benchmarks/isbi2015.py DATA development --output runs/isbi2015/development
    python benchmarks/isbi2015.py DATA final --output runs/isbi2015/final
    python benchmarks/isbi2015.py DATA final --output runs/isbi2015/tiny --tiny     # in small, the numbers mean nothing

DATA holds landmarks.csv (150 training and 150 test 1 images, two readers) and images/. `development` trains on four
fifths of the training images and scores the rest; whatever is chosen, is chosen there. `final` trains on all of them
for as many epochs and evaluates test 1, once: a finished result is printed, not made again. Two training images are
byte for byte in test 1 and are left out of both.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from monai_landmarks.data.dataset import LandmarkDataset, Split, load_dataset
from monai_landmarks.data.splits import hold_out
from monai_landmarks.data.tables import import_table
from monai_landmarks.engines.workflow import run_bundle
from monai_landmarks.metrics import Results
from monai_landmarks.metrics.summary import summarise
from monai_landmarks.report.run import load_evaluation
from monai_landmarks.sharing.bundles import copy_bundle

SPACING = 0.3
DUPLICATES = ("038", "144")
READERS = ("mean", "senior", "junior")
THRESHOLDS = (2.0, 2.5, 3.0, 4.0)
SPLITS = {"train": "training", "test1": "test"}


@dataclass(frozen=True)
class Stage:
    """Which share of the training images is held out, and which split is scored."""

    validation: float
    scored: Split


STAGES = {"development": Stage(0.2, "validation"), "final": Stage(0.0, "test")}
TINY: dict[str, dict[str, Any]] = {
    "first pass": {"max_epochs": 1, "longer_side": 64},
    "second pass": {"max_epochs": 1, "longer_side": 128, "window": 64},
}
CONFIGS = {"first pass": ("train",), "second pass": ("train", "second_pass")}


def make_dataset(data: Path, output: Path, validation: float, leave_out: Sequence[str] = DUPLICATES) -> Path:
    file = output / "dataset.json"
    if not file.is_file():
        options: dict[str, Any] = {"spacing_mm": SPACING, "split_names": SPLITS, "leave_out": leave_out}
        dataset = import_table(data / "landmarks.csv", data / "images", **options)
        if validation:
            dataset = hold_out(dataset, validation, seed=0)
        output.mkdir(parents=True, exist_ok=True)
        dataset.relocated(output).save(file)
    return file


def train(output: Path, dataset: Path, passes: Mapping[str, Mapping[str, Any]], validation: bool) -> dict[str, float]:
    """Both passes, as long as asked; seconds of each. Interrupted ones go on."""
    bundle = output / "bundle"
    if not bundle.is_dir():
        copy_bundle("label_augmentation", bundle)
    seconds = {}
    for name, options in passes.items():
        began = time.perf_counter()
        # Looked at in the last epoch alone, whose weights are kept: nothing is selected by epoch.
        own = {**options, "val_interval": options["max_epochs"]} if validation else dict(options)
        files = [*CONFIGS[name], *([] if validation else ["refit"])]
        own |= {"output_dir": str(output / name), "progress": False, "run_name": name}
        run_bundle(bundle, "training", files, dataset_file=str(dataset), **own)
        seconds[name] = time.perf_counter() - began
    return seconds


def evaluate(output: Path, dataset: Path, name: str, split: Split, **options: Any) -> Results:
    """One evaluation of a pass against the mean of the readers; options are config entries."""
    folder = output / name / split
    models = output / "bundle" / "models" / ("" if name == "first pass" else "second_pass")
    own: dict[str, Any] = {"ckpt_dir": str(models), "output_dir": str(folder), "validate#split": split, "title": name}
    own |= {"dataset_file": str(dataset), "progress": False, **options}
    run_bundle(output / "bundle", "evaluate", ("train", "evaluate"), **own)
    return load_evaluation(folder, load_dataset(dataset))[1]


def against(results: Results, dataset: LandmarkDataset, split: Split, reader: str) -> dict[str, Any]:
    """The same predictions against one reader's points: the millimetre block of metrics.json."""
    items = {case.id: points for case, points in zip(dataset.select(split), truth_of(dataset, split, reader))}
    truth = np.stack([items[case] for case in results.case_ids])
    block: dict[str, Any] = summarise(replace(results, truth=truth), split, THRESHOLDS)["mm"]
    return block


def truth_of(dataset: LandmarkDataset, split: Split, reader: str) -> list[np.ndarray]:
    """(K, 2) row and column of each case."""
    return [np.asarray(item["points"])[0] for item in dataset.datalist(split, reader)]


def disagreement(dataset: LandmarkDataset, split: Split) -> dict[str, Any]:
    """The senior reader's distance from the junior, in the form of a metrics block."""
    both = [np.stack(truth_of(dataset, split, reader)) for reader in READERS[1:]]
    error = SPACING * np.linalg.norm(both[0] - both[1], axis=-1)
    error = error[np.isfinite(error)]
    shares = {str(t): float((error < t).mean()) for t in THRESHOLDS}
    return {"mre": float(error.mean()), "median": float(np.median(error)), "sdr": shares}


def table(result: Mapping[str, Any]) -> list[str]:
    """Markdown lines."""
    head = ["", "MRE mm", "median", *(f"< {t:g} mm" for t in THRESHOLDS)]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, block in result["rows"].items():
        interval = " [{:.2f}, {:.2f}]".format(*block["ci95"]["mre"]) if "ci95" in block else ""
        shares = [f"{100 * block['sdr'][str(t)]:.1f} %" for t in THRESHOLDS]
        lines.append(f"| {name} | {block['mre']:.2f}{interval} | {block['median']:.2f} | " + " | ".join(shares) + " |")
    minutes = ", ".join(f"{name} {seconds / 60:.1f}" for name, seconds in result["train_seconds"].items())
    return [*lines, "", f"Training, minutes: {minutes}."]


def run(data: Path, output: Path, name: str, passes: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Train and score every pass, unless OUTPUT/result.json is there.

    Raises:
        SystemExit: that result is of other settings.
    """
    settings = {"stage": name, "passes": passes}
    result_file = output / "result.json"
    if result_file.is_file():
        result: dict[str, Any] = json.loads(result_file.read_text(encoding="utf-8"))
        if result["settings"] != settings:
            raise SystemExit(f"{result_file} is of other settings; choose another --output")
        return result
    stage = STAGES[name]
    dataset = make_dataset(data, output, stage.validation)
    seconds = train(output, dataset, passes, validation=bool(stage.validation))
    loaded = load_dataset(dataset)
    rows: dict[str, Any] = {}
    for one in passes:
        results = evaluate(output, dataset, one, stage.scored)
        rows |= {f"{one}, against {r}": against(results, loaded, stage.scored, r) for r in READERS}
    rows["the readers against each other"] = disagreement(loaded, stage.scored)
    result = {"settings": settings, "train_seconds": seconds, "rows": rows}
    result_file.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("stage", choices=list(STAGES))
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=24)
    parser.add_argument("--second-epochs", type=int, default=24, help="0: one pass alone")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--tiny",
        action="store_true",
        help="an epoch of each pass on small images, whatever else is given, to see it work",
    )
    given = parser.parse_args()
    passes: dict[str, dict[str, Any]] = {"first pass": {"max_epochs": given.epochs}}
    if given.second_epochs:
        passes["second pass"] = {"max_epochs": given.second_epochs}
    seeded = {name: {**entries, "seed": given.seed} for name, entries in (TINY if given.tiny else passes).items()}
    print("\n".join(table(run(given.data, given.output, given.stage, seeded))))


if __name__ == "__main__":
    main()
