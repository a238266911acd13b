"""`monai-landmarks convert`: a trained model as ONNX, .pt2 and TorchScript."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_landmarks.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("convert")(convert)


def convert(
    bundle: Annotated[Path, typer.Argument(metavar="RUN_OR_BUNDLE", help="A trained bundle, or a run that holds one.")],
    to: Annotated[list[str], typer.Option("--to", help="onnx, pt2 or torchscript; may be given several times.")],
    models: Annotated[Path | None, typer.Option(help="Folder of the trained model; BUNDLE/models without it.")] = None,
    image: Annotated[Path | None, typer.Option(help="Radiograph to compare on; a simulated one without it.")] = None,
) -> None:
    """Write model.onnx, model.pt2, model.ts beside model.pt; each is compared with it on a radiograph.

    Every file takes any batch size and any size in multiples of 32. One whose logits differ by more than 1e-4 of the
    largest logit is deleted. ONNX takes up to a minute.
    """
    from rich.console import Console
    from rich.table import Table

    from monai_landmarks.sharing.exports import export_models

    root = bundle_of(bundle)
    folder = models or root / "models"
    table = Table("file", "MB", "largest difference", "of the largest logit")
    for done in export_models(root, folder, to, image=image):
        table.add_row(done.path.name, f"{done.megabytes:.1f}", f"{done.difference:.1e}", f"{done.relative:.1e}")
    Console().print(table)
    typer.echo(f"in {folder}")


def bundle_of(folder: Path) -> Path:
    """The bundle itself: the folder, or `bundle` in a run's folder.

    Raises:
        ConfigError: there is none.
    """
    for candidate in (folder, folder / "bundle"):
        if (candidate / "configs" / "inference.yaml").is_file():
            return candidate
    raise ConfigError(f"{folder} is no bundle and no run: it has neither configs/inference.yaml nor bundle/configs")
