"""One-shot training, what each part of it does: one table on simulated pelvis radiographs.

    python benchmarks/one_shot_ablation.py --output runs/one_shot_ablation --count 104 --epochs 10 --stage-epochs 6

First the seesaw: one network for all landmarks whose gain at one is another's loss, against one network a landmark
(`--landmarks`: each costs a training). Then adapters of 4, 8, 16, 32 channels, which should have both ("one network for
all" has 0); then wider decoders, which have as many parameters and should not. Every row has the same data, and as
many epochs of CC2D and of pseudo-labels; all but the wider ones start from the same CC2D, those from one as wide. Its
last epoch is scored on the held-out split; the test split is never read. Finished rows are read back, so a killed run
goes on; `--only` names rows, and what a row starts from is trained with it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments import Experiment, run_experiment

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.data.one_shot import template_case
from monai_landmarks.engines.footprint import measure_footprint
from monai_landmarks.metrics.tables import mean_text, number
from monai_landmarks.simulate import simulate_dataset

PRESET = "pelvis-radiograph"
SHARES = (0.6, 0.3, 0.1)
START = "CC2D"
CHANNELS = (4, 8, 16, 32)
WIDER = (2, 3)
LANDMARKS = ("femoral_head_centre_left", "greater_trochanter_superior_left", "symphysis_superior")


class Row(NamedTuple):
    """A training, and the name of the one whose embedding it starts from, if any."""

    experiment: Experiment
    start: str = ""


def row(name: str, *configs: str, **overrides: Any) -> Experiment:
    return Experiment(name=name, configs=configs, overrides=overrides, bundle="one_shot")


def rows(landmarks: Sequence[str], decoder: Sequence[int], epochs: int, stage_epochs: int) -> dict[str, Row]:
    """The trainings by name, each after what it starts from."""
    later: dict[str, Any] = {"max_epochs": stage_epochs, "learning_rate": 3.0e-4, "decoder_channels": list(decoder)}
    table = [Row(row(START, max_epochs=epochs, decoder_channels=list(decoder)))]
    table += [Row(row(f"one network for {name}", "sla", landmark=name, **later), START) for name in landmarks]
    table.append(Row(row("one network for all", "sla", **later), START))
    for count in CHANNELS:
        table.append(Row(row(f"adapters, {count}", "sla", "adapter", adapter_channels=count, **later), START))
    for factor in WIDER:
        wide = {"decoder_channels": [factor * channels for channels in decoder]}
        start = row(f"{START}, decoder {factor} times", max_epochs=epochs, **wide)
        table.append(Row(start))
        table.append(Row(row(f"one network for all, decoder {factor} times", "sla", **{**later, **wide}), start.name))
    return {entry.experiment.name: entry for entry in table}


def needed(table: Mapping[str, Row], only: Sequence[str] | None) -> list[Row]:
    """The rows asked for, and what they start from; all without a wish."""
    wanted = set(table) if only is None else {START, *only}
    wanted |= {table[name].start for name in wanted if table[name].start}
    return [entry for name, entry in table.items() if name in wanted]


def markdown(results: Mapping[str, Mapping[str, Any]], landmarks: Sequence[str]) -> list[str]:
    """One line a row: MRE in mm of all landmarks and of some, million parameters of a model, minutes."""
    lines = ["| | all | " + " | ".join(landmarks) + " | million parameters | training |"]
    lines.append("|---" * (len(landmarks) + 4) + "|")
    for name, result in results.items():
        metrics = result["metrics"]["held out"]
        known = metrics["landmarks"]
        every = mean_text(metrics["mm"]) if len(known) > 1 else "-"
        own = [number(known[landmark]["mm"]["mre"]) if landmark in known else "-" for landmark in landmarks]
        cost = [f"{result['parameters'] / 1e6:.2f}", f"{result['train_seconds'] / 60:.1f} min"]
        lines.append("| " + " | ".join([name, every, *own, *cost]) + " |")
    return lines


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--count", type=int, default=104, help="simulated radiographs")
    parser.add_argument("--epochs", type=int, default=10, help="of CC2D")
    parser.add_argument("--stage-epochs", type=int, default=6, help="of what starts from it")
    parser.add_argument("--longer-side", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument(
        "--decoder", type=int, nargs=4, default=[64, 64, 32, 32], help="channels at strides 16, 8, 4, 2"
    )
    parser.add_argument("--landmarks", nargs="+", default=list(LANDMARKS), help="of the networks for one landmark")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="rows to run, beside CC2D")
    return parser.parse_args(given)


def main(typed: Sequence[str] | None = None) -> None:
    given = arguments(typed)
    data = simulate_dataset(given.output / "data", PRESET, count=given.count, seed=given.seed, split=SHARES)
    common = {
        "template": template_case(load_dataset(data)).id,
        "longer_side": given.longer_side,
        "batch_size": given.batch_size,
        "seed": given.seed,
    }
    results = {}
    table = rows(given.landmarks, given.decoder, given.epochs, given.stage_epochs)
    if unknown := set(given.only or ()) - set(table):
        raise SystemExit(f"--only: no row {', '.join(sorted(unknown))}; there are {', '.join(table)}")
    for experiment, start in needed(table, given.only):
        own = {"start": str(given.output / start / "bundle" / "models")} if start else {}
        held = {"held out": (data, "validation")}
        result = run_experiment(experiment, given.output, dataset_file=data, evaluations=held, **common, **own)
        models = given.output / experiment.name / "bundle" / "models"
        results[experiment.name] = {**result, "parameters": measure_footprint(models).parameters}
        lines = markdown(results, given.landmarks)
        (given.output / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print("\n".join(lines), flush=True)


if __name__ == "__main__":
    main()
