"""`monai-landmarks demo`: the whole job on the embedded data set."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from monai_landmarks.cli.steps import claim, step

BUNDLE = "label_augmentation"
NAME, BASELINE = "label augmentation", "one-pixel baseline"
TITLE = "Label augmentation on simulated pelvis radiographs"


@dataclass(frozen=True)
class DemoSettings:
    """How much is simulated and trained; the defaults fit 15 minutes on two cores.

    Args:
        count: radiographs, 70 % for training, 15 % each for validation and test.
        epochs: of each of the two trainings.
        longer_side: of the network's input, in pixels.
        seed: of everything.
    """

    count: int = 170
    epochs: int = 12
    longer_side: int = 256
    seed: int = 0


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("demo")(demo)


def demo(
    output: Annotated[Path, typer.Argument(help="Folder for data, models, metrics and report.")] = Path("runs/demo"),
    count: Annotated[int, typer.Option(min=12, help="Simulated radiographs.")] = DemoSettings.count,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each of the two trainings.")] = DemoSettings.epochs,
    longer_side: Annotated[
        int, typer.Option(min=64, help="Longer side of the network's input, pixels.")
    ] = DemoSettings.longer_side,
    seed: Annotated[int, typer.Option(help="Seed of simulation and training.")] = DemoSettings.seed,
) -> None:
    """Simulate radiographs, train, evaluate on held-out patients and write a report (under 15 minutes on 2 cores)."""
    run_demo(output, DemoSettings(count=count, epochs=epochs, longer_side=longer_side, seed=seed))


def run_demo(output: Path, settings: DemoSettings) -> Path:
    """Run it and return the report's path. A folder that holds an interrupted demo is continued.

    `output` gets data/ (DICOM), bundle/ (the trained bundle), metrics.json, cases.csv, history.csv, baseline/ (the
    same of the baseline) and report.html.

    Raises:
        ConfigError: the folder holds a demo with other settings.
    """
    from monai_landmarks.cli.report import build_report
    from monai_landmarks.metrics import rich_table
    from monai_landmarks.sharing.bundles import copy_bundle
    from monai_landmarks.simulate import simulate_dataset

    console = Console()
    claim(output, asdict(settings))
    began = time.perf_counter()
    with step(console, f"1/4  Simulating {settings.count} pelvis radiographs (DICOM)"):
        dataset_file = simulate_dataset(output / "data", count=settings.count, seed=settings.seed)
        if not (output / "bundle" / "configs").is_dir():
            copy_bundle(BUNDLE, output / "bundle")
    with step(console, f"2/4  Training: {NAME}"):
        rows = {NAME: _train(output, output, dataset_file, settings)}
    with step(console, f"3/4  Training, equally long: the {BASELINE}"):
        rows[BASELINE] = _train(output, output / "baseline", dataset_file, settings, "one_pixel")
    with step(console, "4/4  Report"):
        provenance = {"command": "monai-landmarks demo", **{key: str(value) for key, value in asdict(settings).items()}}
        (output / "provenance.json").write_text(json.dumps(provenance) + "\n", encoding="utf-8")
        report = build_report(output, dataset_file, {BASELINE: output / "baseline"}, title=TITLE)
    console.print(rich_table(rows, title="Held-out simulated patients"))
    console.print(f"Report: {report}  ({(time.perf_counter() - began) / 60:.1f} min)", soft_wrap=True)
    return report


def _train(run: Path, output: Path, dataset_file: Path, settings: DemoSettings, *extra: str) -> dict[str, Any]:
    """Train and evaluate with some overrides; returns metrics.json."""
    from monai.utils import path_to_sqlite_uri

    from monai_landmarks.engines.workflow import run_bundle

    bundle = run / "bundle"
    name = BASELINE if extra else NAME
    common: dict[str, Any] = {
        "dataset_file": str(dataset_file),
        "output_dir": str(output),
        "ckpt_dir": str(output / "models" if extra else bundle / "models"),
        "max_epochs": settings.epochs,
        "longer_side": settings.longer_side,
        "seed": settings.seed,
        "progress": sys.stderr.isatty(),
        "run_name": name,
        "tracking_uri": path_to_sqlite_uri((run / "mlflow.db").resolve()),
    }
    run_bundle(bundle, "training", ("train", *extra), **common)
    run_bundle(bundle, "evaluate", ("train", *extra, "evaluate"), **common, title=name)
    metrics: dict[str, Any] = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
    return metrics
