"""The stages and rows of `demo-one-shot`."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

    from monai_landmarks.metrics import Results

CC2D, SLA, ATD, ADAPTER, TPL = "CC2D", "SLA", "template copies", "ATD-Adapter", "TPL"
# SLA learns one landmark a model; the demo trains one of them.
LANDMARK = "femoral_head_centre_left"
# Earlier stages of each row, whose time counts.
STAGES = {CC2D: (CC2D,), SLA: (CC2D, SLA), ADAPTER: (CC2D, ATD, ADAPTER), TPL: (CC2D, ATD, ADAPTER, TPL)}
SDR = ("2.0", "4.0")


@dataclass(frozen=True)
class OneShotSettings:
    """How much is simulated and trained; the defaults fit 20 minutes on two cores.

    Narrower and smaller than the sources' networks (VGG19, 384 x 384, decoders of 256, 128, 64, 128 channels).

    Args:
        count: radiographs: 65 % training, 10 % validation, 25 % test.
        epochs: of CC2D.
        stage_epochs: of SLA and of ATD-Adapter.
        tpl_epochs: of TPL.
        longer_side: of the networks' input, in pixels.
        seed: of everything.
    """

    count: int = 104
    epochs: int = 10
    stage_epochs: int = 6
    tpl_epochs: int = 14
    longer_side: int = 256
    seed: int = 0


class OneShotDemo:
    """The trainings and evaluations of one demo.

    Args:
        output: the demo's folder.
        dataset_file: its data set, all of it annotated: the trainings see the template's annotation alone.
        settings: how much is trained.
    """

    def __init__(self, output: Path, dataset_file: Path, settings: OneShotSettings) -> None:
        from monai_landmarks.data.dataset import load_dataset
        from monai_landmarks.data.one_shot import template_case

        self.output = output
        self.dataset_file = dataset_file
        self.settings = settings
        self.dataset = load_dataset(dataset_file)
        self.template = template_case(self.dataset).id
        self.unlabelled = len(self.dataset.select("training")) - 1

    def train_cc2d(self) -> None:
        """Without annotations."""
        self._train(CC2D, ("train",), max_epochs=self.settings.epochs)

    def train_sla(self) -> None:
        """One landmark, from CC2D's embedding on."""
        more = {"landmark": LANDMARK, "max_epochs": self.settings.stage_epochs, "learning_rate": 3e-4}
        self._train(SLA, ("train", "sla"), start=str(self.models(CC2D)), **more)

    def train_template(self) -> None:
        """Moved copies of the template, one network with adapters, from CC2D's embedding on."""
        more = {"copies": 4 * len(self.dataset.names), "max_epochs": 1, "learning_rate": 3e-4}
        self._train(ATD, ("train", "template", "adapter"), start=str(self.models(CC2D)), **more)

    def train_adapter(self) -> None:
        """Pseudo-labels of all landmarks, from the copies on."""
        more = {"max_epochs": self.settings.stage_epochs, "learning_rate": 3e-4}
        self._train(ADAPTER, ("train", "sla", "adapter"), start=str(self.models(ATD)), **more)

    def train_tpl(self) -> None:
        """A U-Net on the pseudo-labels of ATD-Adapter; those of the validation images choose its epoch."""
        from monai_landmarks.data.dataset import load_dataset
        from monai_landmarks.engines.propose import Proposer, pseudo_training_set

        known = load_dataset(self.models(ADAPTER) / "pseudo_labels.json")
        labels = {case.id: labels_of(case, known.scheme) for case in known.select("training")}
        proposer = Proposer(self.output / "one_shot", self.dataset, self.models(ADAPTER))
        labels |= proposer.points(self.dataset.select("validation"))
        pseudo = self.output / "data" / "pseudo.json"
        pseudo_training_set(self.dataset, labels, self.template, pseudo.parent).save(pseudo)
        options = {**self._options(TPL), "dataset_file": str(pseudo), "reader": "one_shot"}
        self._run("label_augmentation", "training", ("train",), {**options, "max_epochs": self.settings.tpl_epochs})

    def evaluate(self) -> dict[str, dict[str, Any]]:
        """The rows of the table, by their name: errors against all annotations, and what the model costs."""
        from monai_landmarks.baselines.one_shot import one_shot_floors
        from monai_landmarks.engines.footprint import measure_footprint

        for name in (CC2D, ADAPTER):
            self._run("one_shot", "evaluate", ("train", "evaluate"), {**self._options(name), "title": name})
        one = {**self._options(SLA), "title": f"{SLA}, {LANDMARK}", "landmark": LANDMARK}
        self._run("one_shot", "evaluate", ("train", "sla", "evaluate"), one)
        self._run("label_augmentation", "evaluate", ("train", "evaluate"), {**self._options(TPL), "title": TPL})
        self.results = {name: self._read(name) for name in STAGES}
        floors = one_shot_floors(self.results[CC2D], self.dataset, self.template)
        for name, results in floors.items():
            self._write_floor(name, results)
        self.results |= floors
        rows = {name: self._errors(name) for name in self.results}
        better = min(floors, key=lambda name: rows[name]["mre"])
        for name in STAGES:
            cost = asdict(measure_footprint(self.models(name)))
            models = len(self.dataset.names) if name == SLA else 1
            rows[name] |= {**cost, "models": models, "minutes": self.minutes(name)} | self._gain(name, better)
        return rows

    def minutes(self, name: str) -> float:
        """Of training, of all stages up to this one."""
        from monai_landmarks.handlers.history import read_history

        histories = [read_history(self.folder(stage) / "history.csv") for stage in STAGES[name]]
        return sum(row["seconds"] for rows in histories for row in rows) / 60

    def _errors(self, name: str) -> dict[str, Any]:
        """Pooled numbers in mm, and the MRE of SLA's landmark."""
        from monai_landmarks.metrics.points import mre, sdr

        results = self.results[name]
        errors = results.errors_mm()
        rates = {key: sdr(errors, [float(key)])[float(key)] for key in SDR}
        return {"mre": mre(errors), "sdr": rates, "landmark": mre(errors[:, [results.names.index(LANDMARK)]])}

    def _gain(self, name: str, floor: str) -> dict[str, Any]:
        """How much less than the better floor's errors these are, on the same landmarks of the same images."""
        from monai_landmarks.metrics.points import PatientBootstrap, mre

        own, other = self.results[name], self.results[floor]
        chosen = [other.names.index(landmark) for landmark in own.names]
        errors, floors = own.errors_mm(), other.errors_mm()[:, chosen]
        low, high = PatientBootstrap(own.patients).mean(errors - floors)
        return {"floor": floor, "ratio": mre(errors) / mre(floors), "difference_ci95": [low, high]}

    def models(self, name: str) -> Path:
        """Folder of a stage's weights."""
        return self.output / "models" / slug(name)

    def folder(self, name: str) -> Path:
        """Where a row's evaluation lies; ATD-Adapter's is the demo's, SLA's is of one landmark and lies apart."""
        if name in (SLA, ATD):
            return self.output / "stages" / slug(name)
        return self.output if name == ADAPTER else self.output / slug(name)

    def compared(self) -> dict[str, Path]:
        """The report's other rows."""
        return {name: self.folder(name) for name in self.results if name not in (SLA, ADAPTER)}

    def notes(self, rows: Mapping[str, Mapping[str, Any]]) -> list[str]:
        """What a reader must not miss."""
        notes = [
            f"One annotated image ({self.template}), {self.unlabelled} without annotations. Smaller than the sources: "
            f"{self.settings.longer_side} pixels instead of 384, EfficientNet-lite0 instead of VGG19, a narrower "
            f"decoder, {self.settings.epochs} epochs instead of 300. SLA is one model a landmark; trained here: "
            f"{LANDMARK}. The mean shape is a floor that needs all annotations."
        ]
        for name in STAGES:
            low, high = rows[name]["difference_ci95"]
            notes.append(
                f"{name}: MRE {rows[name]['ratio']:.2f} times that of the {rows[name]['floor']}, difference "
                f"{low:.1f} to {high:.1f} mm (95 %, paired bootstrap over patients)."
            )
        return notes

    def table(self, rows: Mapping[str, Mapping[str, Any]]) -> Table:
        """The rows for a terminal."""
        from rich.table import Table

        headings = ("MRE", *(f"<{float(key):g}" for key in SDR), "head", "models", "M par.", "min", "s/image", "MB")
        table = Table(title=f"{len(self.results[CC2D].case_ids)} held-out simulated patients, mm and per cent")
        table.add_column("row")
        for heading in headings:
            table.add_column(heading, justify="right")
        for name, row in rows.items():
            errors = [f"{row['mre']:.2f}", *(f"{100 * row['sdr'][key]:.1f}" for key in SDR)]
            cost = ["-"] * 5
            if "models" in row:
                cost = [str(row["models"]), f"{row['parameters'] / 1e6:.1f}", f"{row['minutes']:.1f}"]
                cost += [f"{row['seconds']:.2f}", f"{row['memory_mb']:.0f}"]
            table.add_row(name, *(errors if name != SLA else ["-"] * 3), f"{row['landmark']:.2f}", *cost)
        table.caption = (
            f"head: MRE of {LANDMARK}; models: for all landmarks (parameters, time and memory are one model's); min: "
            "training, earlier stages included; MB: peak memory of a process that looks at one image"
        )
        return table

    def write_provenance(self) -> None:
        """What the report says of where it comes from."""
        told = {key: str(value) for key, value in asdict(self.settings).items()}
        text = json.dumps({"command": "monai-landmarks demo-one-shot", **told, "template": self.template})
        (self.output / "provenance.json").write_text(text + "\n", encoding="utf-8")

    def _train(self, name: str, configs: tuple[str, ...], **more: Any) -> None:
        # The template by its id: without it each stage would find it anew.
        self._run("one_shot", "training", configs, {**self._options(name), "template": self.template, **more})

    def _options(self, name: str) -> dict[str, Any]:
        from monai.utils import path_to_sqlite_uri

        own = {} if name == TPL else {"decoder_channels": [64, 64, 32, 32], "batch_size": 4}
        return {
            "dataset_file": str(self.dataset_file),
            "output_dir": str(self.folder(name)),
            "ckpt_dir": str(self.models(name)),
            "longer_side": self.settings.longer_side,
            "seed": self.settings.seed,
            "progress": sys.stderr.isatty(),
            "run_name": name,
            "tracking_uri": path_to_sqlite_uri((self.output / "mlflow.db").resolve()),
            **own,
        }

    def _run(self, bundle: str, run_id: str, configs: tuple[str, ...], options: Mapping[str, Any]) -> None:
        from monai_landmarks.engines.workflow import run_bundle

        run_bundle(self.output / bundle, run_id, configs, **options)

    def _read(self, name: str) -> Results:
        from monai_landmarks.metrics import Results

        return Results.read_csv(self.folder(name) / "cases.csv")

    def _write_floor(self, name: str, results: Results) -> None:
        from monai_landmarks.metrics.evaluation import EvaluationOptions, write_evaluation

        write_evaluation(self.folder(name), results, self.dataset, "test", EvaluationOptions())


def labels_of(case: Any, scheme: Any) -> Any:
    """A case's pseudo-labels (K, 3): row, column, confidence."""
    import numpy as np

    points, _ = case.points(scheme, "one_shot")
    confidence = case.annotations[-1].confidence
    return np.column_stack([points, [confidence.get(name, np.nan) for name in scheme.names]])


def slug(name: str) -> str:
    """A name as a folder's."""
    return name.lower().replace(" ", "_").replace("-", "_")
