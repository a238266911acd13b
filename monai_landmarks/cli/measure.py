"""`monai-landmarks measure`: a data set's measurements, and ready sets of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monai_landmarks.cli.options import refuse_overwriting
from monai_landmarks.errors import ConfigError

if TYPE_CHECKING:
    from monai_landmarks.data.dataset import LandmarkDataset
    from monai_landmarks.measure.annotated import CaseValues


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("measure")(measure)


def measure(
    dataset_file: Annotated[Path, typer.Argument(metavar="DATASET", help="The data set file.")],
    add: Annotated[
        str | None, typer.Option(help="Add a ready set: pelvis, hip, implant, knee, knees, cephalogram.")
    ] = None,
    called: Annotated[
        list[str] | None, typer.Option(help="The set's name for a landmark and yours: subspinale_A=A; repeatable.")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Write the data set file with its measurements here.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write every case's values to this table.")] = None,
    reader: Annotated[str, typer.Option(help="Whose points are measured; mean: of all readers.")] = "mean",
    force: Annotated[bool, typer.Option("--force", help="Overwrite the files.")] = False,
) -> None:
    """Measure the annotated points of a data set: distances, angles, ratios.

    Prints the number of images, mean, standard deviation and range of every measurement, and how many lie outside
    the normal range. --add with --save puts a ready set of measurements into the data set file.
    """
    from monai_landmarks.data.dataset import load_dataset
    from monai_landmarks.measure.annotated import measure_annotated, write_values
    from monai_landmarks.measure.library import with_set

    for path in filter(None, (save, csv)):
        refuse_overwriting(path, force)
    if called and add is None:
        raise ConfigError("--called says how your landmarks are called in a ready set: name that with --add")
    dataset = load_dataset(dataset_file)
    if add is not None:
        dataset = dataset.model_copy(update={"scheme": with_set(dataset.scheme, add, _names(called or []))})
    if not dataset.scheme.measurements:
        raise ConfigError(f"{dataset_file}: its scheme measures nothing; add a ready set with --add")
    values, faults = measure_annotated(dataset, reader)
    for fault in faults:
        typer.echo(f"no spacing of {fault}", err=True)
    _print(dataset, values)
    if save is not None:
        dataset.relocated(save.parent).save(save)
        typer.echo(str(save))
    if csv is not None:
        write_values(values, csv)
        typer.echo(str(csv))


def _names(pairs: list[str]) -> dict[str, str]:
    wrong = [text for text in pairs if not all(part.strip() for part in text.partition("="))]
    if wrong:
        raise ConfigError(f"--called {wrong[0]!r}: write the set's name, =, and yours: subspinale_A=A")
    split = (text.partition("=") for text in pairs)
    return {theirs.strip(): ours.strip() for theirs, _, ours in split}


def _print(dataset: LandmarkDataset, values: list[CaseValues]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from monai_landmarks.measure.annotated import overview

    title = f"{escape(dataset.scheme.name)}: {len(values)} images"
    table = Table(title=title, box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("measurement", overflow="fold")
    for heading in ("unit", "n", "mean", "SD", "least", "most", "normal", "outside"):
        table.add_column(heading, justify="right", no_wrap=True)
    for row in overview(values):
        table.add_row(*(escape(cell) for cell in row))
    Console().print(table)
