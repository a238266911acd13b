"""`monai-landmarks split`: training, validation and test, or folds, patient by patient."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monai_landmarks.cli.options import refuse_faults, refuse_overwriting, splits_line
from monai_landmarks.errors import ConfigError

if TYPE_CHECKING:
    from monai_landmarks.data.dataset import LandmarkDataset


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("split")(split)


def split(
    dataset_file: Annotated[Path, typer.Argument(metavar="DATASET", help="The data set file.")],
    training: Annotated[float, typer.Option(help="Share of training.")] = 0.7,
    validation: Annotated[float, typer.Option(help="Share of validation.")] = 0.15,
    test: Annotated[float, typer.Option(help="Share of test.")] = 0.15,
    seed: Annotated[int, typer.Option(help="Of the random choice.")] = 0,
    stratify: Annotated[str | None, typer.Option(help="Attribute to spread evenly.")] = None,
    folds: Annotated[
        int | None, typer.Option(help="Write this many folds of all but test to --output instead.")
    ] = None,
    use_folds: Annotated[
        Path | None, typer.Option(help="A folds file: --fold becomes validation, the others training.")
    ] = None,
    fold: Annotated[int, typer.Option(help="Fold to hold out, from 0; with --use-folds.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write; DATASET itself without it.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace splits or a file that are there.")] = False,
) -> None:
    """Assign every patient to a split, or make and use folds for cross-validation.

    The same seed gives the same splits. Splits that a data set has already are kept unless --force is given.
    """
    from monai_landmarks.data.dataset import parse_dataset
    from monai_landmarks.data.splits import apply_fold, assign_splits, load_folds

    if folds is not None and use_folds is not None:
        raise ConfigError("--folds makes folds and --use-folds uses them; give one")
    if output is not None:
        refuse_overwriting(output, force)
    dataset = parse_dataset(dataset_file)
    # Patients in two splits are no fault where all splits are about to be assigned anew.
    refuse_faults(dataset if folds is not None or use_folds is not None else _unassigned(dataset), dataset_file)
    if folds is not None:
        _write_folds(dataset, folds, seed, stratify, output)
        return
    if use_folds is not None:
        if output is None:
            raise ConfigError("--output: name the data set file to write for this fold")
        _write(apply_fold(dataset, load_folds(use_folds, dataset), fold), output)
        return
    assigned = sum(case.split is not None for case in dataset.cases)
    if assigned and not force:
        raise ConfigError(f"{dataset_file}: {assigned} cases are in a split already; --force assigns all anew")
    fractions = {"training": training, "validation": validation, "test": test}
    _write(assign_splits(dataset, fractions, seed, stratify), output or dataset_file)


def _unassigned(dataset: LandmarkDataset) -> LandmarkDataset:
    return dataset.model_copy(update={"cases": [c.model_copy(update={"split": None}) for c in dataset.cases]})


def _write(dataset: LandmarkDataset, path: Path) -> None:
    dataset.relocated(path.parent).save(path)
    typer.echo(f"{path}: {splits_line(dataset)}")


def _write_folds(dataset: LandmarkDataset, count: int, seed: int, stratify: str | None, output: Path | None) -> None:
    from monai_landmarks.data.splits import make_folds, save_folds

    if output is None:
        raise ConfigError("--output: name the folds file to write, such as folds.json")
    folds = make_folds(dataset, count, seed, stratify)
    save_folds(folds, output)
    typer.echo(f"{output}: {count} folds of {', '.join(str(len(fold)) for fold in folds['folds'])} cases")
