import numpy as np
import pytest
import torch
from monai.data import CacheDataset, DataLoader
from monai.transforms import Compose, RandGaussianNoised, ToTensord

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.data.loading import EpochSampler, SeededDataset, split_items
from monai_landmarks.errors import ConfigError


class Number:
    """Deterministic part of the chain."""

    def __call__(self, item):
        return {"image": torch.full((1, 4, 4), float(item["value"])), "value": item["value"]}


def build(workers, seed=0, cached=True):
    items = [{"value": value} for value in range(10)]
    data = CacheDataset(items, Compose([Number()]), progress=False) if cached else [Number()(item) for item in items]
    dataset = SeededDataset(data, Compose([RandGaussianNoised("image", prob=1.0), ToTensord("image")]), seed=seed)
    sampler = EpochSampler(dataset, seed=seed)
    loader = DataLoader(dataset, batch_size=3, sampler=sampler, num_workers=workers, persistent_workers=workers > 0)
    return loader, sampler


def epochs(loader, sampler, numbers):
    found = {}
    for epoch in numbers:
        sampler.set_epoch(epoch)
        batches = list(loader)
        found[epoch] = (
            torch.cat([batch["value"] for batch in batches]).tolist(),
            torch.cat([batch["image"] for batch in batches]),
        )
    return found


def test_every_sample_comes_once_in_a_new_order():
    found = epochs(*build(0), [1, 2])
    assert sorted(found[1][0]) == sorted(found[2][0]) == list(range(10))
    assert found[1][0] != found[2][0]


def test_draws_differ_between_epochs_and_samples_and_seeds():
    found = epochs(*build(0), [1, 2])
    noise = {e: {v: img - v for v, img in zip(values, images)} for e, (values, images) in found.items()}
    assert not torch.equal(noise[1][3], noise[2][3])
    assert not torch.equal(noise[1][3], noise[1][4])
    other = epochs(*build(0, seed=1), [1])[1]
    assert other[0] != found[1][0]


@pytest.mark.parametrize("cached", [True, False])
def test_persistent_workers_resume_and_history_change_nothing(cached):
    plain = epochs(*build(0, cached=cached), [1, 2, 3])
    workers = epochs(*build(2, cached=cached), [1, 2, 3])
    resumed = epochs(*build(0, cached=cached), [3])
    for epoch in (1, 2, 3):
        assert workers[epoch][0] == plain[epoch][0]
        assert torch.equal(workers[epoch][1], plain[epoch][1])
    assert resumed[3][0] == plain[3][0]
    assert torch.equal(resumed[3][1], plain[3][1])


def test_unshuffled_sampler_keeps_the_order():
    dataset = SeededDataset([{"value": v} for v in range(5)], Compose([]))
    sampler = EpochSampler(dataset, shuffle=False)
    sampler.set_epoch(2)
    assert [dataset[index]["value"] for index in sampler] == [0, 1, 2, 3, 4]
    assert np.all(np.array(list(sampler)) // 5 == 2)


def test_repeats_draw_several_samples_of_each_item():
    items = [Number()({"value": value}) for value in range(4)]
    dataset = SeededDataset(items, Compose([RandGaussianNoised("image", prob=1.0)]), repeats=3)
    sampler = EpochSampler(dataset)
    sampler.set_epoch(2)
    drawn = [dataset[index] for index in sampler]
    assert len(dataset) == len(drawn) == 12
    assert sorted(item["value"] for item in drawn) == sorted(list(range(4)) * 3)
    of_zero = [item["image"] for item in drawn if item["value"] == 0]
    assert not torch.equal(of_zero[0], of_zero[1])
    assert not torch.equal(of_zero[1], of_zero[2])


def test_a_split_nobody_has_annotated_is_no_split_to_use(blobs):
    dataset = load_dataset(blobs)
    cases = [c if c.split == "training" else c.model_copy(update={"annotations": []}) for c in dataset.cases]
    partly = dataset.model_copy(update={"cases": cases})
    assert len(split_items(partly, "training", "mean")) == 8
    # Enough that some are annotated: for a last model both splits are one.
    assert len(split_items(partly, ("training", "validation"), "mean")) == 11
    with pytest.raises(ConfigError, match=r"no validation case is annotated \(reader: maker\).*refit.yaml"):
        split_items(partly, "validation", "maker")
