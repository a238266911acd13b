"""`monai-landmarks simulate`: make a data set of simulated radiographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_landmarks.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""

    @app.command("simulate")
    def simulate(
        out: Annotated[Path | None, typer.Argument(help="Folder to write dataset.json and images/ to.")] = None,
        preset: str = typer.Option("pelvis-radiograph", help="What to simulate; see --list-presets."),
        count: int = typer.Option(200, min=1, help="Number of images."),
        seed: int = typer.Option(0, min=0, help="Seed of all random numbers; the same seed, the same files."),
        workers: int | None = typer.Option(None, min=1, help="Processes; by default one a core."),
        site: str = typer.Option(
            "home", help="The hospital: home, or external, for external validation only (all in the split test)."
        ),
        list_presets: bool = typer.Option(False, "--list-presets", help="Print the presets and stop."),
    ) -> None:
        """Simulate radiographs with exact landmarks: DICOM files and a data set file."""
        from monai_landmarks.simulate import PRESETS, simulate_dataset

        if list_presets:
            for name, known in sorted(PRESETS.items()):
                typer.echo(f"{name}: {known.summary}")
            return
        if out is None:
            raise ConfigError("name the folder to write to: monai-landmarks simulate OUT")
        typer.echo(simulate_dataset(out, preset, count, seed, workers, site=site))
