"""`monai-landmarks demo-one-shot`: one annotated radiograph, the others without, and every stage of the method."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from monai_landmarks.cli.one_shot_stages import ADAPTER, CC2D, LANDMARK, TPL, OneShotDemo, OneShotSettings
from monai_landmarks.cli.steps import claim, step

PRESET = "pelvis-radiograph"
# Many test images: a difference is judged by resampling them.
SHARES = (0.65, 0.1, 0.25)
BUNDLES = ("one_shot", "label_augmentation")
TITLE = "One annotated template on simulated pelvis radiographs"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("demo-one-shot")(demo_one_shot)


def demo_one_shot(
    output: Annotated[Path, typer.Argument(help="Folder for data, models, metrics and report.")] = Path(
        "runs/demo-one-shot"
    ),
    count: Annotated[int, typer.Option(min=12, help="Simulated radiographs.")] = OneShotSettings.count,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs without annotations (CC2D).")] = OneShotSettings.epochs,
    stage_epochs: Annotated[
        int, typer.Option(min=1, help="Epochs of SLA and of ATD-Adapter, each.")
    ] = OneShotSettings.stage_epochs,
    tpl_epochs: Annotated[int, typer.Option(min=1, help="Epochs of TPL's U-Net.")] = OneShotSettings.tpl_epochs,
    longer_side: Annotated[
        int, typer.Option(min=64, help="Longer side of the networks' input, pixels.")
    ] = OneShotSettings.longer_side,
    seed: Annotated[int, typer.Option(help="Seed of simulation and training.")] = OneShotSettings.seed,
) -> None:
    """Simulate radiographs, annotate one, train each one-shot stage, evaluate, report (under 20 minutes on 2 cores)."""
    run_demo_one_shot(output, OneShotSettings(count, epochs, stage_epochs, tpl_epochs, longer_side, seed))


def run_demo_one_shot(output: Path, settings: OneShotSettings) -> Path:
    """Run it and return the report's path. A folder that holds an interrupted demo is continued.

    `output` gets data/ (DICOM), one_shot/ and label_augmentation/ (the bundles), models/ (a folder for each stage), the
    evaluation of ATD-Adapter, one folder for each other row, one_shot.json (the table) and report.html.

    Raises:
        ConfigError: the folder holds a demo with other settings.
    """
    from monai_landmarks.cli.report import build_report
    from monai_landmarks.sharing.bundles import copy_bundle
    from monai_landmarks.simulate import simulate_dataset

    console = Console()
    claim(output, asdict(settings))
    began = time.perf_counter()
    with step(console, f"1/7  Simulating {settings.count} pelvis radiographs (DICOM)"):
        file = simulate_dataset(output / "data", PRESET, count=settings.count, seed=settings.seed, split=SHARES)
        for name in BUNDLES:
            if not (output / name / "configs").is_dir():
                copy_bundle(name, output / name)
    demo = OneShotDemo(output, file, settings)
    console.print(f"Annotated: {demo.template}. {demo.unlabelled} training images without annotations.")
    with step(console, f"2/7  {CC2D}: without any annotation"):
        demo.train_cc2d()
    with step(console, f"3/7  SLA: pseudo-labels for {LANDMARK} alone"):
        demo.train_sla()
    with step(console, f"4/7  {ADAPTER}, first step: moved copies of the template"):
        demo.train_template()
    with step(console, f"5/7  {ADAPTER}: pseudo-labels for all landmarks, one network"):
        demo.train_adapter()
    with step(console, f"6/7  {TPL}: its pseudo-labels train a U-Net"):
        demo.train_tpl()
    with step(console, "7/7  Evaluation and report"):
        rows = demo.evaluate()
        (output / "one_shot.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        demo.write_provenance()
        report = build_report(output, file, demo.compared(), title=TITLE, notes=demo.notes(rows))
    console.print(demo.table(rows))
    for note in demo.notes(rows):
        console.print(note)
    console.print(f"Report: {report}  ({(time.perf_counter() - began) / 60:.1f} min)", soft_wrap=True)
    return report
