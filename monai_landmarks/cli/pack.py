"""`monai-landmarks pack`: a trained bundle as one file to give away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("pack")(pack)


def pack(
    run: Annotated[Path, typer.Argument(help="A trained bundle's folder, or a folder with it as bundle/ (a demo).")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write, such as hip-1.0.zip.")],
    data_licence: Annotated[
        str, typer.Option(help="Terms of the training data; docs/data_license.txt of the bundle without it.")
    ] = "",
    name: Annotated[str | None, typer.Option(help="The bundle's name; the metadata's without it.")] = None,
    version: Annotated[str | None, typer.Option(help="Its version; the metadata's without it.")] = None,
    sign: Annotated[Path | None, typer.Option(help="Private key to sign with (monai-landmarks keygen).")] = None,
    licence: Annotated[
        Path | None, typer.Option("--license", help="File with the bundle's terms; its LICENSE without it.")
    ] = None,
    evaluation: Annotated[
        Path | None, typer.Option(help="Folder of the model's evaluation (metrics.json); RUN or its eval without it.")
    ] = None,
    models: Annotated[Path | None, typer.Option(help="Folder of the trained model; RUN/models without it.")] = None,
    dataset: Annotated[
        Path | None, typer.Option(help="Data set file whose patients, cases, images, readers must not occur.")
    ] = None,
) -> None:
    """Pack a trained bundle: configs, weights, model card, licences, self-test, manifest, signature.

    Nothing of the data goes with it; a path, a case or a reader's name found in any text stops it.
    """
    from monai_landmarks.sharing.pack import Labels, pack_bundle

    labels = Labels(data_licence=data_licence, name=name, version=version, licence=licence)
    selftest = pack_bundle(run, output, labels, evaluation=evaluation, models=models, dataset=dataset, sign=sign)
    typer.echo(f"{output}: {output.stat().st_size / 1e6:.1f} MB, {'signed' if sign else 'not signed'}")
    typer.echo(f"self-test: {selftest}")
