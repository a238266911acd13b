"""`monai-landmarks report`: a run folder becomes one HTML file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from monai_landmarks.errors import ConfigError

if TYPE_CHECKING:
    from monai_landmarks.data.dataset import LandmarkDataset

RUN = typer.Argument(..., help="Folder with metrics.json and cases.csv, and history.csv of a training.")
DATASET = typer.Option(..., "--dataset", "-d", help="The data set file the model was evaluated on.")
COMPARE = typer.Option(
    [],
    "--compare",
    "-c",
    help="NAME=FOLDER: another evaluation, of another model or of other images. Those below RUN are found.",
)
TITLE = typer.Option("Landmark report", "--title", help="Title of the page.")
NOTE = typer.Option([], "--note", help="A sentence a reader must not miss; may be repeated.")
PUBLIC = typer.Option(False, "--public", "--no-cases", help="Leave out images, case ids and file paths.")
OUTPUT = typer.Option(None, "--output", "-o", help="The HTML file; RUN/report.html without it.")


def register(app: typer.Typer) -> None:
    """Add the verb."""

    @app.command("report")
    def report(
        run: Path = RUN,
        dataset: Path = DATASET,
        compare: list[str] = COMPARE,
        title: str = TITLE,
        note: list[str] = NOTE,
        public: bool = PUBLIC,
        output: Path | None = OUTPUT,
    ) -> None:
        """Write a self-contained HTML report: tables, curves, best, median and worst cases."""
        named = dict(parse_comparison(text) for text in compare)
        path = build_report(run, dataset, named, title=title, notes=note, public=public, output=output)
        typer.echo(str(path))


def parse_comparison(text: str) -> tuple[str, Path]:
    """ "one-pixel baseline=RUN/baseline" as a name and a folder.

    Raises:
        ConfigError: the text has no name or no folder.
    """
    name, separator, folder = text.partition("=")
    if not (name.strip() and separator and folder.strip()):
        raise ConfigError(f"--compare {text!r}: write it as NAME=FOLDER, such as baseline=runs/demo/baseline")
    return name.strip(), Path(folder.strip())


def build_report(
    run: Path,
    dataset_file: Path,
    compare: dict[str, Path] | None = None,
    *,
    title: str = "Landmark report",
    notes: list[str] | None = None,
    public: bool = False,
    output: Path | None = None,
) -> Path:
    """Read a run folder and write its report.

    Args:
        run: folder with metrics.json and cases.csv, perhaps history.csv and provenance.json.
        dataset_file: the data set file the model was evaluated on.
        compare: folders of other evaluations by the name of their row, of the same landmarks. Their images need not
            be in `dataset_file`: what is needed of them stands in their folder. Evaluations in sub-folders of `run`
            that are not among them are added under the folder's name.
        title: of the page.
        notes: sentences a reader must not miss.
        public: leave out what could show a patient.
        output: the HTML file; `run`/report.html without it.
    """
    from monai_landmarks.data.dataset import load_dataset
    from monai_landmarks.handlers.history import read_history
    from monai_landmarks.report import write_report
    from monai_landmarks.report.run import (
        evaluated_dataset,
        find_compared,
        load_evaluation,
        load_provenance,
        load_record,
    )

    dataset = load_dataset(dataset_file)
    # What was evaluated may be some of the file's landmarks; its digest is the file's.
    own = evaluated_dataset(run, dataset)
    metrics, results = load_evaluation(run, own)
    named = dict(compare or {})
    known = {folder.resolve() for folder in named.values()}
    named |= {name: path for name, path in find_compared(run).items() if path.resolve() not in known}
    history = run / "history.csv"
    provenance = load_provenance(run) | {"data set": f"{dataset.scheme.name}, digest {dataset.digest()}"}
    for name, folder in named.items():
        if record := load_record(folder):
            provenance[f"data set of “{name}”"] = f"{record['dataset']}, digest {record['digest']}, {record['split']}"
    return write_report(
        output or run / "report.html",
        results=results,
        metrics=metrics,
        history=read_history(history) if history.is_file() else None,
        dataset=own,
        compare={name: load_evaluation(folder, own) for name, folder in named.items()},
        title=title,
        provenance=provenance | versions(),
        notes=[*simulated_note(dataset), *digest_note(load_record(run), dataset), *(notes or [])],
        public=public,
    )


def simulated_note(dataset: LandmarkDataset) -> list[str]:
    """Simulated images are called so, whoever asks for the report."""
    simulated = sum("simulator" in case.attributes for case in dataset.cases)
    if not simulated:
        return []
    if simulated == len(dataset.cases):
        start = "The images of this data set are simulated."
    else:
        start = f"Simulated images in this data set: {simulated} of {len(dataset.cases)}."
    return [f"{start} Errors on simulated images are no evidence of clinical accuracy."]


def digest_note(record: dict[str, str], dataset: LandmarkDataset) -> list[str]:
    """The data set file is not, or no longer, the one that was evaluated."""
    if record.get("digest") in (None, dataset.digest()):
        return []
    return [
        f"The data set file has changed since the evaluation, or is another one (digest {dataset.digest()}, evaluated: "
        f"{record['digest']}). Numbers are those of the evaluation; images, sites and notes are those of the file."
    ]


def versions() -> dict[str, str]:
    """The software that wrote the report."""
    import platform
    from importlib.metadata import version

    packages = ("monai", "torch", "numpy")
    found = [f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)]
    return {"report written by": f"monai_landmarks {version('monai_landmarks')} ({', '.join(found)})"}
