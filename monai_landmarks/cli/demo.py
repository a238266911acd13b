"""`monai-landmarks demo`: the whole job on the embedded data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("demo")(demo)


def demo(
    output: Annotated[Path, typer.Argument(help="Folder for data, models, metrics and report.")] = Path("runs/demo"),
    count: Annotated[int, typer.Option(min=12, help="Simulated radiographs.")] = 170,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of each of the two trainings.")] = 16,
    longer_side: Annotated[int, typer.Option(min=64, help="Longer side of the network's input, pixels.")] = 256,
    seed: Annotated[int, typer.Option(help="Seed of simulation and training.")] = 0,
) -> None:
    """Simulate radiographs, train, evaluate on held-out patients and write a report (about 15 minutes on 2 cores)."""
    from monai_landmarks.engines.demo import DemoSettings, run_demo

    run_demo(output, DemoSettings(count=count, epochs=epochs, longer_side=longer_side, seed=seed))
