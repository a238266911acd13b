"""`monai-landmarks bundles`: list and copy the bundles that come with the package."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from monai_landmarks.sharing.bundles import METADATA, copy_bundle, shipped_bundles


def register(app: typer.Typer) -> None:
    """Add the verb."""
    bundles = typer.Typer(help="List and copy the bundles that come with the package.", no_args_is_help=True)
    bundles.command("list")(list_bundles)
    bundles.command("copy")(copy)
    app.add_typer(bundles, name="bundles")


def list_bundles() -> None:
    """Name and purpose of each bundle."""
    for name, folder in shipped_bundles().items():
        metadata = json.loads((folder / "configs" / METADATA).read_text(encoding="utf-8"))
        typer.echo(f"{name}  {metadata['version']}  {metadata['description']}")


def copy(
    name: Annotated[str, typer.Argument(help="The bundle's name, such as label_augmentation.")],
    destination: Annotated[Path | None, typer.Argument(help="New folder; ./NAME by default.")] = None,
) -> None:
    """Copy a bundle to a folder of your own, where it trains and keeps its model."""
    target = copy_bundle(name, destination or Path(name))
    typer.echo(f"{target}: copied. Train it on your data set file with\n")
    typer.echo(f"  python -m monai.bundle run training --config_file {target}/configs/train.yaml \\")
    typer.echo("    --dataset_file /path/to/dataset.json")
