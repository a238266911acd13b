"""`monai-landmarks import`: a CSV table and a folder of images become a data set file."""

from __future__ import annotations

import shutil
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monai_landmarks.cli.options import numbers, refuse_overwriting, splits_line
from monai_landmarks.errors import ConfigError

if TYPE_CHECKING:
    from monai_landmarks.data.dataset import LandmarkDataset


class Origin(StrEnum):
    """Where a table's (0, 0) lies."""

    CENTRE = "centre"
    CORNER = "corner"


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("import")(import_csv)


def import_csv(
    table: Annotated[Path, typer.Argument(metavar="CSV", help="Wide (NAME_x, NAME_y) or long (landmark, x, y).")],
    images: Annotated[Path, typer.Option(help="Folder of the images, sub-folders included.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The data set file to write.")],
    scheme_name: Annotated[str | None, typer.Option(help="Name of the set of landmarks.")] = None,
    spacing: Annotated[
        str | None, typer.Option(help="mm per pixel of all images: 0.3, or rows,columns 0.3,0.31.")
    ] = None,
    split_names: Annotated[
        str | None, typer.Option(help="What the table's split names mean: train=training,test1=test.")
    ] = None,
    validation: Annotated[
        float | None, typer.Option(help="Move this share of the training patients to validation.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the random choice for --validation.")] = 0,
    origin: Annotated[
        Origin, typer.Option(help="(0, 0) is the first pixel's centre, or its upper left corner.")
    ] = Origin.CENTRE,
    extension: Annotated[str | None, typer.Option(help="Look only at image files that end so.")] = None,
    ignore_column: Annotated[list[str] | None, typer.Option(help="Leave a column out; repeatable.")] = None,
    leave_out: Annotated[str | None, typer.Option(help="Cases not to import: 038,144.")] = None,
    copy_images: Annotated[bool, typer.Option("--copy-images", help="Copy them beside the data set file.")] = False,
    patient_map: Annotated[
        Path | None, typer.Option(help="Write patient,pseudonym here. It identifies people: keep it apart.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the output.")] = False,
) -> None:
    """Import landmarks from a CSV table.

    Every fault of the table is reported at once, with its line. Patients become P0001, P0002, ...
    """
    from monai_landmarks.data.dataset import find_faults
    from monai_landmarks.data.splits import hold_out
    from monai_landmarks.data.tables import import_table, unused_images
    from monai_landmarks.errors import DatasetError

    refuse_overwriting(output, force)
    ignored = tuple(ignore_column or ())
    dataset = import_table(
        table,
        images,
        scheme_name=scheme_name,
        spacing_mm=None if spacing is None else numbers(spacing, "--spacing"),
        split_names=_mapping(split_names),
        extension=extension,
        origin=origin.value,
        ignore=ignored,
        leave_out=[name.strip() for name in (leave_out or "").split(",") if name.strip()],
    )
    unused = unused_images(dataset, extension)
    if validation is not None:
        dataset = hold_out(dataset, validation, seed)
    faults = find_faults(dataset)
    if faults:
        raise DatasetError(table, faults)
    dataset = _copied(dataset, output.parent) if copy_images else dataset.relocated(output.parent)
    dataset.save(output)
    if patient_map is not None:
        _write_patient_map(table, ignored, patient_map)
    _report(dataset, output, unused)


def _mapping(text: str | None) -> dict[str, str]:
    pairs = [part.partition("=") for part in (text or "").split(",") if part.strip()]
    wrong = [theirs for theirs, equals, _ in pairs if not equals]
    if wrong:
        raise ConfigError(f"--split-names: {wrong[0]!r} lacks its meaning; write {wrong[0]}=training")
    return {theirs.strip(): ours.strip() for theirs, _, ours in pairs}


def _copied(dataset: LandmarkDataset, folder: Path) -> LandmarkDataset:
    """The data set with its images copied to `folder`/images, sub-folders kept."""
    for image in dict.fromkeys(case.image for case in dataset.cases):
        target = folder / "images" / image
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and target.samefile(dataset.root / image):
            continue
        shutil.copyfile(dataset.root / image, target)
    cases = [case.model_copy(update={"image": f"images/{case.image}"}) for case in dataset.cases]
    return dataset.model_copy(update={"cases": cases, "root": folder})


def _write_patient_map(table: Path, ignored: tuple[str, ...], target: Path) -> None:
    from monai_landmarks.data.pseudonyms import write_pseudonyms
    from monai_landmarks.data.table_file import read_table

    write_pseudonyms(read_table(table, ignore=ignored), target)


def _report(dataset: LandmarkDataset, output: Path, unused: list[str]) -> None:
    readers = ", ".join(dataset.readers) or "none"
    typer.echo(f"{output}: {len(dataset.cases)} cases, {len(dataset.names)} landmarks, readers: {readers}")
    typer.echo(f"splits: {splits_line(dataset)}")
    paired = sum(landmark.pair is not None for landmark in dataset.scheme.landmarks) // 2
    typer.echo(f"left/right pairs: {paired}, guessed from the names; edit the file if that is wrong")
    if unused:
        typer.echo(
            f"{len(unused)} image(s) of the folder are not used: {', '.join(unused[:5])}{', ...' * (len(unused) > 5)}"
        )
    typer.echo(f"next: monai-landmarks check {output}")
