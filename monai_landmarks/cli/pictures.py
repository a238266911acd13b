"""`monai-landmarks pictures`: PNG copies of radiographs, for annotation tools that do not open DICOM."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from monai_landmarks.cli.options import refuse_filled, report_left_out
from monai_landmarks.errors import ConfigError


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("pictures")(pictures)


def pictures(
    inputs: Annotated[list[Path], typer.Argument(help="Radiographs, or folders of them (a PACS export as it is).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")],
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that is not empty.")] = False,
) -> None:
    """Write 8-bit PNG copies of radiographs for VIA, CVAT, LabelMe and other tools: same size and name, bone bright.

    Only pixels are copied; what is burned into them stays, and so do the files' names. Files that cannot be used are
    listed with the reason; the exit status is 1 when one that looked like a radiograph failed.
    """
    from monai_landmarks.data.stream import RadiographStream
    from monai_landmarks.export.copies import write_copies
    from monai_landmarks.transforms.load import LoadRadiographd

    _refuse_among(inputs, output)
    refuse_filled(output, force)
    stream = RadiographStream(inputs, LoadRadiographd())
    written = write_copies(stream, output)
    report_left_out(stream.skipped, stream.failed)
    for name, note in written.notes:
        typer.echo(f"note    {name}: {note}")
    typer.echo(f"{output}: {len(written.files)} written, {len(stream.failed)} failed, {len(stream.skipped)} skipped")
    if stream.failed or not written.files:
        raise typer.Exit(1)


def _refuse_among(inputs: Sequence[Path], output: Path) -> None:
    """Stop where copies would lie beside the originals: both have one name, and `import` could not tell them apart."""
    target = output.resolve()
    for given in inputs:
        inside = target.is_relative_to(given.resolve()) if given.is_dir() else target == given.resolve().parent
        if inside:
            raise ConfigError(f"--output: {output} lies among the radiographs of {given}; name a folder outside")
