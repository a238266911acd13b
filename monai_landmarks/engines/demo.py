"""The whole job on the embedded data set: simulate, train, evaluate, compare with the one-pixel baseline, report."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.engines.workflow import run_bundle
from monai_landmarks.errors import ConfigError
from monai_landmarks.handlers.history import read_history
from monai_landmarks.handlers.tracking import environment
from monai_landmarks.metrics import Results, rich_table
from monai_landmarks.report import write_report
from monai_landmarks.sharing.bundles import copy_bundle
from monai_landmarks.simulate import simulate_dataset

BUNDLE = "label_augmentation"
NAME, BASELINE = "label augmentation", "one-pixel baseline"
SIMULATED = (
    "The radiographs are simulated. The numbers show that the method and this installation work; they are no evidence "
    "of accuracy on patients."
)


@dataclass(frozen=True)
class DemoSettings:
    """How much is simulated and trained; the defaults fit 15 minutes on two cores.

    Args:
        count: radiographs, 70 % for training, 15 % each for validation and test.
        epochs: of each of the two trainings.
        longer_side: of the network's input, in pixels.
        seed: of everything.
    """

    count: int = 170
    epochs: int = 16
    longer_side: int = 256
    seed: int = 0


def run_demo(output: Path, settings: DemoSettings) -> Path:
    """Run it and return the report's path. A folder that holds an interrupted demo is continued.

    `output` gets data/ (DICOM), bundle/ (the trained bundle), metrics.json, cases.csv, history.csv, baseline/ and
    report.html.

    Raises:
        ConfigError: the folder holds a demo with other settings.
    """
    console = Console()
    _claim(output, settings)
    torch.set_num_threads(max(1, torch.get_num_threads()))
    began = time.perf_counter()
    with _step(console, f"1/4  Simulating {settings.count} pelvis radiographs (DICOM)"):
        dataset_file = simulate_dataset(output / "data", count=settings.count, seed=settings.seed)
        bundle = output / "bundle"
        if not (bundle / "configs").is_dir():
            copy_bundle(BUNDLE, bundle)
    with _step(console, f"2/4  Training: {NAME}"):
        rows = {NAME: _train(bundle, output, dataset_file, settings, ())}
    with _step(console, f"3/4  Training, equally long: the {BASELINE}"):
        rows[BASELINE] = _train(bundle, output / "baseline", dataset_file, settings, ("one_pixel",))
    with _step(console, "4/4  Report"):
        report = _report(output, dataset_file, rows, settings)
    console.print(rich_table(rows, title="Held-out simulated patients"))
    console.print(f"Report: {report}  ({(time.perf_counter() - began) / 60:.1f} min)", soft_wrap=True)
    return report


def _claim(output: Path, settings: DemoSettings) -> None:
    marker = output / "demo.json"
    wanted = dict(vars(settings))
    if marker.is_file() and json.loads(marker.read_text()) != wanted:
        raise ConfigError(f"{output} holds a demo with other settings ({marker.read_text().strip()}); choose another")
    output.mkdir(parents=True, exist_ok=True)
    marker.write_text(json.dumps(wanted) + "\n")


def _train(
    bundle: Path, output: Path, dataset_file: Path, settings: DemoSettings, extra: tuple[str, ...]
) -> dict[str, Any]:
    common = {
        "dataset_file": str(dataset_file),
        "output_dir": str(output),
        "ckpt_dir": str(output / "models" if extra else bundle / "models"),
        "max_epochs": settings.epochs,
        "longer_side": settings.longer_side,
        "seed": settings.seed,
        "progress": sys.stderr.isatty(),
        "run_name": BASELINE if extra else NAME,
        "tracking_uri": f"sqlite:///{(bundle.parent / 'mlflow.db').resolve()}",
    }
    run_bundle(bundle, "training", ("train", *extra), **common)
    run_bundle(bundle, "evaluate", ("train", *extra, "evaluate"), **common, title=common["run_name"])
    return json.loads((output / "metrics.json").read_text())


def _report(output: Path, dataset_file: Path, rows: dict[str, dict[str, Any]], settings: DemoSettings) -> Path:
    dataset = load_dataset(dataset_file)
    groups = dataset.scheme.group_indices()
    baseline = Results.read_csv(output / "baseline" / "cases.csv", groups)
    return write_report(
        output / "report.html",
        results=Results.read_csv(output / "cases.csv", groups),
        metrics=rows[NAME],
        history=read_history(output / "history.csv"),
        dataset=dataset,
        compare={BASELINE: (rows[BASELINE], baseline)},
        title="Label augmentation on simulated pelvis radiographs",
        provenance={
            "command": f"monai-landmarks demo, {settings}",
            "data set": f"{dataset.scheme.name}, digest {dataset.digest()}",
            **environment(),
        },
        notes=[SIMULATED],
    )


@contextmanager
def _step(console: Console, title: str) -> Iterator[None]:
    console.rule(title, align="left")
    began = time.perf_counter()
    yield
    console.print(f"{title.split('  ')[0]} done in {time.perf_counter() - began:.0f} s")
