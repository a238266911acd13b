"""`monai-landmarks predict`: a trained bundle over files and folders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monai_landmarks.cli.options import ImageSide, report_left_out
from monai_landmarks.engines.backend import Backend
from monai_landmarks.errors import ConfigError
from monai_landmarks.export.kinds import DicomResult

if TYPE_CHECKING:
    from monai_landmarks.engines.predict import Outcome


BundleArgument = Annotated[Path, typer.Argument(help="Folder of a trained bundle, or a packed bundle (.zip).")]
InputsArgument = Annotated[list[Path], typer.Argument(help="Radiographs, or folders of them (a PACS export as it is).")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Where tables, overlays and DICOM results go.")]
Models = Annotated[Path | None, typer.Option(help="Folder of the trained model; BUNDLE/models without it.")]
Spacing = Annotated[
    str | None, typer.Option(help="mm per pixel for images that lack it: 0.15, or rows,columns 0.15,0.16.")
]
Magnification = Annotated[
    float | None, typer.Option(help="Magnification of the anatomy's plane; divides the detector's spacing.")
]
Ball = Annotated[str | None, typer.Option(help="A marker ball in these images, true mm=pixels of its shadow: 25=72.4.")]
Side = Annotated[
    ImageSide | None,
    typer.Option(help="The patient's side that images show whose header does not say it, for models of one limb."),
]
OutOfScope = Annotated[
    bool, typer.Option("--out-of-scope", help="Accept images of another modality, body part or view.")
]
Dicom = Annotated[
    list[DicomResult] | None,
    typer.Option(
        help="Write DICOM results, for DICOM images: sr (structured report), gsps (presentation state), sc "
        "(secondary capture). Give it once for each."
    ),
]
Overlays = Annotated[bool, typer.Option(help="Draw each image with its points.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1, ...; the GPU where there is one.")]
Key = Annotated[Path | None, typer.Option(help="Public key (PEM) a packed bundle must be signed with.")]
BackendOption = Annotated[
    Backend, typer.Option(help="What runs the network; onnxruntime (CPU) needs `convert --to onnx` first.")
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("predict")(predict)


def predict(
    bundle: BundleArgument,
    inputs: InputsArgument,
    output: Output,
    models: Models = None,
    spacing: Spacing = None,
    magnification: Magnification = None,
    ball: Ball = None,
    side: Side = None,
    out_of_scope: OutOfScope = False,
    dicom: Dicom = None,
    overlays: Overlays = True,
    device: Device = None,
    key: Key = None,
    backend: BackendOption = Backend.TORCH,
) -> None:
    """Find the landmarks in radiographs: points, measurements, confidence, presence, overlays, DICOM results.

    Files that cannot be used are listed with the reason and never stop the rest; the exit status is 1 when one that
    looked like a radiograph failed.
    """
    from monai_landmarks.engines.predict import PredictSettings, predict_inputs
    from monai_landmarks.measure.ball import parse_ball
    from monai_landmarks.sharing.archive import opened_bundle

    if bundle.is_dir() and not (bundle / "configs" / "inference.yaml").is_file():
        raise ConfigError(f"{bundle} is no bundle with an inference: it has no configs/inference.yaml")
    settings = PredictSettings(
        models=models,
        spacing_mm=parse_spacing(spacing),
        magnification=magnification,
        ball_spacing_mm=parse_ball(ball).spacing().mm if ball else None,
        side=side,
        out_of_scope=out_of_scope,
        overlays=overlays,
        device=device,
        dicom=dicom or [],
        backend=backend,
    )
    with opened_bundle(bundle, key) as folder:
        outcome = predict_inputs(folder, inputs, output, settings)
    _report(outcome, output)


def _report(outcome: Outcome, output: Path) -> None:
    """Print what became of the images; end with status 1 if one failed or there was none."""
    report_left_out(outcome.skipped, outcome.failed)
    for name, note in outcome.notes:
        typer.echo(f"note    {name}: {note}")
    typer.echo(f"{outcome.predicted} predicted, {len(outcome.failed)} failed, {len(outcome.skipped)} skipped")
    typer.echo(f"{output / 'predictions.csv'}")
    if outcome.failed or not outcome.predicted:
        raise typer.Exit(1)


def parse_spacing(text: str | None) -> tuple[float, float] | None:
    """ "0.15" or "0.15,0.16" to (row, column) spacing.

    Raises:
        ConfigError: not one or two positive numbers.
    """
    if text is None:
        return None
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in (1, 2) or not all(0 < value < 100 for value in values):
        raise ConfigError(f"--spacing {text}: give one or two positive numbers in mm, such as 0.15 or 0.15,0.16")
    return values[0], values[-1]
