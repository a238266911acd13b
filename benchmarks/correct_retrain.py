"""How many corrected images until the supervised model is better than what one annotated image gives?

    python benchmarks/correct_retrain.py --output runs/correct_retrain
    python benchmarks/correct_retrain.py --output runs/correct_retrain --demo runs/demo-one-shot --seeds 0 1 2

The one-shot rows are those of `monai-landmarks demo-one-shot` on simulated pelvis radiographs, run into OUTPUT/demo or
read from a finished one (--demo). Then label_augmentation learns from n of its training images, with their true
annotations in the place of corrected ones: the template, and others by chance, more of the same ones for each larger n.
Every row sees as many augmented images as TPL, at the same size; the last epoch is kept, for nobody has annotated a
validation image. All rows are scored on the demo's test split. Finished rows are read back, so a killed run goes on.
Writes result.json and table.md.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from experiments import Experiment, run_experiment

from monai_landmarks.cli.demo_one_shot import COUNT, DEFAULTS, run_demo_one_shot
from monai_landmarks.cli.one_shot_stages import ADAPTER, CC2D, TPL, StageSettings, slug
from monai_landmarks.data.dataset import LandmarkDataset, load_dataset
from monai_landmarks.data.one_shot import template_case
from monai_landmarks.metrics import Results
from monai_landmarks.metrics.points import PatientBootstrap, median, mre, sdr
from monai_landmarks.sharing.bundles import fit_size

COUNTS = (1, 5, 10, 20, 40)
SDR = (2.0, 4.0)
# What the supervised rows are compared with.
RIVALS = (ADAPTER, TPL)


@dataclass(frozen=True)
class Demo:
    """A finished demo: its data, its budget and its errors.

    Args:
        folder: its output.
    """

    folder: Path

    @property
    def dataset_file(self) -> Path:
        """All of it annotated."""
        return self.folder / "data" / "dataset.json"

    @property
    def options(self) -> dict[str, int]:
        """What it was run with: tpl_epochs, longer_side, ..."""
        options: dict[str, int] = json.loads((self.folder / "demo.json").read_text(encoding="utf-8"))
        return options

    def results(self, name: str) -> Results:
        """The test split's points of one of its rows."""
        folder = self.folder if name == ADAPTER else self.folder / slug(name)
        return Results.read_csv(folder / "cases.csv")


def finished_demo(folder: Path, count: int = COUNT, settings: StageSettings = DEFAULTS) -> Demo:
    """The demo in a folder; one that is not finished is run to its end."""
    if not (folder / "one_shot.json").is_file():
        run_demo_one_shot(folder, count, settings)
    return Demo(folder)


def corrected(dataset: LandmarkDataset, template: str, count: int, seed: int) -> LandmarkDataset:
    """The template and further training images, `count` in all, with their annotations; no other image."""
    others = [case.id for case in dataset.select("training") if case.id != template]
    if count > len(others) + 1:
        raise SystemExit(f"{count} corrected images: there are {len(others) + 1} training images")
    drawn = np.random.default_rng(seed).permutation(len(others))[: count - 1]
    chosen = {template, *(others[number] for number in drawn)}
    return dataset.model_copy(update={"cases": [case for case in dataset.cases if case.id in chosen]})


def supervised(demo: Demo, output: Path, count: int, seed: int) -> tuple[Results, float]:
    """Train on `count` corrected images; the test split's points, and the seconds it took."""
    dataset = load_dataset(demo.dataset_file)
    file = output / "data" / f"{count}_{seed}.json"
    few = corrected(dataset, template_case(dataset).id, count, seed).relocated(file.parent)
    file.parent.mkdir(parents=True, exist_ok=True)
    few.save(file)
    # As many images an epoch as TPL sees, whatever the number that differ.
    repeats = max(1, round(len(dataset.select("training")) / count))
    row = Experiment(
        name=f"{count} corrected, seed {seed}",
        configs=("refit",),
        overrides={"train#dataset#repeats": repeats, "seed": seed},
    )
    result = run_experiment(
        row,
        output,
        dataset_file=file,
        evaluations={"test": (demo.dataset_file, "test")},
        max_epochs=demo.options["tpl_epochs"],
        spatial_size=fit_size(dataset, demo.options["longer_side"]),
    )
    return Results.read_csv(output / row.name / "test" / "cases.csv"), result["train_seconds"]


def compared(own: Results, rival: Results) -> dict[str, Any]:
    """How much larger one's errors are than the other's on the same points, mm, with the paired 95 % interval."""
    difference = own.errors_mm() - rival.errors_mm()
    low, high = PatientBootstrap(own.patients).mean(difference)
    return {"difference": float(np.nanmean(difference)), "ci95": [low, high], "better": high < 0}


def described(results: Results) -> dict[str, Any]:
    """MRE, median and SDR, mm."""
    errors = results.errors_mm()
    rates = {f"{radius:g}": share for radius, share in sdr(errors, SDR).items()}
    return {"mre": mre(errors), "median": median(errors), "sdr": rates}


def run(demo: Demo, output: Path, counts: Sequence[int], seeds: Sequence[int]) -> dict[str, Any]:
    """Every row; what is finished is read back."""
    rivals = {name: demo.results(name) for name in RIVALS}
    rows: dict[str, dict[str, Any]] = {
        name: {"annotated": 1, **described(demo.results(name))} for name in (CC2D, *RIVALS)
    }
    for count in counts:
        for seed in seeds:
            results, seconds = supervised(demo, output, count, seed)
            against = {name: compared(results, rival) for name, rival in rivals.items()}
            row = {"annotated": count, **described(results), "seconds": seconds, "against": against}
            rows[f"supervised, {count} corrected, seed {seed}"] = row
            print("\n".join(table(rows)), flush=True)
    result = {"demo": demo.options, "rows": rows, "enough": {name: enough(rows, name) for name in RIVALS}}
    (output / "result.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return result


def enough(rows: Mapping[str, Mapping[str, Any]], rival: str) -> int | None:
    """The least number of corrected images from which on every row is better; None where the largest does not do."""
    better: dict[int, bool] = {}
    for row in rows.values():
        if "against" in row:
            better[row["annotated"]] = better.get(row["annotated"], True) and row["against"][rival]["better"]
    least = None
    for count in sorted(better, reverse=True):
        if not better[count]:
            break
        least = count
    return least


def table(rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Markdown, mm; differences are of the mean errors, negative where the supervised model is better."""
    head = ["", "annotated", "MRE", "median", *(f"< {radius:g} mm" for radius in SDR)]
    head += [*(f"less {name} (95 %)" for name in RIVALS), "minutes of training"]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for name, row in rows.items():
        shares = [f"{100 * row['sdr'][f'{radius:g}']:.1f} %" for radius in SDR]
        cells = [name, str(row["annotated"]), f"{row['mre']:.2f}", f"{row['median']:.2f}", *shares]
        for rival in RIVALS:
            against = row.get("against", {}).get(rival)
            cells.append(
                "-" if against is None else "{:+.2f} ({:.2f} to {:.2f})".format(against["difference"], *against["ci95"])
            )
        minutes = f"{row['seconds'] / 60:.1f}" if "seconds" in row else "-"
        lines.append("| " + " | ".join([*cells, minutes]) + " |")
    return lines


def verdicts(result: Mapping[str, Any], counts: Sequence[int]) -> list[str]:
    """The answer, a line for each rival."""
    return [
        f"- Better than {name} (interval below 0, every seed): "
        + (f"from {least} corrected images on." if least is not None else f"not with {max(counts)} corrected images.")
        for name, least in result["enough"].items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("runs/correct_retrain"))
    parser.add_argument("--demo", type=Path, help="folder of a demo-one-shot; OUTPUT/demo without it")
    parser.add_argument("--counts", type=int, nargs="+", default=list(COUNTS), help="corrected images")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0], help="of the choice of images and the training")
    given = parser.parse_args()
    demo = finished_demo(given.demo or given.output / "demo")
    given.output.mkdir(parents=True, exist_ok=True)
    result = run(demo, given.output, given.counts, given.seeds)
    lines = [*table(result["rows"]), "", *verdicts(result, given.counts)]
    (given.output / "table.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
