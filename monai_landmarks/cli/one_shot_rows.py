"""The rows of a one-shot table: each stage's errors, what its model costs, and the floors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_landmarks.cli.one_shot_stages import ADAPTER, CC2D, SLA, TPL, OneShotStages

if TYPE_CHECKING:
    import numpy as np
    from rich.table import Table

    from monai_landmarks.metrics import Results

SDR = ("2.0", "2.5", "3.0", "4.0")


class OneShotRows:
    """Evaluates what was trained, against all annotations of the test split of the landmarks that the template has.

    Args:
        stages: trained.
    """

    def __init__(self, stages: OneShotStages) -> None:
        self.stages = stages
        self.results: dict[str, Results] = {}

    def evaluate(self) -> dict[str, dict[str, Any]]:
        """The rows of the table, by their name: errors, and what the model costs; last the floors' errors."""
        from monai_landmarks.baselines.one_shot import one_shot_floors

        for name in self.stages.rows:
            if name not in (SLA, TPL):
                self._evaluate("one_shot", name, (), title=name)
        landmark = self.stages.settings.landmark
        self._evaluate("one_shot", SLA, ("sla",), title=f"{SLA}, {landmark}", landmark=landmark)
        self._evaluate("label_augmentation", TPL, (), title=TPL)
        self.results = {name: self._read(name) for name in self.stages.rows}
        floors = one_shot_floors(self.results[CC2D], self.stages.dataset, self.stages.template)
        for name, results in floors.items():
            self._write_floor(name, results)
        self.results |= floors
        rows = {name: self._errors(name) for name in self.results}
        better = min(floors, key=lambda name: rows[name]["mre"])
        for name in self.stages.rows:
            rows[name] |= self._cost(name) | self._gain(name, better)
        return rows

    def compared(self) -> dict[str, Path]:
        """The evaluations beside ATD-Adapter's, for a report."""
        return {name: self.stages.folder(name) for name in self.results if name not in (SLA, ADAPTER)}

    def _errors(self, name: str) -> dict[str, Any]:
        """Pooled numbers in mm, and the MRE of each landmark."""
        from monai_landmarks.metrics.points import mre, sdr

        names, errors = self._sought(name)
        landmarks = {landmark: mre(errors[:, [number]]) for number, landmark in enumerate(names)}
        rates = sdr(errors, [float(key) for key in SDR])
        return {"mre": mre(errors), "sdr": {key: rates[float(key)] for key in SDR}, "landmarks": landmarks}

    def _sought(self, name: str) -> tuple[list[str], np.ndarray]:
        """A row's landmarks that the template has, and the errors of each in mm, (images, landmarks)."""
        results = self.results[name]
        chosen = [number for number, landmark in enumerate(results.names) if landmark in self.stages.sought]
        return [results.names[number] for number in chosen], results.errors_mm()[:, chosen]

    def _cost(self, name: str) -> dict[str, Any]:
        """Parameters, time and memory of one model; how many are needed; minutes of training."""
        from monai_landmarks.engines.footprint import measure_footprint

        models = len(self.stages.dataset.names) if name == SLA else 1
        cost = asdict(measure_footprint(self.stages.models(name)))
        return {**cost, "models": models, "minutes": self.stages.minutes(name)}

    def _gain(self, name: str, floor: str) -> dict[str, Any]:
        """How much less than the better floor's errors these are, on the same landmarks of the same images."""
        from monai_landmarks.metrics.points import PatientBootstrap, mre

        (own, errors), (other, floors) = self._sought(name), self._sought(floor)
        floors = floors[:, [other.index(landmark) for landmark in own]]
        low, high = PatientBootstrap(self.results[name].patients).mean(errors - floors)
        return {"floor": floor, "ratio": mre(errors) / mre(floors), "difference_ci95": [low, high]}

    def _evaluate(self, bundle: str, name: str, stage: tuple[str, ...], **own: Any) -> None:
        self.stages.run(bundle, "evaluate", ("train", *stage, "evaluate"), {**self.stages.options(name), **own})

    def _read(self, name: str) -> Results:
        from monai_landmarks.metrics import Results

        return Results.read_csv(self.stages.folder(name) / "cases.csv")

    def _write_floor(self, name: str, results: Results) -> None:
        from monai_landmarks.metrics.evaluation import EvaluationOptions, write_evaluation

        write_evaluation(self.stages.folder(name), results, self.stages.dataset, "test", EvaluationOptions())


def cost_cells(row: Mapping[str, Any]) -> list[str]:
    """Models, parameters in millions, minutes of training, seconds and MB of an image; dashes for a floor."""
    if "models" not in row:
        return ["-"] * 5
    cells = [str(row["models"]), f"{row['parameters'] / 1e6:.1f}", f"{row['minutes']:.1f}"]
    return [*cells, f"{row['seconds']:.2f}", f"{row['memory_mb']:.0f}"]


def terminal_table(rows: Mapping[str, Mapping[str, Any]], landmark: str, title: str) -> Table:
    """The rows for a terminal; `landmark` is SLA's."""
    from rich.table import Table

    shown = (SDR[0], SDR[-1])
    headings = ("MRE", *(f"<{float(key):g}" for key in shown), "one", "models", "M par.", "min", "s", "MB")
    table = Table(title=title)
    table.add_column("row")
    for heading in headings:
        table.add_column(heading, justify="right")
    for name, row in rows.items():
        errors = [f"{row['mre']:.2f}", *(f"{100 * row['sdr'][key]:.1f}" for key in shown)]
        one = f"{row['landmarks'][landmark]:.2f}"
        table.add_row(name, *(errors if name != SLA else ["-"] * 3), one, *cost_cells(row))
    table.caption = (
        f"one: MRE of {landmark}; models: for all landmarks (parameters, time and memory are one model's); min: "
        "training, earlier stages included; s: an image; MB: peak memory of a process that looks at one image"
    )
    return table
