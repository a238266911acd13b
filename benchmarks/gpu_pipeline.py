"""The paper's training as the bundle runs it, on made-up images: images a second, share of the bare step, length.

Timed is the trainer's run with all its handlers: the first epoch with its warm-up and compilation, the checkpoints of
every epoch, and MLflow where it is installed. Left out are what comes before it, reading the images into the cache, and
validation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from gpu_rows import untracked
from gpu_steps import compilation, fast, memory_mb, seconds_of, synchronised, this_device
from ignite.engine import Events
from monai.bundle import ConfigWorkflow
from monai.engines.workflow import Workflow
from monai.utils import convert_to_tensor
from training_step import Content, bare_step

from monai_landmarks.cores import available_cores
from monai_landmarks.sharing.bundles import shipped_bundles

PREFETCH = {
    "num_workers": min(8, available_cores()),
    "train#dataloader#pin_memory": torch.cuda.is_available(),
    "train#trainer#non_blocking": True,
}


@dataclass(frozen=True)
class Variant:
    """How batches reach the network, and how that is run; on a GPU all train in bfloat16, as train.yaml has it.

    Attributes:
        options: config entries.
        on_device: all images lie on the device; the paper's recipe augments none.
        tuned: cuDNN's own choice of algorithms, and TF32 for what is left in float32.
        compiled: a mode of torch.compile.
    """

    name: str
    options: dict[str, Any] = field(default_factory=dict)
    on_device: bool = False
    tuned: bool = True
    compiled: str | None = None


VARIANTS = (
    Variant("as configured (bfloat16)", tuned=False),
    Variant("cuDNN chooses"),
    Variant("cuDNN chooses, prefetching workers, pinned memory", PREFETCH),
    Variant("cuDNN chooses, images on the device", on_device=True),
    Variant("cuDNN chooses, images on the device, torch.compile", on_device=True, compiled="default"),
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


def pipeline_row(
    variant: Variant, folder: Path, dataset: Path, side: int, batch: int, epochs: int, schedule: int
) -> dict[str, Any]:
    """A training with one variant. For a process of its own: its settings stay.

    - images_per_second: images of an epoch by `epoch_seconds`.
    - share: of those of the bare step, with the same settings and a whole batch.
    - mb: largest memory of the training; graph_breaks: where it is compiled.
    - seconds, epoch_seconds: as `timed_run` gives them.
    - minutes: of `schedule` epochs, of which `epochs` are run, at least 2.

    Args:
        folder: a new one; a training that continued would be too short.
    """
    device = this_device()
    content = _content(variant, folder, dataset, side, batch, epochs)
    if variant.tuned:
        fast(device)
    with compilation(content("network"), variant.compiled) as compiled:
        loader = _loader(variant, content, batch, device)
        seconds, epoch = timed_run(content("train#trainer"), device)
        row = {"mb": memory_mb(device), **compiled()}
        # All are asked for, so that no worker prepares others beside the bare step.
        first, *_ = loader
        bare = seconds_of(bare_step(content, first), device, max(2, len(loader)))
    images_per_second = min(len(loader) * batch, len(content("train#dataset"))) / epoch
    return {
        "images_per_second": images_per_second,
        "share": images_per_second * bare / batch,
        **row,
        "epochs": epochs,
        "seconds": seconds,
        "epoch_seconds": epoch,
        "minutes": schedule_minutes(seconds, epoch, schedule - epochs),
    }


def timed_run(trainer: Workflow, device: torch.device) -> tuple[float, float]:
    """Train to the end; seconds of all of it, and the mean of its epochs after the first, with all their handlers."""
    ends: list[float] = []
    # The last of the handlers.
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: ends.append(synchronised(device)))
    began = synchronised(device)
    trainer.run()
    return synchronised(device) - began, (ends[-1] - ends[0]) / (len(ends) - 1)


def schedule_minutes(seconds: float, epoch_seconds: float, missing: int) -> float:
    """Minutes of a training: of the epochs that were run, and of the missing ones at the mean of those after the first.

    With none missing it is the time that they took, and nothing else.
    """
    return (seconds + missing * epoch_seconds) / 60


def _loader(variant: Variant, content: Content, batch: int, device: torch.device) -> Any:
    """What the trainer takes its batches from."""
    if not variant.on_device:
        return content("train#dataloader")
    trainer, loader = content("train#trainer"), DeviceBatches(content("train#dataset"), batch, device)
    trainer.data_loader, trainer.state.epoch_length = loader, len(loader)
    return loader


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
        **{**untracked("train#handlers"), **variant.options},
    )
    workflow.initialize()
    content: Content = workflow.parser.get_parsed_content
    return content
