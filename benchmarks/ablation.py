"""Which part of the label augmentation recipe earns its keep: one change a row, the same data and budget.

    python benchmarks/ablation.py DATASET.json --output runs/ablation --epochs 10 --longer-side 256 --seeds 0
    python benchmarks/ablation.py DATASET.json --output runs/ablation_second --first-pass MODELS --longer-side 800

Trains on the data set's training split and scores the last epoch on its validation split: nothing is selected, and the
test split is never read. Finished rows are read back, so rows can be added and a killed run goes on.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments import Experiment, run_experiments

SCHEDULE = "monai_landmarks.curriculum.GeometricSchedule"
SHAPES = "monai_landmarks.transforms.shapes."
LOSSES = "monai_landmarks.losses.region."
AUGMENTATION = "train#preprocessing#transforms"
# Places in the list of training augmentations of train.yaml.
AFFINE, CONTRAST, NOISE = 1, 2, 3


def geometric(start: float, stop: float, epochs: int) -> dict[str, Any]:
    return {"schedule": {"_target_": SCHEDULE, "start": start, "stop": stop, "epochs": epochs}}


def steps(start: float, step: float, every: int, stop: float) -> dict[str, Any]:
    schedule = {"_target_": "monai_landmarks.curriculum.StepSchedule", "start": start, "step": step}
    return {"schedule": {**schedule, "every": every, "stop": stop}}


def constant(radius: float) -> dict[str, Any]:
    return steps(radius, 0.0, 1, radius)


def bce(loss: str = "RegionBCE") -> dict[str, Any]:
    return {"loss": {"_target_": LOSSES + loss}, "likelihood": {"_target_": "monai_landmarks.codecs.decode.Bernoulli"}}


def shape(name: str) -> dict[str, Any]:
    return {"shape": {"_target_": SHAPES + name}}


def without(*places: int) -> dict[str, Any]:
    return {f"{AUGMENTATION}#{place}#prob": 0.0 for place in places}


def decoders() -> dict[str, dict[str, Any]]:
    """The same weights, decoded otherwise."""
    soft = "monai_landmarks.codecs.decode.LocalSoftArgmaxCodec"
    windows = {
        f"window {radius:g}, no shape prior": {"_target_": soft, "likelihood": "@likelihood", "radius": radius}
        for radius in (2.0, 4.0, 8.0, 16.0, 32.0)
    }
    return {
        "argmax, no shape prior": {
            "_target_": "monai_landmarks.codecs.decode.ArgmaxCodec",
            "likelihood": "@likelihood",
        },
        **windows,
    }


def rows(epochs: int) -> dict[str, dict[str, Any]]:
    """Overrides of train.yaml by the row's name."""
    shrink = int(0.8 * epochs)
    stage = max(1, epochs // 7)
    return {
        "default": {},
        "fixed k = 65 (dilation only)": constant(65.0),
        "fixed k = 5": constant(5.0),
        "fixed k = 10": constant(10.0),
        "fixed k = 2": constant(2.0),
        "one pixel": constant(0.0),
        "paper's steps 65 to 5": steps(65.0, 10.0, stage, 5.0),
        "paper's steps to the point": steps(65.0, 10.0, stage, 0.0),
        "64 to 1": geometric(64.0, 1.0, shrink),
        "64 to 3": geometric(64.0, 3.0, shrink),
        "64 to 6": geometric(64.0, 6.0, shrink),
        "64 to 12": geometric(64.0, 12.0, shrink),
        "64 to 3 in the first 40 %": geometric(64.0, 3.0, int(0.4 * epochs)),
        "16 to 2": geometric(16.0, 2.0, shrink),
        "16 to 1": geometric(16.0, 1.0, shrink),
        "32 to 3": geometric(32.0, 3.0, shrink),
        "128 to 3": geometric(128.0, 3.0, shrink),
        "square": shape("Square"),
        "disk": shape("Disk"),
        "diamond": shape("Diamond"),
        "re-weighted BCE": bce(),
        "re-weighted BCE, paper's steps": {**bce(), **steps(65.0, 10.0, stage, 5.0)},
        "re-weighted BCE, fixed k = 5": {**bce(), **constant(5.0)},
        "re-weighted BCE, one pixel": {**bce(), **constant(0.0)},
        "re-weighted BCE, 16 to 2": {**bce(), **geometric(16.0, 2.0, shrink)},
        "BCE, no re-weighting": bce("PlainBCE"),
        "encoder not pretrained": {"encoder_weights": None},
        "encoder not pretrained, one pixel": {"encoder_weights": None, **constant(0.0)},
        "encoder not pretrained, 64 to 3": {"encoder_weights": None, **geometric(64.0, 3.0, shrink)},
        "no geometric augmentation": {**without(AFFINE), "mirror_prob": 0.0},
        "no intensity augmentation": without(CONTRAST, NOISE),
        "no augmentation": {**without(AFFINE, CONTRAST, NOISE), "mirror_prob": 0.0},
        "stronger geometric augmentation": {
            f"{AUGMENTATION}#{AFFINE}#rotate": 0.25,
            f"{AUGMENTATION}#{AFFINE}#scale": 0.15,
        },
        "scale and shift along the rows alone": {
            f"{AUGMENTATION}#{AFFINE}#scale": [0.08, 0.0],
            f"{AUGMENTATION}#{AFFINE}#translate": [0.0375, 0.0],
        },
        "learning rate 3e-4": {"learning_rate": 3.0e-4},
        "learning rate 2e-3": {"learning_rate": 2.0e-3},
        "batch of 2": {"batch_size": 2},
        "batch of 8": {"batch_size": 8},
    }


def second_pass_rows(epochs: int) -> dict[str, dict[str, Any]]:
    """Overrides of second_pass.yaml by the row's name; radii are pixels of a window seen as 512."""
    shrink = int(0.8 * epochs)
    return {
        "default": {},
        "48 to 6": geometric(48.0, 6.0, shrink),
        "24 to 3": geometric(24.0, 3.0, shrink),
        "fixed k = 24": constant(24.0),
        "fixed k = 12": constant(12.0),
        "fixed k = 6": constant(6.0),
        "one pixel": constant(0.0),
        "window 192": {"window": 192, "batch_size": 8},
    }


def experiments(
    chosen: list[str] | None, epochs: int, seeds: list[int], first_pass: Path | None = None
) -> list[Experiment]:
    everything = rows(epochs) if first_pass is None else second_pass_rows(epochs)
    own = {} if first_pass is None else {"first_pass": str(first_pass)}
    unknown = set(chosen or []) - set(everything)
    if unknown:
        raise SystemExit(f"no row {', '.join(sorted(unknown))}; there are: {'; '.join(everything)}")
    return [
        Experiment(
            name=f"{name}, seed {seed}",
            configs=() if first_pass is None else ("second_pass",),
            overrides={**overrides, **own, "seed": seed},
            decoders=decoders() if first_pass is None and name in ("default", "re-weighted BCE") else {},
            last=True,
        )
        for seed in seeds
        for name, overrides in everything.items()
        if not chosen or name in chosen
    ]


def table(results: Mapping[str, dict[str, Any]]) -> list[str]:
    """Markdown lines, rows pooled over seeds: mean and, with several, the range."""
    pooled: dict[str, list[dict[str, Any]]] = {}
    for name, result in results.items():
        row = name.rsplit(", seed ", 1)[0]
        for label, metrics in result["metrics"].items():
            decoder = label.partition(", ")[2]
            pooled.setdefault(f"{row}, decoder: {decoder}" if decoder else row, []).append(metrics)
    unit = "mm" if all(metrics["mm"] for group in pooled.values() for metrics in group) else "px"
    thresholds = list(next(iter(pooled.values()))[0][unit]["sdr"])
    head = ["", "seeds", f"MRE {unit}", "median", *(f"< {float(t):g} {unit}" for t in thresholds), "outliers"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row, group in sorted(pooled.items(), key=lambda item: _mean(item[1], unit, "mre")):
        mre = [metrics[unit]["mre"] for metrics in group]
        spread = f" ({min(mre):.2f} to {max(mre):.2f})" if len(mre) > 1 else ""
        sdr = [f"{100 * statistics.mean(metrics[unit]['sdr'][t] for metrics in group):.1f} %" for t in thresholds]
        outliers = f"{statistics.mean(metrics[unit]['outliers']['count'] for metrics in group):g}"
        median = f"{_mean(group, unit, 'median'):.2f}"
        cells = [row, str(len(group)), f"{_mean(group, unit, 'mre'):.2f}{spread}", median, *sdr, outliers]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _mean(group: list[dict[str, Any]], unit: str, key: str) -> float:
    return statistics.mean(metrics[unit][key] for metrics in group)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--output", type=Path, default=Path("runs/ablation"))
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--longer-side", type=int, default=256)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--first-pass", type=Path, help="folder of a trained model: rows of its second pass")
    parser.add_argument("--rows", nargs="*", help="names of rows; all without it")
    parser.add_argument("--jobs", type=int, default=2, help="trainings at a time")
    given = parser.parse_args()
    results = run_experiments(
        experiments(given.rows, given.epochs, given.seeds, given.first_pass),
        given.output,
        jobs=given.jobs,
        dataset_file=given.dataset,
        evaluations={"validation": (given.dataset, "validation")},
        max_epochs=given.epochs,
        longer_side=given.longer_side,
        val_interval=given.epochs,
    )
    lines = table(results)
    (given.output / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    seconds = {name: round(result["train_seconds"]) for name, result in results.items()}
    (given.output / "seconds.json").write_text(json.dumps(seconds, indent=1) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
