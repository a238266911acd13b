"""`monai-landmarks demo-one-shot`: one annotated radiograph, the others without, and every stage of the method."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from monai_landmarks.cli.one_shot_rows import OneShotRows, terminal_table
from monai_landmarks.cli.one_shot_stages import ADAPTER, CC2D, TPL, OneShotStages, StageSettings
from monai_landmarks.cli.steps import claim, step

PRESET = "pelvis-radiograph"
# 65 % training, 10 % validation, 25 % test. Many test images: a difference is judged by resampling them.
SHARES = (0.65, 0.1, 0.25)
COUNT = 104
TITLE = "One annotated template on simulated pelvis radiographs"
LANDMARK = "femoral_head_centre_left"
# Narrower and smaller than the sources' (VGG19, 384 x 384, decoders of 256, 128, 64, 128 channels); with the numbers of
# epochs it fits 20 minutes on two cores.
NETWORK = {"decoder_channels": [64, 64, 32, 32], "batch_size": 4}
DEFAULTS = StageSettings(landmark=LANDMARK, network=NETWORK)


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("demo-one-shot")(demo_one_shot)


def demo_one_shot(
    output: Annotated[Path, typer.Argument(help="Folder for data, models, metrics and report.")] = Path(
        "runs/demo-one-shot"
    ),
    count: Annotated[int, typer.Option(min=12, help="Simulated radiographs.")] = COUNT,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs without annotations (CC2D).")] = DEFAULTS.epochs,
    stage_epochs: Annotated[
        int, typer.Option(min=1, help="Epochs of SLA and of ATD-Adapter, each.")
    ] = DEFAULTS.adapter_epochs,
    tpl_epochs: Annotated[int, typer.Option(min=1, help="Epochs of TPL's U-Net.")] = DEFAULTS.tpl_epochs,
    longer_side: Annotated[
        int, typer.Option(min=64, help="Longer side of the networks' input, pixels.")
    ] = DEFAULTS.longer_side,
    seed: Annotated[int, typer.Option(help="Seed of simulation and training.")] = DEFAULTS.seed,
) -> None:
    """Simulate radiographs, annotate one, train each one-shot stage, evaluate, report (under 20 minutes on 2 cores)."""
    settings = StageSettings(
        landmark=LANDMARK,
        epochs=epochs,
        sla_epochs=stage_epochs,
        adapter_epochs=stage_epochs,
        tpl_epochs=tpl_epochs,
        longer_side=longer_side,
        seed=seed,
        network=NETWORK,
    )
    run_demo_one_shot(output, count, settings)


def run_demo_one_shot(output: Path, count: int, settings: StageSettings) -> Path:
    """Run it and return the report's path. A folder that holds an interrupted demo is continued.

    `output` gets data/ (DICOM), one_shot/ and label_augmentation/ (the bundles), models/ (a folder for each stage), the
    evaluation of ATD-Adapter, one folder for each other row, one_shot.json (the table) and report.html.

    Raises:
        ConfigError: the folder holds a demo with other settings.
    """
    from monai_landmarks.cli.report import build_report
    from monai_landmarks.simulate import simulate_dataset

    console = Console()
    told = asked(count, settings)
    claim(output, told)
    began = time.perf_counter()
    with step(console, f"1/7  Simulating {count} pelvis radiographs (DICOM)"):
        file = simulate_dataset(output / "data", PRESET, count=count, seed=settings.seed, split=SHARES)
    demo = OneShotStages(output, file, settings)
    console.print(f"Annotated: {demo.template}. {demo.unlabelled} training images without annotations.")
    train_all(demo, console)
    with step(console, "7/7  Evaluation and report"):
        evaluated = OneShotRows(demo)
        rows = evaluated.evaluate()
        (output / "one_shot.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
        source = {"command": "monai-landmarks demo-one-shot", **{key: str(value) for key, value in told.items()}}
        text = json.dumps({**source, "template": demo.template})
        (output / "provenance.json").write_text(text + "\n", encoding="utf-8")
        notes = notes_of(demo, rows)
        report = build_report(output, file, evaluated.compared(), title=TITLE, notes=notes)
    patients = len(evaluated.results[CC2D].case_ids)
    title = f"{patients} held-out simulated patients, mm and per cent"
    console.print(terminal_table(rows, LANDMARK, title))
    for note in notes:
        console.print(note)
    console.print(f"Report: {report}  ({(time.perf_counter() - began) / 60:.1f} min)", soft_wrap=True)
    return report


def train_all(demo: OneShotStages, console: Console) -> None:
    """Steps 2 to 6."""
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


def asked(count: int, settings: StageSettings) -> dict[str, int]:
    """The options, as a folder that is this demo's holds them."""
    return {
        "count": count,
        "epochs": settings.epochs,
        "stage_epochs": settings.adapter_epochs,
        "tpl_epochs": settings.tpl_epochs,
        "longer_side": settings.longer_side,
        "seed": settings.seed,
    }


def notes_of(demo: OneShotStages, rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What a reader must not miss."""
    gains = []
    for name in demo.rows:
        low, high = rows[name]["difference_ci95"]
        gains.append(f"{name} {rows[name]['ratio']:.2f} times ({low:.1f} to {high:.1f} mm)")
    lacking = [name for name in demo.dataset.names if name not in demo.sought]
    told = [f"The template lacks {', '.join(lacking)}: they are not looked for and not counted in the table."]
    return [
        f"One annotated image ({demo.template}), {demo.unlabelled} without annotations. Smaller than the sources: "
        f"{demo.settings.longer_side} pixels instead of 384, EfficientNet-lite0 instead of VGG19, a narrower "
        f"decoder, {demo.settings.epochs} epochs instead of 300. SLA is one model a landmark; trained here: "
        f"{LANDMARK}. The mean shape is a floor that needs all annotations.",
        f"MRE against the better floor's, the {rows[CC2D]['floor']}, and the difference (95 %, paired bootstrap over "
        f"patients): {'; '.join(gains)}.",
        *(told if lacking else []),
    ]
