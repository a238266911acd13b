"""The trainings of the one-shot stages, one after the other on one data set."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SAM, CC2D, SLA, ATD, ADAPTER, F2, TPL = "SAM", "CC2D", "SLA", "template copies", "ATD-Adapter", "F2", "TPL"
# The rows of a table, each with its stages, whose time counts.
STAGES = {
    SAM: (SAM,),
    CC2D: (CC2D,),
    SLA: (CC2D, SLA),
    ADAPTER: (CC2D, ATD, ADAPTER),
    F2: (CC2D, ATD, ADAPTER, F2),
    TPL: (CC2D, ATD, ADAPTER, TPL),
}
BUNDLES = ("one_shot", "label_augmentation")


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """How long each stage trains, and on what.

    Args:
        landmark: SLA learns one landmark a model; this one is trained.
        template: case id; None: the training case with the most points.
        epochs: of CC2D.
        sla_epochs, adapter_epochs, tpl_epochs: of the later stages.
        fine_epochs: of F2, the fine stage after the adapters; 0: none.
        sam_epochs: of SAM, from which no other stage starts; 0: none.
        copies: of the template, which ATD sees before its pseudo-labels, and F2 in an epoch.
        later_rate: learning rate of SLA and ATD-Adapter, which start from CC2D's embedding.
        longer_side: of the networks' input, in pixels.
        seed: of everything.
        configs: names of overrides of one_shot's train.yaml, such as published.
        network: other entries of one_shot's train.yaml.
    """

    landmark: str
    template: str | None = None
    epochs: int = 10
    sla_epochs: int = 6
    adapter_epochs: int = 6
    tpl_epochs: int = 14
    fine_epochs: int = 0
    sam_epochs: int = 0
    copies: int = 80
    later_rate: float = 3e-4
    longer_side: int = 256
    seed: int = 0
    configs: tuple[str, ...] = ()
    network: Mapping[str, Any] = field(default_factory=dict)


class OneShotStages:
    """The trainings of one run; each goes on where it was interrupted.

    Args:
        output: gets the bundles, and models/ with a folder for each stage.
        dataset_file: the data set, all of it annotated: the trainings see the template's annotation alone.
        settings: how much is trained.

    Raises:
        ConfigError: no such template or landmark, or the one lacks the other.
    """

    def __init__(self, output: Path, dataset_file: Path, settings: StageSettings) -> None:
        import numpy as np

        from monai_landmarks.data.dataset import load_dataset
        from monai_landmarks.data.one_shot import one_landmark, template_case
        from monai_landmarks.errors import ConfigError
        from monai_landmarks.sharing.bundles import copy_bundle

        self.output = output
        self.dataset_file = dataset_file
        self.settings = settings
        self.dataset = load_dataset(dataset_file)
        one_landmark(self.dataset, settings.landmark)
        case = template_case(self.dataset, settings.template)
        self.template = case.id
        places = np.isfinite(case.points(self.dataset.scheme)[0]).all(axis=1)
        self.sought = [name for name, known in zip(self.dataset.names, places) if known]
        if settings.landmark not in self.sought:
            raise ConfigError(f"template {case.id} lacks {settings.landmark}, which SLA is to learn; choose another")
        self.unlabelled = len(self.dataset.select("training")) - 1
        for name in BUNDLES:
            if not (output / name / "configs").is_dir():
                copy_bundle(name, output / name)

    def train_cc2d(self) -> None:
        """Without annotations."""
        self._train(CC2D, (), max_epochs=self.settings.epochs)

    def train_sam(self) -> None:
        """Without annotations, in another way: two embeddings of each place."""
        self._train(SAM, ("sam",), max_epochs=self.settings.sam_epochs)

    def train_sla(self) -> None:
        """One landmark, from CC2D's embedding on."""
        own = {"landmark": self.settings.landmark, "max_epochs": self.settings.sla_epochs}
        self._train(SLA, ("sla",), start=str(self.models(CC2D)), learning_rate=self.settings.later_rate, **own)

    def train_template(self) -> None:
        """Moved copies of the template, one network with adapters, from CC2D's embedding on."""
        own = {"copies": self.settings.copies, "max_epochs": 1, "learning_rate": self.settings.later_rate}
        self._train(ATD, ("template", "adapter"), start=str(self.models(CC2D)), **own)

    def train_adapter(self) -> None:
        """Pseudo-labels of all landmarks, from the copies on."""
        own = {"max_epochs": self.settings.adapter_epochs, "learning_rate": self.settings.later_rate}
        self._train(ADAPTER, ("sla", "adapter"), start=str(self.models(ATD)), **own)

    def train_tpl(self) -> None:
        """A U-Net on the pseudo-labels of ATD-Adapter; those of the validation images choose its epoch.

        Without validation images its last epoch is kept.
        """
        from monai_landmarks.data.dataset import load_dataset
        from monai_landmarks.engines.propose import Proposer, pseudo_training_set

        known = load_dataset(self.models(ADAPTER) / "pseudo_labels.json")
        labels = {case.id: labels_of(case, known.scheme) for case in known.select("training")}
        unseen = self.dataset.select("validation")
        if unseen:
            labels |= Proposer(self.output / "one_shot", self.dataset, self.models(ADAPTER)).points(unseen)
        pseudo = self.output / "data" / "pseudo.json"
        pseudo_training_set(self.dataset, labels, self.template, pseudo.parent).save(pseudo)
        options = {**self.options(TPL), "dataset_file": str(pseudo), "reader": "one_shot"}
        configs = ("train",) if unseen else ("train", "refit")
        self.run("label_augmentation", "training", configs, {**options, "max_epochs": self.settings.tpl_epochs})

    def train_fine(self) -> None:
        """A second look at full resolution after ATD-Adapter, learnt from moved copies of the template."""
        own = {"coarse": str(self.models(ADAPTER)), "copies": self.settings.copies}
        options = {**self.options(F2), "template": self.template, "max_epochs": self.settings.fine_epochs, **own}
        self.run("one_shot", "training", ("train", "fine"), options)

    @property
    def rows(self) -> list[str]:
        """The rows of this run's table."""
        optional = {F2: self.settings.fine_epochs, SAM: self.settings.sam_epochs}
        return [name for name in STAGES if optional.get(name, 1)]

    def minutes(self, name: str) -> float:
        """Of training, of all stages up to this one."""
        from monai_landmarks.handlers.history import read_history

        histories = [read_history(self.folder(stage) / "history.csv") for stage in STAGES[name]]
        return sum(row["seconds"] for rows in histories for row in rows) / 60

    def models(self, name: str) -> Path:
        """Folder of a stage's weights."""
        return self.output / "models" / slug(name)

    def folder(self, name: str) -> Path:
        """Where a row's evaluation lies; ATD-Adapter's is the run's, SLA's is of one landmark and lies apart."""
        if name in (SLA, ATD):
            return self.output / "stages" / slug(name)
        return self.output if name == ADAPTER else self.output / slug(name)

    def options(self, name: str) -> dict[str, Any]:
        """Config entries of a stage's training and evaluation."""
        from monai.utils import path_to_sqlite_uri

        # The second networks of F2 and TPL have settings of their own.
        own = {F2: {}, TPL: {"longer_side": self.settings.longer_side}}
        network = {"longer_side": self.settings.longer_side, **self.settings.network}
        return {
            "dataset_file": str(self.dataset_file),
            "output_dir": str(self.folder(name)),
            "ckpt_dir": str(self.models(name)),
            "seed": self.settings.seed,
            "progress": sys.stderr.isatty(),
            "run_name": name,
            "tracking_uri": path_to_sqlite_uri((self.output / "mlflow.db").resolve()),
            **own.get(name, network),
        }

    def run(self, bundle: str, run_id: str, configs: tuple[str, ...], options: Mapping[str, Any]) -> None:
        """A run id of one of the bundles."""
        from monai_landmarks.engines.workflow import run_bundle

        run_bundle(self.output / bundle, run_id, configs, **options)

    def _train(self, name: str, stage: tuple[str, ...], **own: Any) -> None:
        # The template by its id: without it each stage would find it anew.
        options = {**self.options(name), "template": self.template, **own}
        self.run("one_shot", "training", ("train", *self.settings.configs, *stage), options)


def labels_of(case: Any, scheme: Any) -> Any:
    """A case's pseudo-labels (K, 3): row, column, confidence."""
    import numpy as np

    points, _ = case.points(scheme, "one_shot")
    confidence = case.annotations[-1].confidence
    return np.column_stack([points, [confidence.get(name, np.nan) for name in scheme.names]])


def slug(name: str) -> str:
    """A name as a folder's."""
    return name.lower().replace(" ", "_").replace("-", "_")
