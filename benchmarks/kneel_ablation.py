"""KNEEL's ablation (arXiv 1907.12237), row by row as overrides of the second stage: one table.

    python benchmarks/kneel_ablation.py --output runs/kneel_ablation --count 140 --epochs 20 --spacing 0.6 --width 16

Simulates knees, trains stage 1 once, then stage 2 for each row with the same data and budget, and scores the last epoch
on the held-out validation split through both stages: nothing is selected, and the test split is never read. Finished
rows are read back, so a killed run goes on. `--only` names rows. At --spacing 0.3 --width 24 --epochs 100 the rows are
the source's in size too; they then want a GPU.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments import Experiment, run_experiment

from monai_landmarks.metrics.tables import mean_text, number
from monai_landmarks.simulate import simulate_dataset

LOSSES = "monai_landmarks.losses.coordinate."
# The first rows: weight decay, nothing mixed or cut, from random weights.
START: Mapping[str, Any] = {"mixup": 0.0, "cutout": 0.0, "weight_decay": 1.0e-4, "transfer": False}


def penalty(name: str) -> dict[str, Any]:
    return {"penalty": {"_target_": LOSSES + name}}


def rows() -> dict[str, dict[str, Any]]:
    """Overrides by the row's name, in the source's order."""
    mixed = {**START, "weight_decay": 0.0, "mixup": 0.75}
    table: dict[str, dict[str, Any]] = {name: {**START, **penalty(name)} for name in ("L2", "L1")}
    table |= {"robust": {**START, **penalty("AdaptiveRobust")}, "elastic": {**START, **penalty("Elastic")}}
    table |= {"wing": dict(START), "wing, bottleneck block": {**START, "block": "bottleneck"}}
    for alpha in (0.1, 0.2, 0.5, 0.75):
        table[f"wing, MixUp {alpha}"] = {**START, "mixup": alpha}
        table[f"wing, MixUp {alpha}, no weight decay"] = {**mixed, "mixup": alpha}
    table["wing, MixUp 0.75, no weight decay, no dropout"] = {**mixed, "dropout": 0.0}
    table["wing, MixUp 0.75, target jitter"] = {**mixed, "target_jitter": 1.0}
    for share in (0.05, 0.1, 0.25):
        table[f"wing, MixUp 0.75, CutOut {100 * share:g} %"] = {**mixed, "cutout": share}
    table["wing, MixUp 0.75, CutOut 10 %, from stage 1"] = {**mixed, "cutout": 0.1, "transfer": True}
    # Ours, not the source's.
    table["ours: wing, CutOut 10 %, no MixUp, from stage 1"] = {**START, "cutout": 0.1, "transfer": True}
    table["ours: L1, CutOut 10 %, no MixUp, from stage 1"] = {
        **START,
        **penalty("L1"),
        "cutout": 0.1,
        "transfer": True,
    }
    return table


def markdown(results: Mapping[str, dict[str, Any]]) -> list[str]:
    """One line a row: share of points within each distance, outliers, MRE (of the points found) and median."""
    radii = ("1.0", "1.5", "2.0", "2.5")
    head = ["", *(f"< {float(radius):g} mm" for radius in radii), ">= 10 mm", "MRE", "median", "training"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, result in results.items():
        block = result["metrics"]["held out"]["mm"]
        shares = [f"{100 * block['sdr'][radius]:.1f} %" for radius in radii]
        far = f"{100 * (1 - block['sdr']['10.0']):.1f} %"
        minutes = f"{result['train_seconds'] / 60:.1f} min"
        lines.append("| " + " | ".join([name, *shares, far, mean_text(block), number(block["median"]), minutes]) + " |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--count", type=int, default=140, help="simulated radiographs")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--region-epochs", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--spacing", type=float, default=0.6, help="mm per pixel of stage 2")
    parser.add_argument("--region-spacing", type=float, default=2.0, help="mm per pixel of stage 1")
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="rows to run")
    given = parser.parse_args()
    data = simulate_dataset(given.output / "data", "knees-radiograph", count=given.count, seed=given.seed)
    common = {"width": given.width, "seed": given.seed, "batch_size": given.batch_size}
    options: dict[str, Any] = {"dataset_file": data, "evaluations": {"held out": (data, "validation")}}
    canvas = [round(side / given.region_spacing / 64) * 64 for side in (448, 256)]
    own = {"max_epochs": given.region_epochs, "spacing_mm": given.region_spacing, "spatial_size": canvas}
    region = Experiment(name="stage 1", overrides=own, last=True, bundle="kneel_roi")
    results = {"stage 1, centre": run_experiment(region, given.output, **options, **common)}
    side = round(134.4 / given.spacing / 32) * 32
    common |= {
        "max_epochs": given.epochs,
        "spacing_mm": given.spacing,
        "spatial_size": [side, side],
        "region_models": str(given.output / "stage 1" / "bundle" / "models"),
    }
    for name, overrides in rows().items():
        if given.only and name not in given.only:
            continue
        row = Experiment(name=name, overrides=overrides, last=True, bundle="kneel_landmarks")
        results[name] = run_experiment(row, given.output, **options, **common)
        print("\n".join(markdown(results)), flush=True)


if __name__ == "__main__":
    main()
