"""Checkpoints a killed training resumes from, and the best weights."""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from ignite.engine import Events
from monai.engines import Evaluator
from monai.engines.workflow import Workflow
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from monai_landmarks.codecs.likelihood import Likelihood
from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.ensemble import LandmarkEnsemble

logger = logging.getLogger(__name__)
CHECKPOINT = "checkpoint.pt"
MODEL = "model.pt"
# The first stage of a two-stage model, beside the second.
ROI = "roi.pt"
METADATA = "metadata.json"
# What MONAI's evaluator calls the best epoch before it has run.
NEVER = -1


class Stateful(Protocol):
    """Anything with a state dict."""

    def state_dict(self) -> dict[str, Any]:
        """Its state."""

    def load_state_dict(self, state_dict: dict[str, Any]) -> Any:
        """Put the state back."""


class RunState:
    """Everything a run consists of: saved after each epoch, put back by a resume.

    `checkpoint.pt` holds the last completed epoch and is replaced atomically, so a kill at any moment leaves a whole
    file. `model.pt` holds the best network's state dict alone; until the first validation, the latest's. MONAI's
    CheckpointSaver does neither: it writes in place, and forgets the best score on a resume.

    Args:
        directory: where both files go.
        network: the model.
        evaluator: its best metric and best epoch are part of the state.
        objects: more that has a state dict: optimizer, learning-rate scheduler.
        metadata: written as metadata.json beside each `model.pt`, so the two always belong together.
        signature: what must not change between a run and its resume (data set, epochs, seed, sizes, ...).
        companions: files copied beside `model.pt` under these names, without which it is not complete.
    """

    def __init__(
        self,
        directory: str | Path,
        network: nn.Module,
        evaluator: Evaluator,
        objects: Mapping[str, Stateful],
        signature: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        companions: Mapping[str, str | Path] | None = None,
    ) -> None:
        self.directory = Path(directory)
        # Weights are kept without the wrapper a distributed training puts around the network.
        self.network = network.module if isinstance(network, DistributedDataParallel) else network
        self.evaluator = evaluator
        self.objects = dict(objects)
        self.metadata = metadata
        self.companions = {name: Path(source) for name, source in (companions or {}).items()}
        self.signature = {key: str(value) for key, value in signature.items()}

    @property
    def path(self) -> Path:
        """The checkpoint file."""
        return self.directory / CHECKPOINT

    def save(self, engine: Workflow) -> None:
        """Save the best weights if this epoch's are (or none was validated yet), then the whole state."""
        if self.evaluator.state.best_metric_epoch in (NEVER, engine.state.epoch):
            save_atomically(self.network.state_dict(), self.directory / MODEL)
            for name, source in self.companions.items():
                save_atomically(torch.load(source, map_location="cpu", weights_only=True), self.directory / name)
            self.save_metadata()
        state = {
            "epoch": engine.state.epoch,
            "iteration": engine.state.iteration,
            "best_metric": float(self.evaluator.state.best_metric),
            "best_metric_epoch": self.evaluator.state.best_metric_epoch,
            "network": self.network.state_dict(),
            "objects": {name: thing.state_dict() for name, thing in self.objects.items()},
            "signature": self.signature,
        }
        save_atomically(state, self.path)

    def save_metadata(self) -> None:
        """Replace metadata.json, whole."""
        if self.metadata is not None:
            temporary = self.directory / f".{METADATA}.part"
            temporary.write_text(json.dumps(self.metadata, indent=2) + "\n", encoding="utf-8")
            temporary.replace(self.directory / METADATA)

    def restore(self, engine: Workflow) -> None:
        """Put the last completed epoch back.

        Raises:
            ConfigError: when the checkpoint belongs to another run.
        """
        saved = torch.load(self.path, map_location=engine.state.device, weights_only=True)
        different = [
            f"{key} {saved['signature'].get(key)} -> {value}"
            for key, value in self.signature.items()
            if saved["signature"].get(key) != value
        ]
        if different:
            raise ConfigError(
                f"{self.path} was made by another run ({'; '.join(different)}); repeat that run's settings to continue "
                "it, pass --resume False to train anew, or choose another --ckpt_dir"
            )
        self.network.load_state_dict(saved["network"])
        for name, thing in self.objects.items():
            thing.load_state_dict(saved["objects"][name])
        engine.state.epoch = saved["epoch"]
        engine.state.iteration = saved["iteration"]
        self.evaluator.state.best_metric = saved["best_metric"]
        self.evaluator.state.best_metric_epoch = saved["best_metric_epoch"]


class ResumeHandler:
    """Restores a run's state when the training starts; the first of the trainer's handlers.

    Args:
        state: what to restore.
        resume: False leaves a present checkpoint alone, to be replaced after the first epoch.
    """

    def __init__(self, state: RunState, resume: bool = True) -> None:
        self.state = state
        self.resume = resume

    def attach(self, engine: Workflow) -> None:
        """Register on a trainer."""
        engine.add_event_handler(Events.STARTED, self.started)

    def started(self, engine: Workflow) -> None:
        """Restore where there is something to restore."""
        if self.resume and self.state.path.is_file():
            self.state.restore(engine)
            logger.info(f"Continuing after epoch {engine.state.epoch} from {self.state.path}")


class SaveHandler:
    """Saves a run's state after each epoch; the last of the trainer's handlers, so that nothing is ahead of the file.

    Args:
        state: what to save.
    """

    def __init__(self, state: RunState) -> None:
        self.state = state

    def attach(self, engine: Workflow) -> None:
        """Register on a trainer."""
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.epoch_completed)

    def epoch_completed(self, engine: Workflow) -> None:
        """Save, on the first rank alone."""
        if engine.state.rank == 0:
            self.state.save(engine)


def file_digest(path: str | Path) -> str:
    """What tells one file of weights from another.

    Raises:
        ConfigError: no such file.
    """
    if not Path(path).is_file():
        raise ConfigError(f"no trained weights at {path}; run the bundle's training first")
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def state_digest(state: Mapping[str, Tensor]) -> str:
    """What tells a network's weights from others', whatever file they lie in: of a state dict's names and numbers."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        digest.update(value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]


def save_atomically(state: Any, path: Path) -> None:
    """torch.save that leaves either the old file or the new one, whatever happens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def load_model(network: nn.Module, path: str | Path) -> nn.Module:
    """Load `model.pt` (or the network of a `checkpoint.pt`) into a network.

    Raises:
        ConfigError: no such file, or weights of another network.
    """
    source = Path(path)
    if not source.is_file():
        raise ConfigError(f"no trained weights at {source}; run the bundle's training first, or say where they lie")
    saved = torch.load(source, map_location="cpu", weights_only=True)
    try:
        network.load_state_dict(saved.get("network", saved))
    except RuntimeError as error:
        raise ConfigError(
            f"{source} does not fit this bundle's network (landmarks, backbone or decoder differ): {error}"
        ) from None
    return network


def load_models(network: nn.Module, paths: str | Path | Sequence[str | Path], likelihood: Likelihood) -> nn.Module:
    """The network with the weights of one `model.pt`, or an ensemble of copies of it with those of several.

    Args:
        network: an instance the weights fit.
        paths: one file or several, each trained for the same landmarks, input size, backbone and decoder.
        likelihood: how they were trained.

    Raises:
        ConfigError: no file named, or one of them missing or unfit; it is named.
    """
    files = [paths] if isinstance(paths, (str, Path)) else list(paths)
    members = [load_model(copy.deepcopy(network), file) for file in files]
    return members[0] if len(members) == 1 else LandmarkEnsemble(members, likelihood)
