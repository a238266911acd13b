"""Hourglass (KNEEL) against the label augmentation U-Net on the same images, at the same training time: one table.

    python benchmarks/hourglass_unet.py --output runs/hourglass_unet --minutes 5 \\
      --knees KNEES/dataset.json --region-models kneel_roi/models --whole CEPHALOGRAMS/dataset.json

`--knees` compares them as the second stage on regions of knees (both through the same stage 1), `--whole` on whole
images. An epoch of each is timed first; a row trains for as many as fit into the time. The last weights are
scored on the validation split: nothing is selected, and the test split is never read. The hourglass starts from stage
1's weights on knees and from random ones on whole images; the U-Net's encoder from ImageNet's. Each row is a process of
its own, whose peak memory is given. Finished rows are read back.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments import Experiment, parameters, run_experiment

from monai_landmarks.engines.footprint import peak_memory
from monai_landmarks.engines.processes import in_own_process
from monai_landmarks.handlers.history import read_history
from monai_landmarks.metrics.tables import mean_text, number

# Bundle, override files and overrides of each network on knees and on whole images.
KNEES: Mapping[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "hourglass": ("kneel_landmarks", (), {"batch_size": 8}),
    "U-Net": ("kneel_landmarks", ("unet",), {}),
}
WHOLE: Mapping[str, tuple[str, tuple[str, ...], dict[str, Any]]] = {
    "hourglass": ("label_augmentation", ("hourglass",), {}),
    "U-Net": ("label_augmentation", (), {}),
}


def measure(folder: Path, name: str, row: tuple[str, tuple[str, ...], dict[str, Any]], options: dict[str, Any]) -> Any:
    """Train and score one row; returns its result with `peak_mb`, `parameters` and `epoch_seconds`."""
    bundle, configs, overrides = row
    result = run_experiment(
        Experiment(name=name, configs=configs, overrides=overrides, last=True, bundle=bundle), folder, **options
    )
    measured_file = folder / name / "measured.json"
    if measured_file.is_file():
        measured: dict[str, Any] = json.loads(measured_file.read_text(encoding="utf-8"))
        return {**result, **measured}
    measured = {
        "peak_mb": peak_memory() / 1e6,
        "parameters": parameters(folder / name / "bundle" / "models" / "model.pt"),
        "epoch_seconds": min(line["seconds"] for line in read_history(folder / name / "history.csv")),
    }
    measured_file.write_text(json.dumps(measured) + "\n", encoding="utf-8")
    return {**result, **measured}


def compare(folder: Path, rows: Mapping[str, Any], minutes: float, options: dict[str, Any]) -> dict[str, Any]:
    """Every row with as many epochs as fit into the time."""
    results = {}
    for name, row in rows.items():
        # The first epoch warms up.
        timed = in_own_process(name, measure, folder, f"{name}, timing", row, {**options, "max_epochs": 2})
        epochs = max(2, int(60 * minutes / timed["epoch_seconds"]))
        results[name] = in_own_process(name, measure, folder, name, row, {**options, "max_epochs": epochs})
        results[name]["epochs"] = epochs
    return results


def markdown(title: str, results: Mapping[str, Any]) -> list[str]:
    """A heading line, and one line a network."""
    blocks = {name: result["metrics"]["held out"]["mm"] for name, result in results.items()}
    radii = list(next(iter(blocks.values()))["sdr"])
    head = [title, "MRE mm", "median", *(f"< {float(radius):g} mm" for radius in radii)]
    head += ["epochs", "training", "peak memory", "parameters"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, block in blocks.items():
        result = results[name]
        cells = [
            name,
            mean_text(block),
            number(block["median"]),
            *(f"{100 * block['sdr'][radius]:.1f} %" for radius in radii),
        ]
        cells += [str(result["epochs"]), f"{result['train_seconds'] / 60:.1f} min"]
        cells += [f"{result['peak_mb'] / 1000:.1f} GB", f"{result['parameters'] / 1e6:.1f} M"]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=5.0, help="training of each row")
    parser.add_argument("--knees", type=Path, help="data set of bilateral knees")
    parser.add_argument("--region-models", type=Path, help="trained kneel_roi; with --knees")
    parser.add_argument("--spacing", type=float, default=0.6, help="mm per pixel of the knees' regions")
    parser.add_argument("--width", type=int, default=16, help="of the hourglass on knees; that of --region-models")
    parser.add_argument("--whole", type=Path, help="data set of whole images")
    parser.add_argument("--longer-side", type=int, default=320, help="of whole images")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    if given.knees is not None:
        side = round(134.4 / given.spacing / 32) * 32
        options = {
            "dataset_file": given.knees,
            "evaluations": {"held out": (given.knees, "validation")},
            "region_models": str(given.region_models.resolve()),
            "spacing_mm": given.spacing,
            "spatial_size": [side, side],
            "width": given.width,
        }
        print("\n".join(markdown("knees", compare(given.output / "knees", KNEES, given.minutes, options))), flush=True)
    if given.whole is not None:
        options = {
            "dataset_file": given.whole,
            "evaluations": {"held out": (given.whole, "validation")},
            "longer_side": given.longer_side,
        }
        print("\n".join(markdown("whole images", compare(given.output / "whole", WHOLE, given.minutes, options))))


if __name__ == "__main__":
    main()
