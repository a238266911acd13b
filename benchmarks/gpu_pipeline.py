"""The paper's training as the bundle runs it, on made-up images: images a second, share of the bare step, length.

Timed is the trainer's run with all its handlers: the first epoch with its warm-up and compilation, the checkpoints of
every epoch, and MLflow where it is installed. Left out are what comes before it, reading the images into the cache, and
validation.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from gpu_steps import fast, forget_memory, memory_mb, seconds_of, synchronised
from ignite.engine import Events
from monai.bundle import ConfigWorkflow
from monai.engines.workflow import Workflow
from monai.utils import convert_to_tensor
from speed_data import make_dataset
from training_step import Content, bare_step

from monai_landmarks.sharing.bundles import shipped_bundles

# Of the paper's largest data set.
IMAGES, EPOCHS = 329, 350
# Without MLflow on the machine nothing is tracked.
UNTRACKED = {} if find_spec("mlflow") else {"train#handlers#10#_disabled_": True}
PREFETCH = {
    "num_workers": min(8, os.cpu_count() or 1),
    "train#dataloader#pin_memory": torch.cuda.is_available(),
    "train#trainer#non_blocking": True,
}


@dataclass(frozen=True)
class Variant:
    """How batches reach the network, and how that is run.

    Attributes:
        options: config entries.
        on_device: all images lie on the device; the paper's recipe augments none.
        tuned: TF32 and cuDNN's own choice of algorithms.
        compiled: a mode of torch.compile.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    on_device: bool = False
    tuned: bool = True
    compiled: str | None = None


VARIANTS = (
    Variant("as configured", tuned=False),
    Variant("TF32, cuDNN chooses"),
    Variant("the same, prefetching workers, pinned memory", PREFETCH),
    Variant("the same, images on the device", on_device=True),
    Variant("the same, images on the device, torch.compile", on_device=True, compiled="default"),
)


class DeviceBatches:
    """Batches of a cached data set that lies on the device as a whole, in a new order each epoch."""

    def __init__(self, dataset: Any, batch_size: int, device: torch.device) -> None:
        items = [dataset[number] for number in range(len(dataset))]
        keys = ("image", "network_points", "state")
        self.data = {
            key: torch.stack([convert_to_tensor(item[key], track_meta=False) for item in items]).to(device)
            for key in keys
        }
        self.batch_size, self.count = batch_size, len(items)

    def __len__(self) -> int:
        """Batches, the last one smaller; one of a single image is left out, as the bundle does."""
        full, rest = divmod(self.count, self.batch_size)
        return full + (rest > 1)

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        """An epoch."""
        order = torch.randperm(self.count, device=self.data["image"].device).split(self.batch_size)
        for chosen in order[: len(self)]:
            yield {key: values[chosen] for key, values in self.data.items()}


def pipeline_rows(folder: Path, device: torch.device, side: int, batch: int, images: int, epochs: int) -> Iterator[Any]:
    """A row for each variant; on a CPU nothing is compiled, as in `step_rows`.

    - images_per_second: images of an epoch by `epoch_seconds`.
    - share: of those of the bare step, with the same settings and a whole batch.
    - mb: largest memory of the training.
    - seconds, epoch_seconds: as `timed_run` gives them.

    Args:
        folder: a new one; a training that continued would be too short.
    """
    dataset = make_dataset(folder / "data", images, 20, (side, side))
    for number, variant in enumerate(VARIANTS):
        if variant.compiled and device.type == "cpu":
            continue
        try:
            yield _row(variant, folder / str(number), dataset, device, side, batch, epochs)
        except Exception as error:
            if variant.compiled is None:
                raise
            yield {"name": variant.name, "fault": f"{type(error).__name__}: {str(error).partition(chr(10))[0][:160]}"}


def timed_run(trainer: Workflow, device: torch.device) -> tuple[float, float]:
    """Train to the end; seconds of all of it, and the mean of its epochs after the first, with all their handlers."""
    ends: list[float] = []
    # The last of the handlers.
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: ends.append(synchronised(device)))
    began = synchronised(device)
    trainer.run()
    return synchronised(device) - began, (ends[-1] - ends[0]) / (len(ends) - 1)


def schedule_minutes(row: dict[str, Any], epochs: int) -> float:
    """Minutes of the paper's epochs: those that `epochs` of them took, and the missing ones as long as their mean.

    The mean is that of the epochs after the first. With all epochs it is the time that they took, and nothing else.
    """
    return float(row["seconds"] + (EPOCHS - epochs) * row["epoch_seconds"]) / 60


def _row(
    variant: Variant, folder: Path, dataset: Path, device: torch.device, side: int, batch: int, epochs: int
) -> dict[str, Any]:
    forget_memory(device)
    content = _content(variant, folder, dataset, side, batch, epochs)
    if variant.tuned:
        fast(device)
    if variant.compiled:
        content("network").compile(mode=variant.compiled)
    trainer, loader = content("train#trainer"), content("train#dataloader")
    if variant.on_device:
        loader = DeviceBatches(content("train#dataset"), batch, device)
        trainer.data_loader, trainer.state.epoch_length = loader, len(loader)
    seconds, epoch = timed_run(trainer, device)
    mb = memory_mb(device)
    # All are asked for, so that no worker prepares others beside the bare step.
    first, *_ = loader
    bare = seconds_of(bare_step(content, first), device, max(2, len(loader)))
    images_per_second = min(len(loader) * batch, len(content("train#dataset"))) / epoch
    return {
        "name": variant.name,
        "images_per_second": images_per_second,
        "share": images_per_second * bare / batch,
        "mb": mb,
        "seconds": seconds,
        "epoch_seconds": epoch,
    }


def _content(variant: Variant, folder: Path, dataset: Path, side: int, batch: int, epochs: int) -> Content:
    bundle = shipped_bundles()["label_augmentation"]
    workflow = ConfigWorkflow(
        config_file=[str(bundle / "configs" / f"{name}.yaml") for name in ("train", "paper")],
        logging_file=False,
        workflow_type="train",
        bundle_root=str(bundle),
        dataset_file=str(dataset),
        output_dir=str(folder),
        ckpt_dir=str(folder / "models"),
        encoder_weights=None,
        spatial_size=[side, side],
        batch_size=batch,
        max_epochs=epochs,
        val_interval=epochs + 1,
        progress=False,
        **{**UNTRACKED, **variant.options},
    )
    workflow.initialize()
    content: Content = workflow.parser.get_parsed_content
    return content
