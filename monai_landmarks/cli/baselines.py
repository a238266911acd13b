"""`monai-landmarks baselines`: what the mean shape and a linear guess achieve on a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from monai_landmarks.cli.options import refuse_filled

DatasetArgument = Annotated[Path, typer.Argument(metavar="DATASET", help="The data set file.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder; gets an evaluation a baseline.")]
Split = Annotated[str, typer.Option(help="The split to evaluate.")]
Reader = Annotated[str, typer.Option(help="A reader's name, or mean.")]
Region = Annotated[
    str | None,
    typer.Option(help="Landmark of a limb: work in regions around its true place, not on whole radiographs."),
]
RegionSide = Annotated[float, typer.Option("--region-mm", help="Side of the regions, mm.")]
GroupBy = Annotated[list[str] | None, typer.Option("--group-by", help="Attribute to tell apart, such as kl_grade.")]
Thresholds = Annotated[
    list[float] | None, typer.Option("--threshold", help="Distance of the detection rate, mm (again for more).")
]
Corners = Annotated[list[str] | None, typer.Option("--limb-corner", help="Landmark for the numbers by knee.")]
Force = Annotated[bool, typer.Option("--force", help="Replace what is in the folder.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("baselines")(baselines)


def baselines(
    dataset_file: DatasetArgument,
    output: Output,
    split: Split = "test",
    reader: Reader = "mean",
    region: Region = None,
    region_mm: RegionSide = 140.0,
    threshold: Thresholds = None,
    group_by: GroupBy = None,
    limb_corner: Corners = None,
    force: Force = False,
) -> None:
    """Evaluate two baselines without a network, the mean shape and a linear regression: a floor for every table."""
    from monai_landmarks.baselines import RegionViewer, WholeViewer, evaluate_baselines
    from monai_landmarks.data.dataset import load_dataset
    from monai_landmarks.metrics.evaluation import EvaluationOptions, print_evaluation, write_evaluation

    refuse_filled(output, force)
    dataset = load_dataset(dataset_file)
    viewer = WholeViewer() if region is None else RegionViewer(region, region_mm)
    own = viewer.dataset(dataset)
    options = EvaluationOptions(
        thresholds_mm=tuple(sorted(threshold)) if threshold else EvaluationOptions.thresholds_mm,
        group_by=tuple(group_by or ()),
        limb_corners=tuple(limb_corner or ()),
    )
    options.check(own, split)
    for name, baseline in evaluate_baselines(dataset, viewer, split, reader).items():
        folder = output / name.lower().replace(" ", "_")
        digest = dataset.digest()
        print_evaluation(write_evaluation(folder, baseline.results, own, split, options, digest), folder, name)
