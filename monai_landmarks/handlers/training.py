"""Handlers of a training: curriculum, seeds, guards, early stopping; a resume needs nothing of them."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
import torch.distributed as dist
from ignite.engine import Events
from monai.engines import Evaluator
from monai.engines.utils import IterationEvents
from monai.engines.workflow import Workflow
from monai.utils import CommonKeys
from torch import nn

from monai_landmarks.errors import LandmarksError

logger = logging.getLogger(__name__)


class TrainingError(LandmarksError):
    """A training that cannot go on."""


@runtime_checkable
class Scheduled(Protocol):
    """A transform with a curriculum."""

    epoch: int


class CurriculumHandler:
    """Tells scheduled batch transforms the epoch, at every EPOCH_STARTED, after a resume too.

    Args:
        transforms: batch transforms; those with an `epoch` get it (0-based: state.epoch - 1).
    """

    def __init__(self, transforms: Iterable[Any]) -> None:
        self.scheduled = [transform for transform in transforms if isinstance(transform, Scheduled)]

    def attach(self, engine: Workflow) -> None:
        """Register on a trainer."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.epoch_started)

    def epoch_started(self, engine: Workflow) -> None:
        """Set the epoch."""
        for transform in self.scheduled:
            transform.epoch = engine.state.epoch - 1


class EpochSeedHandler:
    """Seeds torch from (seed, epoch) at every EPOCH_STARTED, so that dropout of a resumed run equals the first run's.

    Of a distributed run's processes each draws its own.

    Args:
        seed: of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def attach(self, engine: Workflow) -> None:
        """Register on a trainer, before any handler that draws."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.epoch_started)

    def epoch_started(self, engine: Workflow) -> None:
        """Seed."""
        rank = dist.get_rank() if dist.is_available() and dist.is_initialized() else 0
        sequence = np.random.SeedSequence((self.seed, engine.state.epoch), spawn_key=(rank,) if rank else ())
        torch.manual_seed(int(sequence.generate_state(1)[0]))


class GradientClipping:
    """Clips the gradients' total norm before each optimiser step.

    Args:
        network: whose parameters.
        max_norm: the largest norm allowed.
    """

    def __init__(self, network: nn.Module, max_norm: float) -> None:
        self.network = network
        self.max_norm = max_norm

    def attach(self, engine: Workflow) -> None:
        """Register on a trainer."""
        engine.add_event_handler(IterationEvents.BACKWARD_COMPLETED, self.backward_completed)

    def backward_completed(self, engine: Workflow) -> None:
        """Clip."""
        nn.utils.clip_grad_norm_(self.network.parameters(), self.max_norm)


class FiniteLossHandler:
    """Stops a training whose loss is no number, with an error, so that the run is marked as failed.

    Losses are read together after some iterations, for to read one makes a GPU wait; and at the end of an epoch, before
    anything is validated or saved. In a distributed run all processes stop, whichever's loss it was: none saves weights
    that another's gradient has spoilt.

    Args:
        interval: iterations from one look to the next.
    """

    def __init__(self, interval: int = 20) -> None:
        self.interval = interval
        self._unread: list[tuple[int, torch.Tensor]] = []

    def attach(self, engine: Workflow) -> None:
        """Register on a trainer, before what validates and saves."""
        engine.add_event_handler(Events.EPOCH_STARTED, self.forget)
        engine.add_event_handler(IterationEvents.LOSS_COMPLETED, self.loss_completed)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.check)

    def forget(self, engine: Workflow) -> None:
        """Leave what an earlier run, which ended in the middle of an epoch, has not read."""
        self._unread = []

    def loss_completed(self, engine: Workflow) -> None:
        """Keep the loss, and look if it is time.

        Raises:
            TrainingError: see `check`.
        """
        self._unread.append((engine.state.iteration, engine.state.output[CommonKeys.LOSS].detach()))
        if len(self._unread) >= self.interval:
            self.check(engine)

    def check(self, engine: Workflow) -> None:
        """Read the losses that are kept.

        Raises:
            TrainingError: one is no number; with the epoch, and the iteration where it was this process's.
        """
        if not self._unread:
            return
        iterations, losses = zip(*self._unread)
        self._unread = []
        wrong = ~torch.isfinite(torch.stack(losses))
        found = wrong.any().float()
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(found, dist.ReduceOp.MAX)
        if not found:
            return
        own = int(wrong.int().argmax()) if wrong.any() else None
        where = "of another process" if own is None else f"{float(losses[own])} in iteration {iterations[own]}"
        raise TrainingError(
            f"the loss is no number: {where}, epoch {engine.state.epoch}; lower the learning rate (--learning_rate) "
            "or turn mixed precision off (--amp False); the last checkpoint stands"
        )


class EarlyStopping:
    """Ends a training when the validation has not improved for some epochs; only a validation can show that.

    Reads the best epoch the evaluator keeps, which the checkpoint restores: nothing of its own to save.

    Args:
        evaluator: whose key metric counts.
        patience: epochs without improvement; 0 never stops.
    """

    def __init__(self, evaluator: Evaluator, patience: int) -> None:
        self.evaluator = evaluator
        self.patience = patience

    def attach(self, engine: Workflow) -> None:
        """Register on a trainer, after the validation."""
        if self.patience > 0:
            engine.add_event_handler(Events.EPOCH_COMPLETED, self.epoch_completed)

    def epoch_completed(self, engine: Workflow) -> None:
        """Compare and stop, if this epoch validated."""
        best = self.evaluator.state.best_metric_epoch
        validated = self.evaluator.state.epoch == engine.state.epoch
        if validated and best > 0 and engine.state.epoch - best >= self.patience:
            logger.info(f"No improvement for {self.patience} epochs (best: epoch {best}); stopping early.")
            engine.terminate()


def lower_is_better(new: float, best: float) -> bool:
    """`metric_cmp_fn` for errors: a number beats no number, a smaller one beats a larger."""
    return bool(new < best or (math.isnan(best) and not math.isnan(new)))
