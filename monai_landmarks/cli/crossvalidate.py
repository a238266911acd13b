"""`monai-landmarks crossvalidate`: any bundle on every fold, out-of-fold errors, and the mean of the folds' models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monai_landmarks.errors import ConfigError

if TYPE_CHECKING:
    from monai_landmarks.data.dataset import LandmarkDataset
    from monai_landmarks.engines.crossvalidation import Plan

BundleArgument = Annotated[str, typer.Argument(help="A bundle's folder, or the name of a shipped one.")]
DatasetArgument = Annotated[Path, typer.Argument(metavar="DATASET", help="The data set file.")]
Output = Annotated[Path, typer.Option("--output", "-o", help="Folder; one that holds this run is continued.")]
Folds = Annotated[int, typer.Option(help="Number of folds.")]
UseFolds = Annotated[Path | None, typer.Option(help="A folds file (`split --folds`, or another run's folds.json).")]
Stratify = Annotated[str | None, typer.Option(help="Attribute to spread evenly; errors are told by its values.")]
Seed = Annotated[int, typer.Option(help="Of the folds. The training's own: --set seed=1.")]
Only = Annotated[str | None, typer.Option(help="Folds to run now, such as 0,2; the others another time.")]
Configs = Annotated[list[str] | None, typer.Option("--config", help="A config file of the bundle, after train.yaml.")]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="KEY=VALUE: a config entry, spelled as for monai.bundle; {fold} is the fold's number."),
]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("crossvalidate")(crossvalidate)


def crossvalidate(
    bundle: BundleArgument,
    dataset_file: DatasetArgument,
    output: Output,
    folds: Folds = 5,
    use_folds: UseFolds = None,
    stratify: Stratify = None,
    seed: Seed = 0,
    only: Only = None,
    config: Configs = None,
    settings: Settings = None,
) -> None:
    """Train a bundle on all folds but one, in turn; evaluate each on the fold it has not seen; average the models.

    Patients stay together. Cases of the test split are left out. A killed run continues with the same command.
    """
    from monai_landmarks.data.dataset import load_dataset
    from monai_landmarks.data.splits import load_folds, make_folds
    from monai_landmarks.engines.claim import LOCK
    from monai_landmarks.engines.crossvalidation import Plan, claim, run_fold
    from monai_landmarks.locks import alone

    source = find_bundle(bundle)
    overrides = dict(parse_setting(text) for text in settings or [])
    plan = Plan(folder=output, configs=tuple(config or ()), overrides=overrides, progress=sys.stderr.isatty())
    plan.check(source)
    dataset = load_dataset(dataset_file)
    made = load_folds(use_folds, dataset) if use_folds else make_folds(dataset, folds, seed, stratify)
    count = len(made["folds"])
    chosen = parse_only(only, count)
    claim(plan, source, dataset, made)
    for index in chosen:
        if plan.is_done(index):
            typer.echo(f"fold {index} is done")
            continue
        typer.echo(f"fold {index}: {len(made['folds'][index])} of {sum(map(len, made['folds']))} cases held out")
        run_fold(plan, index)
    missing = [index for index in range(count) if not plan.is_done(index)]
    if missing:
        typer.echo(f"still to run: --only {','.join(map(str, missing))}; the last to finish joins them")
        return
    # Two processes may have run the last two folds.
    with alone(plan.folder / LOCK):
        finish(plan, dataset, count, stratify)


def finish(plan: Plan, dataset: LandmarkDataset, count: int, stratify: str | None) -> None:
    """Join the folds' evaluations and models, and say what came out."""
    from rich.console import Console

    from monai_landmarks.engines.crossvalidation import fold_metrics, join_folds
    from monai_landmarks.metrics import rich_table
    from monai_landmarks.metrics.evaluation import print_evaluation
    from monai_landmarks.sharing.ensembles import write_ensemble

    metrics = join_folds(plan, dataset, count, stratify)
    write_ensemble([plan.models(index) for index in range(count)], plan.bundle / "models", dataset)
    rows = {f"fold {index}": fold_metrics(plan, index) for index in range(count)}
    Console().print(rich_table(rows, title="each fold, by the model that has not seen it"))
    print_evaluation(metrics, plan.folder, "all folds")
    typer.echo(
        f"the mean of the {count} models: monai-landmarks predict {plan.bundle} RADIOGRAPHS --output predictions"
    )


def find_bundle(bundle: str) -> Path:
    """The folder of a bundle by its path or, of a shipped one, its name.

    Raises:
        ConfigError: there is none.
    """
    from monai_landmarks.sharing.bundles import shipped_bundles

    if (Path(bundle) / "configs" / "train.yaml").is_file():
        return Path(bundle)
    shipped = shipped_bundles()
    if bundle in shipped:
        return shipped[bundle]
    raise ConfigError(f"{bundle} is no bundle with a configs/train.yaml; shipped are {', '.join(shipped)}")


def parse_setting(text: str) -> tuple[str, Any]:
    """ "max_epochs=2" as a name and a value, which is read as `python -m monai.bundle run` reads it.

    Raises:
        ConfigError: the text has no name.
    """
    from fire.parser import DefaultParseValue

    key, separator, value = text.partition("=")
    if not (key.strip() and separator):
        raise ConfigError(f"--set {text!r}: write it as KEY=VALUE, such as max_epochs=30")
    return key.strip(), DefaultParseValue(value.strip())


def parse_only(text: str | None, count: int) -> list[int]:
    """ "0,2" as fold numbers; all of them for None.

    Raises:
        ConfigError: no numbers, or of folds that do not exist.
    """
    if text is None:
        return list(range(count))
    try:
        chosen = [int(part) for part in text.split(",")]
    except ValueError:
        chosen = [-1]
    if not all(0 <= index < count for index in chosen):
        raise ConfigError(f"--only {text}: choose from 0 to {count - 1}, several as 0,2")
    return chosen
