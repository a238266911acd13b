"""`monai-landmarks export`: a data set or predictions become another tool's annotation files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monai_landmarks.cli.options import Origin, refuse_filled
from monai_landmarks.errors import ConfigError

if TYPE_CHECKING:
    from monai_landmarks.data.dataset import LandmarkDataset


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("export")(export)


def export(
    source: Annotated[
        Path, typer.Argument(metavar="DATASET_OR_PREDICTIONS", help="A data set file, or a predictions.json.")
    ],
    format: Annotated[str, typer.Option("--format", help="via, via-csv, coco, labelme, cvat, slicer, isbi or csv.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")],
    reader: Annotated[
        str, typer.Option(help="A reader's name, mean, or all: each reader, in a folder of its own where needed.")
    ] = "mean",
    images: Annotated[
        Path | None, typer.Option(help="Folder of the predicted images; formats in millimetres need it.")
    ] = None,
    origin: Annotated[
        Origin | None,
        typer.Option(help="(0, 0) is the first pixel's centre, or its corner; as the tool has it without."),
    ] = None,
    png: Annotated[
        bool, typer.Option("--png", help="Name the PNG copies that `pictures` writes in place of the images.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that is not empty.")] = False,
) -> None:
    """Write points for VIA, COCO, LabelMe, CVAT, 3D Slicer, as text or as a table.

    What the format cannot hold is printed. Predicted points are absent where the presence is below 0.5.
    """
    from monai_landmarks.data.annotations import export_annotations

    refuse_filled(output, force)
    dataset = _read(source, images)
    written = export_annotations(
        dataset, format, output, reader=reader, origin=origin.value if origin else None, png=png
    )
    for note in written.notes:
        typer.echo(f"note: {note}")
    typer.echo(f"{output}: {len(written.files)} file(s) of the format {format}, {written.cases} case(s)")


def _read(source: Path, images: Path | None) -> LandmarkDataset:
    from monai_landmarks.data.dataset import load_dataset
    from monai_landmarks.export.as_dataset import is_predictions, predicted_dataset

    if source.exists() and is_predictions(source):
        if images is not None and not images.is_dir():
            raise ConfigError(f"--images: {images} is no folder")
        return predicted_dataset(source, images)
    if images is not None:
        raise ConfigError("--images is for predictions; a data set file leads to its images itself")
    return load_dataset(source)
