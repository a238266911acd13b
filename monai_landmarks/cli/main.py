"""The `monai-landmarks` command: one verb a module, errors without tracebacks."""

from __future__ import annotations

import os
import sys
from importlib import import_module

import typer
from rich.console import Console
from rich.markup import escape

from monai_landmarks import __version__
from monai_landmarks.errors import find_cause
from monai_landmarks.plain_errors import DEBUG_VARIABLE

VERBS = (
    "simulate",
    "import_",
    "export",
    "pictures",
    "split",
    "check",
    "bundles",
    "crossvalidate",
    "search",
    "federated",
    "baselines",
    "predict",
    "propose",
    "convert",
    "pack",
    "verify",
    "keygen",
    "measure",
    "readers",
    "report",
    "demo",
    "demo_kneel",
    "demo_one_shot",
)


def build_app() -> typer.Typer:
    """The command-line application with every verb registered."""
    app = typer.Typer(
        name="monai-landmarks",
        help="Anatomical landmarks in radiographs: simulate, import, check, train, predict, report.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )

    @app.callback(invoke_without_command=True)
    def root(version: bool = typer.Option(False, "--version", help="Print the version and stop.")) -> None:
        if version:
            typer.echo(f"monai_landmarks {__version__}")
            raise typer.Exit

    for verb in VERBS:
        import_module(f"monai_landmarks.cli.{verb}").register(app)
    return app


def main() -> None:
    """Entry point: run a verb; a user's error ends with its message and exit status 2, never with a traceback."""
    try:
        build_app()()
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if os.environ.get(DEBUG_VARIABLE):
            raise
        ours = find_cause(error)
        text = str(ours) if ours else f"unexpected {type(error).__name__}: {error}; {DEBUG_VARIABLE}=1 shows where"
        Console(stderr=True, soft_wrap=True).print(f"[bold red]error:[/] {escape(text)}", highlight=False)
        sys.exit(2 if ours else 3)
