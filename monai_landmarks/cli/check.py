"""`monai-landmarks check`: the fingerprint of a data set, its faults, a contact sheet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

if TYPE_CHECKING:
    from monai_landmarks.data.dataset import LandmarkDataset
    from monai_landmarks.data.fingerprint import Fingerprint

# Starting a process takes as long as reading some tens of images.
CASES_PER_WORKER = 40
ROWS_SHOWN = 5


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("check")(check)


def check(
    dataset_file: Annotated[Path, typer.Argument(metavar="DATASET", help="The data set file.")],
    contact_sheet: Annotated[
        Path | None, typer.Option(help="Draw images with their points to this PNG; suspects first.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Images on the contact sheet.")] = 24,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the fingerprint to this file.")] = None,
    workers: Annotated[int | None, typer.Option(min=0, help="Processes that read; chosen without it.")] = None,
) -> None:
    """Check a data set: read every image, print the fingerprint, list faults and warnings.

    Exit status 0 if the data set can be used, 1 if it has faults.
    """
    from monai_landmarks.data.dataset import parse_dataset
    from monai_landmarks.errors import DatasetError

    console = Console()
    try:
        dataset = parse_dataset(dataset_file)
    except DatasetError as error:
        _print_list(console, "faults", "red", error.faults)
        raise typer.Exit(1) from None
    found = _fingerprint(dataset, workers)
    _print_fingerprint(console, dataset_file, found)
    _print_list(console, "warnings", "yellow", found.warnings)
    _print_list(console, "faults", "red", found.faults)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(found.to_dict(), indent=1) + "\n", encoding="utf-8")
    if contact_sheet is not None and dataset.cases:
        _draw(dataset, found, contact_sheet, limit)
    if found.faults:
        raise typer.Exit(1)
    console.print("[green]no faults[/]: the data set can be used")


def _fingerprint(dataset: LandmarkDataset, workers: int | None) -> Fingerprint:
    from monai_landmarks.cores import available_cores
    from monai_landmarks.data.fingerprint import fingerprint

    count = len(dataset.cases)
    if workers is None:
        workers = min(available_cores(), count // CASES_PER_WORKER)
    columns = (TextColumn("reading"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=count)
        return fingerprint(dataset, workers, lambda done: bar.update(task, completed=done))


def _print_fingerprint(console: Console, path: Path, found: Fingerprint) -> None:
    table = Table(title=f"{escape(str(path))} ({found.digest})", show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, count in found.cases.items():
        if count:
            table.add_row(name, f"{count} cases, {found.patients[name]} patients")
    rows = {
        "sizes": found.sizes,
        "spacing (row x column)": found.spacings,
        "spacing plane": found.planes,
        "body part and view": {name or "unknown": count for name, count in found.views.items()},
        "readers": found.readers,
    }
    for name, counts in rows.items():
        table.add_row(name, escape(_most_frequent(counts)))
    console.print(table)
    coverage = Table(title=f"landmarks of {escape(found.scheme)}: cases")
    for heading in ("landmark", "present", "absent", "unlabelled"):
        coverage.add_column(heading, justify="left" if heading == "landmark" else "right")
    for name, counts in found.coverage.items():
        coverage.add_row(escape(name), *(str(counts[state]) for state in ("present", "absent", "unlabelled")))
    console.print(coverage)


def _most_frequent(counts: dict[str, int]) -> str:
    lines = [f"{name}: {count}" for name, count in list(counts.items())[:ROWS_SHOWN]]
    rest = list(counts.values())[ROWS_SHOWN:]
    return "\n".join(lines + ([f"{len(rest)} others: {sum(rest)}"] if rest else [])) or "none"


def _print_list(console: Console, title: str, colour: str, items: Sequence[str]) -> None:
    if not items:
        return
    console.print(f"[bold {colour}]{len(items)} {title if len(items) > 1 else title.removesuffix('s')}[/]")
    for item in items:
        console.print(f"  - {escape(item)}", highlight=False, soft_wrap=True)


def _draw(dataset: LandmarkDataset, found: Fingerprint, path: Path, limit: int) -> None:
    from monai_landmarks.data.contact_sheet import contact_sheet, save_contact_sheet

    save_contact_sheet(contact_sheet(dataset, first=found.suspects(), limit=limit), path)
    typer.echo(f"contact sheet: {path}")
