"""One annotated template and images without annotations: the data of a one-shot training."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from monai.data import DistributedSampler
from torch import Tensor
from torch.utils.data import Dataset

from monai_landmarks.data.dataset import Case, LandmarkDataset
from monai_landmarks.data.limbs import keep_landmarks
from monai_landmarks.data.loading import SeededDataset, split_items
from monai_landmarks.errors import ConfigError


def template_case(dataset: LandmarkDataset, template: str | None = None, reader: str = "mean") -> Case:
    """The case a one-shot training learns from: the one named, else the training case with the most points.

    A landmark that the template lacks is not found in any image. Of several the first is taken.

    Raises:
        ConfigError: no such training case; it has no point.
    """
    cases = {case.id: case for case in dataset.select("training")}
    if template is not None and template not in cases:
        raise ConfigError(f"template {template}: no training case has this id; there are {_some(list(cases))}")
    counts = {
        case.id: int(np.isfinite(case.points(dataset.scheme, reader)[0]).all(axis=-1).sum())
        for case in (cases.values() if template is None else [cases[template]])
    }
    best = max(counts, key=lambda name: counts[name], default=None)
    if best is not None and counts[best]:
        return cases[best]
    raise ConfigError(
        f"template {template or 'by default'}: reader {reader} has placed no point in "
        f"{'any training case' if template is None else 'it'}; annotate one training image and import its points"
    )


def one_template(dataset: LandmarkDataset, template: str | None = None, reader: str = "mean") -> LandmarkDataset:
    """The data set without any annotation but the template's: what is not there cannot be learned from.

    Args:
        dataset: with any annotations.
        template: case id; by default as `template_case`.
        reader: whose points.
    """
    chosen = template_case(dataset, template, reader).id
    cases = [c if c.id == chosen else c.model_copy(update={"annotations": []}) for c in dataset.cases]
    return dataset.model_copy(update={"cases": cases})


def one_landmark(dataset: LandmarkDataset, name: str | None) -> LandmarkDataset:
    """The data set with one landmark; as it is for None.

    Raises:
        ConfigError: no such landmark.
    """
    if name is None:
        return dataset
    if name not in dataset.names:
        raise ConfigError(
            f"landmark {name}: the data set has none of this name; choose from {', '.join(dataset.names)}"
        )
    return keep_landmarks(dataset, [name])


def template_items(dataset: LandmarkDataset, reader: str = "mean") -> list[dict[str, Any]]:
    """The data list of the template alone, of what `one_template` gives."""
    chosen = template_case(dataset, None, reader).id
    return [item for item in split_items(dataset, "training", reader) if item["case_id"] == chosen]


def template_digest(
    whole: LandmarkDataset, dataset: LandmarkDataset, reader: str = "mean", earlier: Mapping[str, Any] | None = None
) -> str:
    """Sixteen hexadecimal digits that stand for the template: of its points alone, nothing that names it or its image.

    Args:
        whole: with all landmarks, so that a training of one landmark has the same digest.
        dataset: what `one_template` gives.
        reader: whose points.
        earlier: settings of a model whose template this one must be; one that has noted none allows any.

    Raises:
        ConfigError: it is another one.
    """
    points, _ = template_case(whole, template_case(dataset, None, reader).id, reader).points(whole.scheme, reader)
    digest = hashlib.sha256(points.astype("<f8").tobytes()).hexdigest()[:16]
    if (earlier or {}).get("template", digest) != digest:
        raise ConfigError(
            "the earlier model (--start, --coarse) was trained with another template than the training case with the "
            "most points, or it has been annotated anew since; say which to take: --template CASE_ID"
        )
    return digest


def points_of(items: Sequence[Mapping[str, Any]]) -> Tensor:
    """The `network_points` of loaded items, (N, K, 2)."""
    return torch.stack([torch.as_tensor(items[number]["network_points"]) for number in range(len(items))])


class Copies(Dataset):
    """Items several times, each time as another case (`index`).

    Args:
        items: such as a CacheDataset.
        count: how often.
    """

    def __init__(self, items: Sequence[Mapping[str, Any]], count: int) -> None:
        self.items = items
        self.count = int(count)

    def __len__(self) -> int:
        """Items times `count`."""
        return len(self.items) * self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        """Copy `index`."""
        return {**self.items[index % len(self.items)], "index": np.int64(index)}


class PerLandmark(Dataset):
    """Images with a place for each landmark, one landmark at a time: item k N + n is image n with landmark k.

    Each item gets `network_points` (K, 2), the image's places, and `landmark`, the number of the one it is about.

    Args:
        images: items, such as a CacheDataset.
        points: (images, K, 2) in the images' pixels, NaN for none. Read anew for each item: in shared memory, workers
            see what changes.
        copies: how often each image counts; N = images x copies.
    """

    def __init__(self, images: Sequence[Mapping[str, Any]], points: Tensor, copies: int = 1) -> None:
        self.images = images
        self.points = points
        self.count = len(images) * copies

    def __len__(self) -> int:
        """Images, times copies, times landmarks."""
        return self.count * self.points.shape[1]

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One image and one landmark."""
        landmark, number = divmod(int(index), self.count)
        image = number % len(self.images)
        return {**self.images[image], "network_points": self.points[image].clone(), "landmark": landmark}


class LandmarkSampler(DistributedSampler):
    """Each epoch sees each image of a `PerLandmark` once, each batch with one landmark, all landmarks equally often.

    Batch b of a run has landmark order[b % K], the order shuffled anew for every K batches; it is the same in every
    process. Like `EpochSampler` it sends the epoch inside the index and depends on (seed, epoch) alone.

    Args:
        dataset: whose data is a `PerLandmark`.
        batch_size: of the loader, whose batches must follow the sampler's order.
        seed: of both orders.

    Raises:
        ConfigError: the data set's data is none.
    """

    def __init__(self, dataset: SeededDataset, batch_size: int, seed: int = 0) -> None:
        import torch.distributed as dist

        if not isinstance(dataset.data, PerLandmark):
            raise ConfigError("LandmarkSampler: the data set must draw from PerLandmark")
        ready = dist.is_available() and dist.is_initialized()
        pairs = dataset.data
        super().__init__(
            range(pairs.count),  # type: ignore[arg-type]
            shuffle=True,
            seed=seed,
            num_replicas=dist.get_world_size() if ready else 1,
            rank=dist.get_rank() if ready else 0,
        )
        self.images = pairs.count
        self.landmarks = pairs.points.shape[1]
        self.batch_size = int(batch_size)

    def __iter__(self) -> Iterator[int]:
        """Indices of this epoch, batch after batch."""
        for image, landmark in self.pairs():
            yield (self.epoch * self.landmarks + landmark) * self.images + image

    def pairs(self) -> Iterator[tuple[int, int]]:
        """Image and landmark of each sample of this epoch."""
        batches = -(-self.num_samples // self.batch_size)
        for place, image in enumerate(super().__iter__()):
            yield image, self._landmark(self.epoch * batches + place // self.batch_size)

    def wanted(self, epochs: Iterable[int]) -> dict[int, list[int]]:
        """The landmarks that some epochs will be about, by the image in which they are."""
        now, found = self.epoch, dict[int, set[int]]()
        for epoch in epochs:
            self.set_epoch(epoch)
            for image, landmark in self.pairs():
                found.setdefault(image, set()).add(landmark)
        self.set_epoch(now)
        return {image: sorted(landmarks) for image, landmarks in found.items()}

    def _landmark(self, batch: int) -> int:
        turn, place = divmod(batch, self.landmarks)
        entropy = np.random.SeedSequence((self.seed, turn)).generate_state(1)[0]
        generator = torch.Generator().manual_seed(int(entropy))
        return int(torch.randperm(self.landmarks, generator=generator)[place])


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "") if names else "none"
