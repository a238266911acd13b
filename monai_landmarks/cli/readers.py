"""`monai-landmarks readers`: how far the readers of a data set are apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monai_landmarks.errors import ConfigError

if TYPE_CHECKING:
    from monai_landmarks.metrics.readers import ReaderPair


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("readers")(readers)


def readers(
    dataset_file: Annotated[Path, typer.Argument(metavar="DATASET", help="The data set file.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for the tables and figures.")],
    split: Annotated[str | None, typer.Option(help="Only this split: training, validation or test.")] = None,
    measure: Annotated[
        str | None,
        typer.Option(help="Compare a ready set of measurements too: pelvis, hip, implant, knee, knees, cephalogram."),
    ] = None,
    figures: Annotated[bool, typer.Option(help="Draw Bland-Altman figures (needs matplotlib).")] = True,
) -> None:
    """Compare the readers of a data set, two by two.

    Mean distance (MRE), share of close points, differences in x and y, and the measurements of the data set, for
    images both have read. In mm if all of them have a pixel spacing, else in pixels.
    """
    from monai_landmarks.data.case_spacing import case_spacings
    from monai_landmarks.data.dataset import load_dataset
    from monai_landmarks.measure.library import with_set
    from monai_landmarks.metrics.readers import compare_readers, shared_cases
    from monai_landmarks.report.readers import write_reader_report

    _check_matplotlib(figures)
    dataset = load_dataset(dataset_file)
    if measure is not None:
        dataset = dataset.model_copy(update={"scheme": with_set(dataset.scheme, measure)})
    shared = shared_cases(dataset, dataset.select(split))
    if not shared:
        names = ", ".join(dataset.readers) or "none"
        raise ConfigError(f"{dataset_file}: no image has been read by two readers (readers: {names})")
    compared = {case.id: case for cases in shared.values() for case in cases}
    spacings, faults = case_spacings(dataset, compared.values())
    for fault in faults:
        typer.echo(f"no spacing of {fault}", err=True)
    pairs = [compare_readers(dataset, pair, cases, spacings) for pair, cases in shared.items()]
    for pair in pairs:
        typer.echo(_summary(pair))
    for path in write_reader_report(pairs, output, figures):
        typer.echo(str(path))


def _check_matplotlib(wanted: bool) -> None:
    from importlib.util import find_spec

    if wanted and find_spec("matplotlib") is None:
        raise ConfigError('figures need matplotlib: pip install "monai_landmarks[train]", or add --no-figures')


def _summary(pair: ReaderPair) -> str:
    pooled = pair.rows[0]
    shares = ", ".join(f"{100 * share:.1f} % < {threshold:g} {pair.unit}" for threshold, share in pooled.sdr.items())
    start = f"{pair.first} and {pair.second}: {len(pair.cases)} images, {pooled.n} points"
    return f"{start}, MRE {pooled.mre:.2f} {pair.unit}, {shares}" if pooled.n else f"{start} placed by both"
