"""The bundle's training iteration against the bare step of the same network: what the engine and our parts cost.

    python benchmarks/training_step.py

The trainer of train.yaml runs on one batch in memory with every one of its handlers, prepare_batch included; its time
is all that passes between handing it a batch and being asked for the next. The bare step is forward, loss, backward and
optimiser of the very same network, loss and optimiser, on tensors made beforehand. The two alternate; the median ratio
of 30 pairs must stay under 1.05.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from interleaved import Pairs, write
from monai.bundle import ConfigWorkflow
from rich.console import Console
from rich.table import Table

from monai_landmarks.sharing.bundles import shipped_bundles
from monai_landmarks.simulate import simulate_dataset

TARGET = 1.05
WARM_UP = 3
Content = Callable[[str], Any]


class AlternatingBatches:
    """Hands the engine the same batch again and again, and makes a bare step before each.

    Args:
        batch: from the bundle's own loader.
        bare: one bare step.
        pairs: how many iterations of the engine are timed; WARM_UP more come first and one last.
    """

    def __init__(self, batch: dict[str, Any], bare: Callable[[], None], pairs: int) -> None:
        self.batch = batch
        self.bare = bare
        # One more at the end: the engine does not come back after its last batch.
        self.count = WARM_UP + pairs + 1
        self.timed = Pairs([], [])

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for number in range(self.count):
            began = now()
            self.bare()
            handed = now()
            yield self.hand()
            # The engine comes back for the next batch when the iteration and all of its handlers are done.
            if WARM_UP <= number < self.count - 1:
                self.timed.first.append(now() - handed)
                self.timed.second.append(handed - began)

    def hand(self) -> dict[str, Any]:
        """What the engine gets; the time this takes counts as the engine's."""
        return dict(self.batch)


def now() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def parsed_bundle(folder: Path, dataset: Path, longer_side: int, batch_size: int) -> Content:
    """train.yaml on a data set file, ready to train."""
    bundle = shipped_bundles()["label_augmentation"]
    workflow = ConfigWorkflow(
        config_file=str(bundle / "configs" / "train.yaml"),
        logging_file=False,
        workflow_type="train",
        bundle_root=str(bundle),
        dataset_file=str(dataset),
        output_dir=str(folder / "eval"),
        ckpt_dir=str(folder / "models"),
        longer_side=longer_side,
        batch_size=batch_size,
        max_epochs=100,
        progress=False,
    )
    workflow.initialize()
    content: Content = workflow.parser.get_parsed_content
    return content


def bare_step(content: Content, batch: dict[str, Any]) -> Callable[[], None]:
    """Forward, loss, backward and optimiser, by hand."""
    network, optimizer, loss_function = content("network"), content("optimizer"), content("loss")
    trainer, device = content("train#trainer"), content("device")
    image, target = trainer.prepare_batch(batch, device, False)

    kept: list[torch.Tensor] = []

    def step() -> None:
        network.train()
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=content("amp")):
            logits = network(image)
        loss = loss_function(logits.float(), target)
        loss.backward()
        optimizer.step()
        # As a loop's variables do until its next step. Freed at once, their memory would go back to the system, and
        # the engine, whose step comes next, would pay for getting it again.
        kept[:] = logits, loss

    return step


def measure(content: Content, pairs: int) -> Pairs:
    """Seconds of the engine's iterations and of the bare steps."""
    trainer = content("train#trainer")
    batch = next(iter(content("train#dataloader")))
    batches = AlternatingBatches(batch, bare_step(content, batch), pairs)
    trainer.data_loader = batches
    trainer.state.epoch_length = len(batches)
    trainer.state.max_epochs = 1
    trainer.run()
    return batches.timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--longer-side", type=int, default=256)
    parser.add_argument("--batch-size", type=int, default=4)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        split = (1.0, 1.0, 1.0)
        dataset = simulate_dataset(Path(folder) / "data", count=3 * given.batch_size, split=split, progress=False)
        content = parsed_bundle(Path(folder), dataset, given.longer_side, given.batch_size)
        size = content("spatial_size")
        pairs = measure(content, given.pairs)
    low, high = pairs.quartiles()
    table = Table(title=f"Training step, {given.batch_size} images of {size[0]} x {size[1]}, {content('backbone')}")
    for heading in ("iteration s", "bare step s", "ratio", "quartiles", "target"):
        table.add_column(heading, justify="right")
    seconds = [f"{statistics.median(pairs.first):.3f}", f"{statistics.median(pairs.second):.3f}"]
    table.add_row(*seconds, f"{pairs.ratio():.3f}", f"{low:.3f} to {high:.3f}", f"<= {TARGET}")
    Console().print(table)
    result = {"batch_size": given.batch_size, "size": size, "ratio": pairs.ratio(), "target": TARGET}
    print(write("training_step", {**result, "iteration": pairs.first, "bare": pairs.second}))


if __name__ == "__main__":
    main()
