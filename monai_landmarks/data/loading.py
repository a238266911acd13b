"""Loading whose randomness is a function of (seed, epoch, sample): workers, order and resume do not change a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from monai.data import DistributedSampler
from monai.transforms import Compose, Randomizable
from torch.utils.data import Dataset

from monai_landmarks.data.dataset import LandmarkDataset, State
from monai_landmarks.errors import ConfigError


class SeededDataset(Dataset):
    """Random transforms on a data set, drawn anew from (seed, epoch, sample) for every item.

    Args:
        data: items after the deterministic transforms, such as a CacheDataset.
        transform: random transforms, a MONAI Compose; its parts draw from one generator, one after the other.
        seed: of the draws.
        repeats: samples an epoch draws of each item.
    """

    def __init__(self, data: Any, transform: Compose, seed: int = 0, repeats: int = 1) -> None:
        self.data = data
        self.transform = transform
        self.seed = seed
        self.repeats = repeats

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.data) * self.repeats

    def __getitem__(self, index: int) -> Any:
        """Sample `index % N` as of epoch `index // N`."""
        epoch, sample = divmod(int(index), len(self))
        # Compose.set_random_state would seed a generator for each part: a fifth of an item's time.
        draws = np.random.RandomState(np.random.SeedSequence((self.seed, epoch, sample)).generate_state(1))
        Randomizable.set_random_state(self.transform, state=draws)
        for part in self.transform.transforms:
            if isinstance(part, Randomizable):
                part.set_random_state(state=draws)
        return self.transform(self.data[sample % len(self.data)])


class EpochSampler(DistributedSampler):
    """Shuffles by (seed, epoch) and sends the epoch to the workers inside the index: epoch * N + sample.

    MONAI's Workflow sets the epoch of a DistributedSampler at every EPOCH_STARTED; an index reaches even a persistent
    worker, which no attribute does. Without a process group it is a plain sampler.

    Args:
        dataset: a `SeededDataset`, which takes the index apart.
        seed: of the order.
        shuffle: False keeps the order.
    """

    def __init__(self, dataset: SeededDataset, seed: int = 0, shuffle: bool = True) -> None:
        import torch.distributed as dist

        ready = dist.is_available() and dist.is_initialized()
        super().__init__(
            dataset,
            shuffle=shuffle,
            seed=seed,
            num_replicas=dist.get_world_size() if ready else 1,
            rank=dist.get_rank() if ready else 0,
        )
        self.count = len(dataset)

    def __iter__(self) -> Iterator[int]:
        """Indices of this epoch."""
        return iter([self.epoch * self.count + index for index in super().__iter__()])


def split_items(dataset: LandmarkDataset, split: str | Sequence[str], reader: str) -> list[dict[str, Any]]:
    """The data list of a split, or of several one after the other.

    Each item has its number under "index", by which metrics tell cases apart.

    Raises:
        ConfigError: there are no such cases, or nobody has said anything of any.
    """
    splits = [split] if isinstance(split, str) else list(split)
    items = [item for name in splits for item in dataset.datalist(name, reader)]
    if not items:
        raise ConfigError(
            f"the data set has no {' or '.join(splits)} cases; `monai-landmarks split DATASET --training 0.7 "
            "--validation 0.15 --test 0.15` makes the splits"
        )
    if all((item["state"] == State.UNLABELLED).all() for item in items):
        raise ConfigError(
            f"no {' or '.join(splits)} case is annotated (reader: {reader}), so there is nothing to learn from or to "
            "measure against; annotate some. A training without annotated validation images takes refit.yaml"
        )
    return [{**item, "index": np.int64(number)} for number, item in enumerate(items)]


def intensity_of(data: Iterable[Mapping[str, Any]], key: str = "image") -> list[float]:
    """Mean and standard deviation of the images' pixels, those that are exactly 0 (padding) left out; for a config.

    Args:
        data: items after the deterministic transforms.
        key: the image, any shape.
    """
    count, total, squares = 0, 0.0, 0.0
    for item in data:
        pixels = np.asarray(item[key], dtype=np.float64)
        pixels = pixels[pixels != 0]
        count, total, squares = count + pixels.size, total + pixels.sum(), squares + np.square(pixels).sum()
    mean = total / max(count, 1)
    deviation = max(squares / max(count, 1) - mean**2, 0.0) ** 0.5
    return [round(float(mean), 4), round(max(float(deviation), 1e-3), 4)]
