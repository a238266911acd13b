"""Training on a network's own answers: where it finds the template's points now decides what it looks at next.

SLA of He, Huang, Yao, Zhou, Zhou, "Landmarks Are Alike Yet Distinct": the pseudo-labels decide only where a patch is
cut. What the loss compares is always the same place of one image, so a wrong pseudo-label teaches nothing wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from ignite.engine import Events
from monai.engines.workflow import Workflow
from torch import Tensor

from monai_landmarks.codecs.decode import Codec
from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset
from monai_landmarks.data.one_shot import LandmarkSampler
from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.one_shot import OneShotNet, TakesTemplate
from monai_landmarks.transforms.geometry import move_points

READER = "one_shot"


class PseudoLabels:
    """A place of each landmark in each training image, and how sure the network was of it. Part of a checkpoint.

    Args:
        images: number N of images.
        landmarks: number K of landmarks.

    Attributes:
        points: (N, K, 2) in pixels of the network's input, NaN for none (at first: all); in memory that workers share.
        confidence: (N, K).
    """

    def __init__(self, images: int, landmarks: int) -> None:
        self.points = torch.full((images, landmarks, 2), torch.nan).share_memory_()
        self.confidence = torch.zeros(images, landmarks)

    def replace(self, points: Tensor, confidence: Tensor) -> None:
        """Put others in their place."""
        self.points.copy_(points)
        self.confidence.copy_(confidence)

    def state_dict(self) -> dict[str, Tensor]:
        """Points and confidence."""
        return {"points": self.points.clone(), "confidence": self.confidence.clone()}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Put them back.

        Raises:
            ConfigError: they are of other images or landmarks.
        """
        if state["points"].shape != self.points.shape:
            raise ConfigError(
                f"pseudo-labels of {tuple(state['points'].shape[:2])} images and landmarks in the checkpoint, the data "
                f"set has {tuple(self.points.shape[:2])}; choose another --ckpt_dir"
            )
        self.replace(state["points"], state["confidence"])


class InferPseudoLabels:
    """Looks for the template's points in the training images: the next epoch's pseudo-labels.

    The template's own are its points. Whenever they change they are written as a data set file. Where each landmark
    costs a pass of the decoder, only what the next epochs are about is looked for, and all at the end.

    Args:
        network: whose answers.
        template: the template alone, loaded: `case_id` and `network_points`.
        images: the training images, loaded: `image`, `case_id`, `to_original`.
        labels: what is replaced.
        codec: decodes.
        sampler: knows what an epoch is about.
        dataset: what the training sees of its data set.
        path: the data set file, see `pseudo_dataset`.
        interval: epochs from one look to the next.
        start: look before the first epoch too: the network has learned before. Else the first patches are cut anywhere.
    """

    def __init__(
        self,
        network: OneShotNet,
        template: Sequence[Mapping[str, Any]],
        images: Sequence[Mapping[str, Any]],
        labels: PseudoLabels,
        codec: Codec,
        sampler: LandmarkSampler,
        dataset: LandmarkDataset,
        path: str | Path,
        interval: int = 1,
        start: bool = False,
    ) -> None:
        self.network = network
        self.template = template
        self.images = images
        self.labels = labels
        self.codec = codec
        self.sampler = sampler
        self.dataset = dataset
        self.path = Path(path)
        self.interval = max(1, int(interval))
        self.start = start

    def due(self, engine: Workflow) -> bool:
        """Whether an epoch that is over, or a start, is one to look after; the last one always is."""
        epoch = engine.state.epoch
        return self.start if epoch == 0 else epoch % self.interval == 0 or epoch == engine.state.max_epochs

    def __call__(self, engine: Workflow) -> None:
        """Replace the pseudo-labels, the same in every process, and write them."""
        points, confidence = self.labels.points.clone(), self.labels.confidence.clone()
        for number, landmarks in self.wanted(engine).items():
            image = plain_tensor(self.images[number]["image"])[None].to(engine.state.device)
            points[number, landmarks], confidence[number, landmarks] = find_points(
                self.network, image, self.codec, landmarks
            )
        own = [item["case_id"] for item in self.images].index(self.template[0]["case_id"])
        points[own] = self.template[0]["network_points"]
        confidence[own] = points[own].isfinite().all(-1).float()
        if dist.is_available() and dist.is_initialized():
            shared = [points, confidence]
            dist.broadcast_object_list(shared, src=0)
            points, confidence = shared
        self.labels.replace(points, confidence)
        if engine.state.rank == 0:
            pseudo_dataset(self.dataset, self.in_original_pixels(), self.path.parent).save(self.path)

    def wanted(self, engine: Workflow) -> Mapping[int, Sequence[int]]:
        """The landmarks to look for, by the image's number."""
        epoch = engine.state.epoch
        # Another process has a share of the images of its own.
        alone = self.sampler.num_replicas == 1
        if self.network.embedding.adapters and alone and epoch < engine.state.max_epochs:
            return self.sampler.wanted(range(epoch + 1, epoch + 1 + self.interval))
        return {number: range(self.network.landmarks) for number in range(len(self.images))}

    def in_original_pixels(self) -> dict[str, np.ndarray]:
        """What `pseudo_dataset` takes."""
        return {
            item["case_id"]: inside(
                np.column_stack([move_points(points, item["to_original"]).numpy(), sure.numpy()]), item["size"]
            )
            for item, points, sure in zip(self.images, self.labels.points, self.labels.confidence)
        }


class TemplateHandler:
    """Takes the template's descriptors anew after each epoch, with the weights as they are then; then looks with them.

    Attached before validation and checkpoint: a saved model always has the descriptors of its own weights.

    Args:
        network: whose.
        template: the template alone, loaded: `image` and `network_points`.
        look: pseudo-labels, for a training that has some.
    """

    def __init__(
        self, network: TakesTemplate, template: Sequence[Mapping[str, Any]], look: InferPseudoLabels | None = None
    ) -> None:
        self.network = network
        self.template = template
        self.look = look

    def attach(self, engine: Workflow) -> None:
        """Register on a trainer, after the handler that resumes."""
        engine.add_event_handler(Events.STARTED, self.started)
        engine.add_event_handler(Events.EPOCH_COMPLETED, self.epoch_completed)

    def started(self, engine: Workflow) -> None:
        """The first look, where nothing was resumed."""
        if engine.state.epoch == 0:
            self.epoch_completed(engine)

    def epoch_completed(self, engine: Workflow) -> None:
        """Take the descriptors; look, if it is time."""
        item, device = self.template[0], engine.state.device
        self.network.set_template(plain_tensor(item["image"])[None].to(device), item["network_points"].to(device))
        if self.look is not None and self.look.due(engine):
            self.look(engine)


@torch.no_grad()
def find_points(network: OneShotNet, image: Tensor, codec: Codec, landmarks: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Where an image shows some landmarks.

    Args:
        network: left in the mode it is in.
        image: (1, 1, rows, columns), on the network's device.
        codec: decodes.
        landmarks: their numbers.

    Returns:
        On the CPU: points (N, 2) in the image's pixels, NaN where the template has none, and their confidence (N,).
    """
    mode = network.training
    network.eval()
    decoded = codec.decode(network.logits(image, list(landmarks)))
    network.train(mode)
    return decoded.points[0].cpu(), decoded.confidence[0].cpu()


def pseudo_dataset(
    dataset: LandmarkDataset, labels: Mapping[str, np.ndarray], folder: str | Path, reader: str = READER
) -> LandmarkDataset:
    """A data set in which a network is one more reader, for a file in `folder`.

    Args:
        dataset: what is known already.
        labels: for some of its cases, by id, (K, 3): row, column (original pixels, NaN for none) and confidence.
        folder: image paths will lead from there.
        reader: under whose name; what it said before is replaced.
    """
    cases = [
        _with_reader(case, _annotation(dataset.names, labels[case.id], reader)) if case.id in labels else case
        for case in dataset.cases
    ]
    return dataset.model_copy(update={"cases": cases}).relocated(folder)


def _with_reader(case: Case, annotation: Annotation) -> Case:
    others = [other for other in case.annotations if other.reader != annotation.reader]
    return case.model_copy(update={"annotations": [*others, annotation]})


def _annotation(names: Sequence[str], rows: np.ndarray, reader: str) -> Annotation:
    placed = {name: row.tolist() for name, row in zip(names, np.asarray(rows, dtype=float)) if np.isfinite(row).all()}
    return Annotation(
        reader=reader,
        points={name: (round(column, 2), round(row, 2)) for name, (row, column, _) in placed.items()},
        confidence={name: round(sure, 4) for name, (_, _, sure) in placed.items()},
    )


def inside(rows: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Points without those outside their image: a network may find one in the padding, where no reader can put it.

    Args:
        rows: (K, 3 or more), row and column first; changed in place: NaN for both, where they lie outside.
        size: rows and columns of the image.
    """
    limits = np.asarray(size, dtype=float) - 0.5
    rows[~((rows[:, :2] >= -0.5) & (rows[:, :2] < limits)).all(1), :2] = np.nan
    return rows


def plain_tensor(value: Any) -> Tensor:
    """A tensor without MONAI's meta data."""
    tensor = torch.as_tensor(value)
    return tensor.as_tensor() if hasattr(tensor, "as_tensor") else tensor
