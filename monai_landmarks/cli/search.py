"""`monai-landmarks search`: hyper-parameters of a bundle, by Optuna."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from monai_landmarks.cli.crossvalidate import (
    BundleArgument,
    Configs,
    DatasetArgument,
    Output,
    Settings,
    find_bundle,
    parse_setting,
)
from monai_landmarks.errors import ConfigError

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

    from monai_landmarks.engines.search_plan import Search

SpaceFile = Annotated[Path, typer.Option("--space", help="YAML file: config entries with low, high, log or choices.")]
Trials = Annotated[int, typer.Option(min=1, help="Trainings in all, those of earlier commands included.")]
Seed = Annotated[int, typer.Option(help="Of the search. The trainings' own: --set seed=1.")]
Prune = Annotated[bool, typer.Option("--prune/--no-prune", help="Give up trials worse than the median at their epoch.")]


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("search")(search)


def search(
    bundle: BundleArgument,
    dataset_file: DatasetArgument,
    space: SpaceFile,
    output: Output,
    trials: Trials = 20,
    config: Configs = None,
    settings: Settings = None,
    seed: Seed = 0,
    prune: Prune = True,
) -> None:
    """Train a bundle with many settings and keep the one with the smallest validation error, as best.yaml.

    A killed search continues with the same command. The test split is not looked at.
    """
    from monai_landmarks.engines.search_plan import Search
    from monai_landmarks.engines.search_space import read_space

    try:
        from monai_landmarks.engines.hyperparameters import opened_study, run_trials
        from monai_landmarks.engines.search_results import BEST
    except ModuleNotFoundError as error:
        raise ConfigError(f'{error.name} is missing: pip install "monai_landmarks[train,search]"') from None

    source = find_bundle(bundle)
    plan = Search(
        folder=output,
        dataset_file=dataset_file.resolve(),
        space=read_space(space),
        configs=tuple(config or ()),
        overrides=dict(parse_setting(text) for text in settings or []),
        seed=seed,
        prune=prune,
        progress=sys.stderr.isatty(),
    )
    prepare(plan, source)
    with opened_study(plan) as study:
        run_trials(plan, study, trials, tell)
    if not (output / BEST).is_file():
        raise ConfigError(f"{output}: none of the trials came to its end; narrow the space, or give --no-prune")
    command = training_command(plan, settings or (), output / BEST)
    typer.echo(f"the best values are in {output / BEST}; give it last: {command}")


def prepare(plan: Search, source: Path) -> None:
    """Check everything, then make the folder the search's, with a copy of the bundle."""
    from monai_landmarks.data.dataset import load_dataset

    plan.check(source)
    plan.claim(source, load_dataset(plan.dataset_file).digest())


def training_command(plan: Search, settings: Sequence[str], best: Path) -> str:
    """What trains with the best values, and with what was set for all trials."""
    files = [*(plan.bundle / "configs" / f"{name}.yaml" for name in plan.files), best]
    listed = ",".join(f"'{file}'" for file in files)
    command = f'python -m monai.bundle run training --config_file "[{listed}]"'
    return " ".join([command, f"--dataset_file {shlex.quote(str(plan.dataset_file))}", *map(option, settings)])


def option(setting: str) -> str:
    """KEY=VALUE as `python -m monai.bundle run` takes it; that drops an option whose value is None."""
    key, _, value = (part.strip() for part in setting.partition("="))
    return f"--{key} {shlex.quote('$None' if value == 'None' else value)}"


def tell(study: optuna.Study, trial: FrozenTrial) -> None:
    """One line a trial."""
    from optuna.trial import TrialState

    values = ", ".join(f"{key} {value}" for key, value in trial.params.items())
    outcome = "given up" if trial.value is None or trial.state == TrialState.PRUNED else f"MRE {trial.value:.3f}"
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    best = f" (best {study.best_value:.3f} in trial {study.best_trial.number})" if complete else ""
    typer.echo(f"trial {trial.number}: {outcome}{best}; {values}")
