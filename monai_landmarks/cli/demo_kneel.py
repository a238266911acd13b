"""`monai-landmarks demo-kneel`: both stages of KNEEL on simulated knees, with and without transfer."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from monai_landmarks.cli.steps import claim, step

if TYPE_CHECKING:
    from monai_landmarks.metrics import Results

PRESET = "knees-radiograph"
ROI, LANDMARKS = "kneel_roi", "kneel_landmarks"
TITLE = "KNEEL on simulated knee radiographs"
TRANSFER, SCRATCH = "transfer", "no transfer"
# Name of a row, its training, and whether the region is looked at again around the centre found in it.
ROWS = {
    "transfer, two passes": (TRANSFER, True),
    "transfer, one pass": (TRANSFER, False),
    "no transfer, two passes": (SCRATCH, True),
    "no transfer, one pass": (SCRATCH, False),
}


@dataclass(frozen=True)
class KneelSettings:
    """How much is simulated and trained; the defaults fit 20 minutes on two cores.

    Coarser and narrower than the bundles' own settings (1 mm and 0.3 mm, width 24): the demo says so.

    Args:
        count: radiographs, 70 % for training, 15 % each for validation and test.
        epochs: of stage 1.
        landmark_epochs: of stage 2, with and without transfer.
        width: of both networks.
        region_spacing: mm per pixel of stage 1.
        spacing: mm per pixel of stage 2.
        seed: of everything.
    """

    count: int = 140
    epochs: int = 12
    landmark_epochs: int = 20
    width: int = 16
    region_spacing: float = 2.0
    spacing: float = 0.6
    seed: int = 0


def register(app: typer.Typer) -> None:
    """Add the verb."""
    app.command("demo-kneel")(demo_kneel)


def demo_kneel(
    output: Annotated[Path, typer.Argument(help="Folder for data, models, metrics and report.")] = Path(
        "runs/demo-kneel"
    ),
    count: Annotated[int, typer.Option(min=20, help="Simulated radiographs.")] = KneelSettings.count,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs of stage 1.")] = KneelSettings.epochs,
    landmark_epochs: Annotated[
        int, typer.Option(min=1, help="Epochs of each of the two trainings of stage 2.")
    ] = KneelSettings.landmark_epochs,
    seed: Annotated[int, typer.Option(help="Seed of simulation and training.")] = KneelSettings.seed,
) -> None:
    """Simulate knees, train both stages with and without transfer, evaluate, report (under 20 minutes on 2 cores)."""
    settings = KneelSettings(count=count, epochs=epochs, landmark_epochs=landmark_epochs, seed=seed)
    run_demo_kneel(output, settings)


def run_demo_kneel(output: Path, settings: KneelSettings) -> Path:
    """Run it and return the report's path. A folder that holds an interrupted demo is continued.

    `output` gets data/ (DICOM), kneel_roi/ and kneel_landmarks/ (the trained bundles; the second holds both stages),
    the evaluation of the first row, one folder for each other row, and report.html.

    Raises:
        ConfigError: the folder holds a demo with other settings.
    """
    from monai_landmarks.cli.report import build_report
    from monai_landmarks.metrics import rich_table
    from monai_landmarks.sharing.bundles import copy_bundle
    from monai_landmarks.simulate import simulate_dataset

    console = Console()
    claim(output, asdict(settings))
    began = time.perf_counter()
    console.print(
        f"Smaller than the bundles' own settings: {settings.region_spacing:g} and {settings.spacing:g} mm per pixel "
        f"instead of 1 and 0.3, width {settings.width} instead of 24."
    )
    with step(console, f"1/5  Simulating {settings.count} knee radiographs (DICOM)"):
        dataset_file = simulate_dataset(output / "data", PRESET, count=settings.count, seed=settings.seed)
        for name in (ROI, LANDMARKS):
            if not (output / name / "configs").is_dir():
                copy_bundle(name, output / name)
    demo = KneelDemo(output, dataset_file, settings)
    with step(console, "2/5  Training stage 1: the knees' centres"):
        demo.train_regions()
    for number, (name, transfer) in enumerate({TRANSFER: True, SCRATCH: False}.items(), 3):
        with step(console, f"{number}/5  Training stage 2: 16 landmarks, {name}"):
            demo.train_landmarks(name, transfer)
    with step(console, "5/5  Evaluation and report"):
        regions = demo.evaluate_regions()
        rows = {name: demo.evaluate_landmarks(name) for name in ROWS}
        demo.write_provenance()
        compare = {name: demo.folder(name) for name in list(ROWS)[1:]}
        notes = [demo.stage_note(), lost_regions(demo.results())]
        report = build_report(output, dataset_file, compare, title=TITLE, notes=notes)
    console.print(rich_table({"stage 1, centre": regions}, title="Stage 1 on held-out simulated patients"))
    console.print(rich_table(rows, title="16 landmarks of each knee, held-out simulated patients"))
    console.print(notes[-1])
    console.print(f"Report: {report}  ({(time.perf_counter() - began) / 60:.1f} min)", soft_wrap=True)
    return report


class KneelDemo:
    """The trainings and evaluations of one demo.

    Args:
        output: the demo's folder.
        dataset_file: its data set.
        settings: how much is trained.
    """

    def __init__(self, output: Path, dataset_file: Path, settings: KneelSettings) -> None:
        self.output = output
        self.dataset_file = dataset_file
        self.settings = settings

    def train_regions(self) -> None:
        """Stage 1, at its coarser spacing."""
        own = self.settings
        sides = [round(side / own.region_spacing / 64) * 64 for side in (448, 256)]
        more = {"max_epochs": own.epochs, "spacing_mm": own.region_spacing, "spatial_size": sides, "batch_size": 8}
        self._run(ROI, "training", ("train",), self._models(None), f"{ROI}/eval", run_name="stage 1", **more)

    def train_landmarks(self, name: str, transfer: bool) -> None:
        """Stage 2."""
        own = self.settings
        side = round(134.4 / own.spacing / 32) * 32
        more = {
            "max_epochs": own.landmark_epochs,
            "spacing_mm": own.spacing,
            "spatial_size": [side, side],
            "batch_size": 8,
            "transfer": transfer,
        }
        self._run(LANDMARKS, "training", ("train",), self._models(name), self._trained(name), run_name=name, **more)

    def evaluate_regions(self) -> dict[str, Any]:
        """Stage 1's errors; returns metrics.json."""
        return self._evaluate(ROI, self._models(None), self.output / ROI / "eval", title="stage 1")

    def evaluate_landmarks(self, row: str) -> dict[str, Any]:
        """A row's errors; returns metrics.json."""
        name, recentre = ROWS[row]
        return self._evaluate(
            LANDMARKS, self._models(name), self.folder(row), title=row, recentre=recentre, group_by="kl_grade"
        )

    def folder(self, row: str) -> Path:
        """Where a row's evaluation lies; the first one's is the demo's."""
        return self.output if row == next(iter(ROWS)) else self.output / row.replace(", ", "_").replace(" ", "_")

    def results(self) -> Results:
        """Every point of the first row."""
        from monai_landmarks.data.dataset import load_dataset
        from monai_landmarks.report.run import evaluated_dataset, load_evaluation

        return load_evaluation(self.output, evaluated_dataset(self.output, load_dataset(self.dataset_file)))[1]

    def stage_note(self) -> str:
        """What the report must say of the demo's size."""
        own = self.settings
        return (
            f"Trained smaller than the bundles' own settings: {own.region_spacing:g} and {own.spacing:g} mm per pixel "
            f"instead of 1 and 0.3, width {own.width} instead of 24, {own.landmark_epochs} epochs instead of 100."
        )

    def write_provenance(self) -> None:
        """What the report says of where it comes from."""
        told = {key: str(value) for key, value in asdict(self.settings).items()}
        text = json.dumps({"command": "monai-landmarks demo-kneel", **told})
        (self.output / "provenance.json").write_text(text + "\n", encoding="utf-8")

    def _trained(self, name: str) -> str:
        return "." if name == TRANSFER else "no_transfer_training"

    def _models(self, name: str | None) -> Path:
        if name is None:
            return self.output / ROI / "models"
        return (
            self.output / LANDMARKS / "models" if name == TRANSFER else self.output / "no_transfer_training" / "models"
        )

    def _evaluate(self, bundle: str, models: Path, folder: Path, **more: Any) -> dict[str, Any]:
        self._run(bundle, "evaluate", ("train", "evaluate"), models, folder, **more)
        metrics: dict[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        return metrics

    def _run(
        self, bundle: str, run_id: str, configs: tuple[str, ...], models: Path, folder: str | Path, **more: Any
    ) -> None:
        from monai.utils import path_to_sqlite_uri

        from monai_landmarks.engines.workflow import run_bundle

        options: Mapping[str, Any] = {
            "dataset_file": str(self.dataset_file),
            "output_dir": str(self.output / folder if isinstance(folder, str) else folder),
            "ckpt_dir": str(models),
            "width": self.settings.width,
            "seed": self.settings.seed,
            "progress": sys.stderr.isatty(),
            "tracking_uri": path_to_sqlite_uri((self.output / "mlflow.db").resolve()),
            **({"region_models": str(self._models(None))} if bundle == LANDMARKS else {}),
            **more,
        }
        run_bundle(self.output / bundle, run_id, configs, **options)


def lost_regions(results: Results) -> str:
    """The knees that stage 1 did not find, in one sentence."""
    import numpy as np

    from monai_landmarks.data.dataset import State
    from monai_landmarks.sides import WORDS, side_of

    lost = []
    for side, word in WORDS.items():
        chosen = [k for k, name in enumerate(results.names) if side_of(name) == side]
        there = (results.state[:, chosen] == State.PRESENT).any(axis=1)
        found = np.isfinite(results.predicted[:, chosen]).all(axis=2).any(axis=1)
        lost += [f"{results.case_ids[i]} {word}" for i in np.flatnonzero(there & ~found)]
    return f"Lost regions: {', '.join(lost) if lost else 'none'}."
