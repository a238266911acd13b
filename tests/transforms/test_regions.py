import pytest
import torch
from monai.data import MetaTensor

from monai_landmarks.curriculum import StepSchedule, constant, paper
from monai_landmarks.transforms.regions import (
    PointsToRegions,
    PointsToRegionsd,
    ScheduledMorphology,
    ScheduledMorphologyd,
    ScheduledRegions,
    ScheduledRegionsd,
)
from monai_landmarks.transforms.shapes import Diamond, Square, point_regions


def test_label_masks_are_one_pixel():
    mask = PointsToRegions()(torch.tensor([[3.0, 4.0], [float("nan")] * 2]), (8, 9))
    assert mask.shape == (2, 8, 9)
    assert mask.sum() == 1
    assert mask[0, 3, 4] == 1


def test_dictionary_version_takes_the_images_size_and_a_leading_channel():
    item = {"image": torch.zeros(1, 8, 9), "points": torch.tensor([[[3.0, 4.0]]]), "other": 1}
    out = PointsToRegionsd("points", radius=1)(item)
    assert out["points"].shape == (1, 8, 9)
    assert out["points"].sum() == 5
    assert out["other"] == 1
    assert item["points"].shape == (1, 1, 2)


def test_scheduled_regions_follow_the_epoch_and_scale_with_the_image():
    regions = ScheduledRegions(paper())
    points = torch.tensor([[[127.0, 127.0]]])
    for epoch, radius in [(0, 65), (49, 65), (50, 55), (349, 5)]:
        regions.epoch = epoch
        assert regions.radius == radius
        assert torch.equal(regions(points, (256, 256)), point_regions(points, (256, 256), radius / 2, Diamond()))


def test_scheduled_regions_for_a_batch_and_for_a_sample():
    transform = ScheduledRegionsd("network_points", constant(16), Square())
    points = torch.rand(2, 3, 2) * 60
    batch = transform({"image": torch.zeros(2, 1, 64, 64), "network_points": points})
    assert batch["region"].shape == (2, 3, 64, 64)
    sample = transform({"image": torch.zeros(1, 64, 64), "network_points": points[0]})
    assert torch.equal(sample["region"], batch["region"][0])
    with_channel = transform({"image": torch.zeros(2, 1, 64, 64), "network_points": points[:, None]})
    assert torch.equal(with_channel["region"], batch["region"])


def test_dictionary_version_hands_the_epoch_on():
    transform = ScheduledRegionsd("network_points", paper())
    transform.epoch = 300
    assert transform.epoch == 300
    assert transform.radius == 5


def test_one_channel_never_fills_another():
    mask = PointsToRegions(radius=4)(torch.tensor([[10.0, 10.0], [float("nan")] * 2, [20.0, 20.0]]), (32, 32))
    assert mask[1].sum() == 0
    assert mask[0].sum() == mask[2].sum() == 41


def test_morphology_dilates_erodes_and_keeps_meta():
    mask = MetaTensor(torch.zeros(1, 64, 64), meta={"note": "kept"})
    mask[0, 32, 32] = 1
    morphology = ScheduledMorphology(lambda epoch: 16.0 if epoch == 0 else -8.0)
    wide = morphology(mask)
    assert isinstance(wide, MetaTensor)
    assert wide.meta["note"] == "kept"
    assert wide.sum() == 1 + 2 * 2 * 3
    morphology.epoch = 1
    assert morphology(wide).sum() == 5


def test_morphology_follows_a_schedule_in_a_dictionary():
    transform = ScheduledMorphologyd("mask", StepSchedule(start=8, step=8, every=1))
    item = {"mask": torch.zeros(1, 512, 64)}
    item["mask"][0, 100, 30] = 1
    assert transform(item)["mask"].sum() == 1 + 2 * 8 * 9
    transform.epoch = 1
    assert transform.epoch == 1
    assert transform(item)["mask"].sum() == 1
    with pytest.raises(KeyError):
        transform({})


def test_regions_may_be_boolean():
    points = torch.tensor([[10.0, 12.0], [30.0, 5.0]])
    expected = point_regions(points, (64, 64), 2, Diamond()).bool()
    item = {"image": torch.zeros(1, 64, 64), "points": points}
    for region in (
        ScheduledRegionsd("points", constant(16), dtype=torch.bool)(item)["region"],
        PointsToRegions(2.0, dtype=torch.bool)(points, (64, 64)),
        PointsToRegionsd("points", radius=2.0, dtype=torch.bool)(item)["points"],
    ):
        assert region.dtype == torch.bool
        assert torch.equal(region, expected)
