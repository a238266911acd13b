"""`monai-landmarks federated`: hospitals train one model, and no image leaves its hospital."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from monai_landmarks.cli.crossvalidate import parse_setting
from monai_landmarks.errors import ConfigError

if TYPE_CHECKING:
    from monai_landmarks.federated.plan import Plan

Output = Annotated[Path, typer.Argument(help="Folder to write to.")]
Bundle = Annotated[str, typer.Option(help="A shipped bundle with a configs/federated.yaml.")]
Rounds = Annotated[int, typer.Option(min=1, help="How often the hospitals' weights are averaged.")]
LocalEpochs = Annotated[int, typer.Option(min=1, help="Epochs of each hospital between two averages.")]
LongerSide = Annotated[int, typer.Option(min=64, help="Longer side of the network's input, pixels.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE: a config entry for all hospitals.")]
Sites = Annotated[
    list[str] | None,
    typer.Option("--site", help="NAME=DATASET: a hospital and its data set file; without any, three are simulated."),
]
Count = Annotated[int, typer.Option(min=12, help="Simulated radiographs of each hospital.")]
Seed = Annotated[int, typer.Option(help="Of the simulated hospitals. The training's own: --set seed=1.")]


def register(app: typer.Typer) -> None:
    """Add the verb with its commands."""
    verbs = typer.Typer(help="Train one model at several hospitals; only weights are sent.", no_args_is_help=True)
    verbs.command("simulate")(simulate)
    verbs.command("job")(job)
    verbs.command("collect")(collect)
    app.add_typer(verbs, name="federated")


def simulate(
    output: Output,
    site: Sites = None,
    bundle: Bundle = "label_augmentation",
    rounds: Rounds = 6,
    local_epochs: LocalEpochs = 2,
    longer_side: LongerSide = 256,
    count: Count = 60,
    seed: Seed = 0,
    settings: Settings = None,
) -> None:
    """Try it on one machine, in NVFlare's simulator: each hospital alone, all federated, all pooled, in one table.

    An interrupted command continues with what is finished.
    """
    from monai_landmarks.engines.claim import claim_folder
    from monai_landmarks.federated.hospitals import given_hospitals, load_hospitals, simulated_hospitals
    from monai_landmarks.federated.job import fitted
    from monai_landmarks.federated.simulation import check_installed
    from monai_landmarks.locks import alone

    check_installed()
    plan = planned(bundle, rounds, local_epochs, settings)
    given = load_hospitals(parse_sites(site)) if site else {}
    digests = [[name, dataset.digest()] for name, dataset in given.items()]
    claim_folder(
        output / "federated.json",
        {"plan": plan.as_json(), "longer_side": longer_side, "sites": digests, "count": count, "seed": seed},
        "a federated training",
    )
    folder = output / "sites"
    with alone(output / "federated.lock", "training"):
        if given:
            sites = given_hospitals(folder, given)
        else:
            sites = simulated_hospitals(folder, "pelvis-radiograph", count, seed)
        plan = fitted(plan, next(iter(sites.values())), longer_side)
        typer.echo(compare(plan, sites, output))
    typer.echo(f"the federated model: monai-landmarks predict {output / 'bundle'} RADIOGRAPHS --output predictions")


def compare(plan: Plan, sites: dict[str, Path], output: Path) -> str:
    """Train every row, evaluate it at every hospital and write table.md, whose text is returned."""
    from rich.console import Console

    from monai_landmarks.cli.steps import step
    from monai_landmarks.federated.hospitals import pooled
    from monai_landmarks.federated.simulation import comparison, evaluate_federated, markdown, train_and_evaluate

    console, bundle, rows = Console(), output / "bundle", {}
    with step(console, f"1/3  Federated: {len(sites)} hospitals, {plan.rounds} rounds of {plan.local_epochs} epochs"):
        federate(plan, sites, output)
    together = pooled(sites, output / "all")
    with step(console, f"2/3  Each hospital alone: {len(sites)} trainings of {plan.epochs} epochs"):
        for name, file in sites.items():
            row = f"{name} alone"
            rows[row] = train_and_evaluate(plan, bundle, file, together, output / row)
    with step(console, f"3/3  All pooled, as no hospital could: {plan.epochs} epochs"):
        rows["federated"] = evaluate_federated(plan, bundle, together, output / "federated")
        rows["pooled"] = train_and_evaluate(plan, bundle, together, together, output / "pooled")
    text = markdown(comparison(rows))
    (output / "table.md").write_text(text, encoding="utf-8")
    return text


def federate(plan: Plan, sites: dict[str, Path], output: Path) -> None:
    """Prepare the job, run it and make its result the bundle's model, unless that is done."""
    from monai_landmarks.federated import job as jobs
    from monai_landmarks.federated.simulation import simulate_federation

    bundle = output / "bundle"
    if (bundle / "models" / jobs.MODEL).is_file():
        return
    jobs.write_bundle(plan, next(iter(sites.values())), bundle)
    jobs.write_job(plan, len(sites), bundle, output / "job")
    jobs.collect(simulate_federation(plan, output / "job", sites, output / "simulator"), bundle)


def job(
    output: Output,
    dataset_file: Annotated[Path, typer.Argument(metavar="DATASET", help="Your hospital's data set file.")],
    clients: Annotated[int, typer.Option(min=2, help="Hospitals that take part, yours included.")],
    bundle: Bundle = "label_augmentation",
    rounds: Rounds = 20,
    local_epochs: LocalEpochs = 2,
    longer_side: LongerSide = 320,
    settings: Settings = None,
) -> None:
    """Write OUTPUT/job for `nvflare job submit`, and OUTPUT/bundle, which `federated collect` makes the result."""
    from monai_landmarks.cli.options import refuse_filled
    from monai_landmarks.federated import job as jobs

    refuse_filled(output, force=False)
    plan = jobs.fitted(planned(bundle, rounds, local_epochs, settings), dataset_file, longer_side)
    jobs.write_bundle(plan, dataset_file, output / "bundle")
    jobs.write_job(plan, clients, output / "bundle", output / "job")
    typer.echo(f"submit {output / 'job'}; its FL_global_model.pt then: monai-landmarks federated collect {output} FILE")


def collect(
    output: Output,
    weights: Annotated[Path, typer.Argument(help="FL_global_model.pt of the finished job.")],
) -> None:
    """Make the result of a job a bundle that predicts."""
    from monai_landmarks.federated import job as jobs

    jobs.collect(weights, output / "bundle")
    typer.echo(f"monai-landmarks predict {output / 'bundle'} RADIOGRAPHS --output predictions")


def planned(bundle: str, rounds: int, local_epochs: int, settings: Sequence[str] | None) -> Plan:
    """The options as a plan."""
    from monai_landmarks.federated.plan import Plan

    values = dict(parse_setting(text) for text in settings or [])
    return Plan(bundle=bundle, rounds=rounds, local_epochs=local_epochs, settings=values)


def parse_sites(texts: Sequence[str]) -> dict[str, Path]:
    """ "NAME=DATASET" texts as names and files.

    Raises:
        ConfigError: a text that is none, or a name twice.
    """
    sites: dict[str, Any] = {}
    for text in texts:
        name, separator, file = text.partition("=")
        if not (name and separator and file) or name in sites:
            raise ConfigError(f"--site {text!r}: write it as NAME=DATASET, each name once")
        sites[name] = Path(file)
    return sites
