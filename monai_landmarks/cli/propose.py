"""`monai-landmarks propose`: a trained model's points for images that nobody has annotated yet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monai_landmarks.cli.options import refuse_overwriting
from monai_landmarks.errors import ConfigError

if TYPE_CHECKING:
    from monai_landmarks.data.dataset import LandmarkDataset
    from monai_landmarks.engines.propose import Proposer

AUTO = "auto"
SHOWN = 10

BundleArgument = Annotated[Path, typer.Argument(help="Folder of a trained bundle, or a packed bundle (.zip).")]
DatasetArgument = Annotated[Path, typer.Argument(metavar="DATASET", help="The data set file.")]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="The data set file to write.")]
Models = Annotated[Path | None, typer.Option(help="Folder of the trained model; BUNDLE/models without it.")]
Template = Annotated[
    str | None,
    typer.Option(help="Another annotated training case as template; auto: rank the training cases and stop."),
]
Reader = Annotated[str, typer.Option(help="Whose points of the template: a reader's name, or mean.")]
LeastSure = Annotated[int | None, typer.Option(min=1, help="Only so many cases: those the model is least sure of.")]
Key = Annotated[Path | None, typer.Option(help="Public key (PEM) a packed bundle must be signed with.")]
Force = Annotated[bool, typer.Option("--force", help="Replace the output file.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("propose")(propose)


def propose(
    bundle: BundleArgument,
    dataset_file: DatasetArgument,
    output: Output = None,
    models: Models = None,
    template: Template = None,
    reader: Reader = "mean",
    least_sure: LeastSure = None,
    key: Key = None,
    force: Force = False,
) -> None:
    """Propose annotations, with confidence, for every case without any: `export --reader one_shot` hands them on.

    With --template auto: which image to annotate first, the one that matches most of the others.
    """
    from monai_landmarks.data.dataset import load_dataset
    from monai_landmarks.engines.propose import Proposer, rank_templates
    from monai_landmarks.sharing.archive import opened_bundle

    if (output is None) != (template == AUTO):
        raise ConfigError("--output FILE: say where the proposed annotations go; --template auto proposes none")
    if output is not None:
        refuse_overwriting(output, force)
    if models is not None and bundle.is_file():
        raise ConfigError(f"--models: {bundle} holds a model of its own; leave it out, or give the bundle's folder")
    if bundle.is_dir() and not (bundle / "configs" / "inference.yaml").is_file():
        raise ConfigError(f"{bundle} is no bundle with an inference: it has no configs/inference.yaml")
    dataset = load_dataset(dataset_file)
    with opened_bundle(bundle, key) as folder:
        if template == AUTO:
            ranked = rank_templates(folder, dataset, dataset.select("training"))
            typer.echo("rank, case, how well its places are found again in the other images (at most 1)")
            for number, (case, score) in enumerate(ranked[:SHOWN], 1):
                typer.echo(f"{number:3}  {case}  {score:.3f}")
        elif output is not None:
            proposer = Proposer(folder, dataset, models)
            if template is not None:
                proposer.use_template(template, reader)
            _write(proposer, dataset, output, least_sure)


def _write(proposer: Proposer, dataset: LandmarkDataset, output: Path, least_sure: int | None) -> None:
    """Write the proposals and say how sure they are."""
    import numpy as np

    from monai_landmarks.engines.propose import unannotated
    from monai_landmarks.engines.pseudo_labels import READER, pseudo_dataset

    cases = unannotated(dataset)
    if not cases:
        raise ConfigError("every case of the data set is annotated already; there is nothing to propose")
    labels = proposer.points(cases)
    names = sorted(labels, key=lambda name: float(np.mean(labels[name][:, 2])))[:least_sure]
    pseudo_dataset(dataset, {name: labels[name] for name in names}, output.parent).save(output)
    typer.echo(f"{len(names)} cases proposed, reader {READER}; least sure of {', '.join(names[:5])}")
    missing = sum(int(np.isnan(labels[name][:, 0]).sum()) for name in names)
    if missing:
        typer.echo(f"{missing} points not found, or found outside the image: they are left for you to place")
    typer.echo(str(output))
