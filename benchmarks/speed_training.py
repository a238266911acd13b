"""A training iteration of the bundle against the bare step of the same network, with growth over landmarks and size."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from interleaved import Pairs
from speed_data import make_dataset
from speed_row import Row, paired
from training_step import TARGET, AlternatingBatches, Content, bare_step, measure, parsed_bundle

# Batches in the data set: an epoch's first batch is late, so there should be few.
BATCHES = 8


class LoadedBatches(AlternatingBatches):
    """Hands the engine one batch after the other of the bundle's own loader: cached images, augmented anew."""

    def __init__(self, batch: dict[str, Any], bare: Any, pairs: int, loader: Any) -> None:
        super().__init__(batch, bare, pairs)
        self.loader = loader
        self.iterator: Iterator[dict[str, Any]] = iter(())

    def hand(self) -> dict[str, Any]:
        """The loader's next batch."""
        batch = next(self.iterator, None)
        if batch is None:
            self.iterator = iter(self.loader)
            batch = next(self.iterator)
        return batch


def training_rows(side: int, landmarks: int, batch_size: int, pairs: int) -> list[Row]:
    """The engine on one batch in memory, and with the loader; both against the bare step. In a process of its own."""
    with TemporaryDirectory() as folder:
        content = made_up_bundle(Path(folder), side, landmarks, batch_size)
        alone = measure(content, pairs)
        loaded = _with_loader(content, pairs)
    what = {"iteration, the same batch": alone, "iteration, loader and augmentation": loaded}
    return [_row(name, timed, side, landmarks, batch_size) for name, timed in what.items()]


def made_up_bundle(folder: Path, side: int, landmarks: int, batch_size: int) -> Content:
    """train.yaml on made-up images, ready to train."""
    dataset = make_dataset(folder / "data", BATCHES * batch_size, landmarks, (side, side))
    return parsed_bundle(folder, dataset, side, batch_size)


def _with_loader(content: Content, pairs: int) -> Pairs:
    trainer, loader = content("train#trainer"), content("train#dataloader")
    batch = next(iter(loader))
    batches = LoadedBatches(batch, bare_step(content, batch), pairs, loader)
    trainer.data_loader = batches
    trainer.state.epoch_length = len(batches)
    trainer.state.max_epochs = trainer.state.epoch + 1
    trainer.run()
    return batches.timed


def _row(name: str, timed: Pairs, side: int, landmarks: int, batch_size: int) -> Row:
    fields: dict[str, Any] = paired(timed, batch_size)
    return Row(
        part="training",
        what=f"{name}, batch of {batch_size}",
        size=f"{side} x {side}",
        landmarks=landmarks,
        against="bare step",
        target=f"<= {TARGET}",
        holds=fields["ratio"] <= TARGET,
        **fields,
    )
