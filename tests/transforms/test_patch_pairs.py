import math

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose

from monai_landmarks.data.loading import SeededDataset
from monai_landmarks.errors import ConfigError
from monai_landmarks.transforms.geometry import PointsFollowImaged
from monai_landmarks.transforms.patch_pairs import PatchPaird, TemplateAugmentd


def dots(points, size=(150, 130), sigma=2.0):
    """A smooth dot at each place, (1, rows, columns)."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    image = sum(np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / (2 * sigma**2)) for r, c in points)
    return torch.as_tensor(image)[None].float()


def centre_of_mass(image, near, reach=9):
    rows, columns = np.mgrid[: image.shape[-2], : image.shape[-1]]
    disc = np.hypot(rows - near[0], columns - near[1]) < reach
    weights = np.asarray(image, dtype=np.float64)[0] * disc
    return np.array([(weights * rows).sum(), (weights * columns).sum()]) / weights.sum()


@pytest.mark.parametrize("seed", range(6))
def test_the_patchs_point_is_where_the_dot_went(seed):
    point = np.random.default_rng(seed).uniform((20, 20), (130, 110))
    pair = PatchPaird(size=64, points_key="where", brightness=0.0, contrast=0.0)
    pair.set_random_state(seed=seed)
    item = pair({"image": dots([point]), "where": point})
    assert item["patch"].shape == (1, 64, 64)
    assert item["patch"].dtype == item["image_point"].dtype == item["patch_point"].dtype == torch.float32
    assert np.allclose(item["image_point"], point, atol=1e-5)
    there = item["patch_point"].numpy()
    # Central part of the patch; a dot cut by its border has its mass elsewhere.
    assert ((there >= 0.1 * 63 - 1e-4) & (there <= 0.9 * 63 + 1e-4)).all()
    reach = min(9, there.min(), (63 - there).min())
    assert np.hypot(*(centre_of_mass(item["patch"], there, reach) - there)) < 0.1
    assert torch.equal(item["image"], dots([point]))


def test_a_second_dot_is_where_the_rotation_about_the_point_puts_it():
    pair = PatchPaird(size=96, points_key="where", rotate=20.0, brightness=0.0, contrast=0.0)
    angles = []
    for seed in range(80):
        pair.set_random_state(seed=seed)
        item = pair({"image": dots([(70.3, 60.6), (70.3, 78.6)]), "where": np.array([[70.3, 60.6]])})
        there = item["patch_point"].numpy()
        if there.max() > 60 or there.min() < 30:
            continue
        near = [there + 18 * np.array([math.sin(a), math.cos(a)]) for a in np.radians(np.linspace(-25, 25, 51))]
        values = [float(item["patch"][0, round(r), round(c)]) for r, c in near]
        found = centre_of_mass(item["patch"], near[int(np.argmax(values))], 8) - there
        assert np.hypot(*found) == pytest.approx(18, abs=0.1)
        angles.append(math.degrees(math.atan2(found[0], found[1])))
    assert max(abs(angle) for angle in angles) <= 20.1
    assert max(angles) > 5
    assert min(angles) < -5


def test_places_go_everywhere_in_the_image_and_in_the_patchs_centre():
    pair = PatchPaird(size=64)
    pair.set_random_state(seed=0)
    item = {"image": torch.rand(1, 128, 192)}
    results = [pair(item) for _ in range(300)]
    places = np.array([result["image_point"].numpy() for result in results])
    there = np.array([result["patch_point"].numpy() for result in results])
    assert (places.min(0) < (4, 6)).all()
    assert (places.max(0) > (123, 185)).all()
    assert (there.min(0) >= 6.29).all()
    assert (there.max(0) <= 56.71).all()
    assert (there.min(0) < 9).all()
    assert (there.max(0) > 54).all()


def test_a_patch_stays_in_the_image_where_it_can():
    pair = PatchPaird(size=64, points_key="where", rotate=0.0, brightness=0.0, contrast=0.0)
    image = torch.ones(1, 128, 128)
    for seed in range(20):
        pair.set_random_state(seed=seed)
        assert pair({"image": image, "where": (8.0, 119.0)})["patch"].min() == 1
        corner = pair({"image": image, "where": (0.0, 127.0)})
        # A tenth of 63 pixels lies over the border, and is dark.
        assert np.allclose(corner["patch_point"], (6.3, 56.7), atol=1e-4)
        assert (corner["patch"][0, 6, :57] > 0).all()
        assert (corner["patch"][0, :5] == 0).all()
        assert (corner["patch"][0, :, 58:] == 0).all()


def test_the_patch_in_plain_loops():
    """Bilinear samples of the image, where the turn about the point puts each pixel of the patch."""
    image = torch.rand(1, 40, 44, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    pair = PatchPaird(size=24, points_key="where", brightness=0.0, contrast=0.0)
    pair.set_random_state(seed=5)
    item = pair({"image": image, "where": (20.3, 17.6), "landmark": 0})
    # The same three draws: anywhere, where in the patch, the angle.
    draws = np.random.RandomState(5)
    draws.uniform(0.0, (39.0, 43.0))
    there = draws.uniform(0.1 * 23, 0.9 * 23, 2)
    inwards = np.clip(np.array([20.3, 17.6]) - there, 0, (40 - 24, 44 - 24))
    there = np.clip(np.array([20.3, 17.6]) - inwards, 0.1 * 23, 0.9 * 23)
    angle = math.radians(draws.uniform(-20, 20))
    assert np.allclose(item["patch_point"], there, atol=1e-5)
    for i in range(24):
        for j in range(24):
            down, across = i - there[0], j - there[1]
            row = 20.3 + math.cos(angle) * down + math.sin(angle) * across
            column = 17.6 - math.sin(angle) * down + math.cos(angle) * across
            expected = 0.0
            for r in (math.floor(row), math.floor(row) + 1):
                for c in (math.floor(column), math.floor(column) + 1):
                    if 0 <= r < 40 and 0 <= c < 44:
                        expected += (1 - abs(row - r)) * (1 - abs(column - c)) * float(image[0, r, c])
            assert float(item["patch"][0, i, j]) == pytest.approx(expected, abs=1e-4)


def test_the_jitter_is_a_factor_and_a_factor_about_the_mean():
    image = torch.full((1, 96, 96), 0.4)
    image[:, :, 48:] = 0.6
    pair = PatchPaird(size=32, points_key="where", rotate=0.0)
    plain = PatchPaird(size=32, points_key="where", rotate=0.0, brightness=0.0, contrast=0.0)
    brightness, contrast = [], []
    for seed in range(200):
        for one in (pair, plain):
            one.set_random_state(seed=seed)
        before, after = (one({"image": image, "where": (48.0, 47.5)})["patch"] for one in (plain, pair))
        brightness.append(float(after.mean() / before.mean()))
        contrast.append(float((after.max() - after.min()) / (before.max() - before.min()) / brightness[-1]))
    for factors, reach in ((brightness, 0.15), (contrast, 0.25)):
        assert 1 - reach <= min(factors) + 1e-4 < 1 - 0.8 * reach
        assert 1 + 0.8 * reach < max(factors) - 1e-4 <= 1 + reach
    bright = pair({"image": torch.ones(1, 96, 96), "where": (48.0, 48.0)})["patch"]
    assert 0 <= bright.min() <= bright.max() <= 1


def test_the_point_of_the_landmark_asked_for():
    points = np.array([[[30.0, 40.0], [np.nan, np.nan], [400.0, 20.0]]])
    pair = PatchPaird(size=32, points_key="pseudo")
    pair.set_random_state(seed=0)
    item = {"image": torch.rand(1, 96, 128), "pseudo": points}
    assert pair({**item, "landmark": 0})["image_point"].tolist() == [30, 40]
    # No label yet, or one outside the image: anywhere, and never the same place twice.
    for landmark in (1, 2):
        places = [pair({**item, "landmark": np.int64(landmark)})["image_point"] for _ in range(2)]
        assert all(((place >= 0) & (place <= torch.tensor([95, 127]))).all() for place in places)
        assert not torch.equal(*places)
    with pytest.raises(ConfigError, match="pseudo holds 3 points; say under landmark"):
        pair(item)
    with pytest.raises(ConfigError, match="margin"):
        PatchPaird(margin=0.5)


def test_draws_are_a_function_of_seed_epoch_and_sample():
    data = [{"image": dots([(40 + i, 50.0)]), "network_points": torch.tensor([[40.0 + i, 50.0]])} for i in range(3)]
    chain = Compose([TemplateAugmentd(), PatchPaird(size=48, points_key="network_points")])
    one, other = (SeededDataset(data, chain, seed=7, repeats=2) for _ in range(2))
    first = {index: one[index] for index in range(12)}
    for index in (11, 3, 0, 7):
        again = other[index]
        for key in ("image", "patch", "image_point", "patch_point", "network_points"):
            assert torch.equal(torch.as_tensor(again[key]), torch.as_tensor(first[index][key]))
    assert not torch.equal(first[0]["patch"], first[3]["patch"])
    assert not torch.equal(first[0]["patch"], first[6]["patch"])
    assert torch.equal(data[0]["image"], dots([(40.0, 50.0)]))


@pytest.mark.parametrize("seed", range(6))
def test_a_templates_points_are_where_its_dots_went(seed):
    places = np.array([(30.4, 40.2), (120.0, 99.5), (75.0, 64.3)])
    augment = TemplateAugmentd()
    augment.set_random_state(seed=seed)
    points = torch.tensor(np.vstack([places, [(np.nan, np.nan)]]), dtype=torch.float32)
    item = augment({"image": dots(places), "network_points": points})
    assert item["image"].shape == (1, 150, 130)
    assert item["network_points"].dtype == torch.float32
    for point in item["network_points"][:3].numpy():
        assert np.hypot(*(centre_of_mass(item["image"], point) - point)) < 0.1
    assert item["network_points"][3].isnan().all()
    assert not torch.allclose(item["network_points"][:3], points[:3], atol=0.1)


def test_template_copies_stay_within_their_ranges():
    augment = TemplateAugmentd(shift=0.02, scale=0.01, rotate=5.0)
    augment.set_random_state(seed=0)
    size = (200, 160)
    middle = torch.tensor([(200 - 1) / 2, (160 - 1) / 2])
    points = torch.stack((middle, middle + torch.tensor([0.0, 50.0])))
    image = torch.zeros(1, *size)
    copies = torch.stack([augment({"image": image, "network_points": points})["network_points"] for _ in range(300)])
    shift = (copies[:, 0] - middle).abs().amax(0)
    assert ((shift > 3.8) & (shift <= 4.001)).all()
    arm = copies[:, 1] - copies[:, 0]
    scale = arm.norm(dim=-1) / 50
    assert 0.99 <= scale.min() + 1e-5 < 0.991
    assert 1.009 < scale.max() <= 1.01001
    angle = torch.rad2deg(torch.atan2(arm[:, 0], arm[:, 1])).abs().max()
    assert 4.8 < angle <= 5.001


def test_a_tracked_templates_affine_follows():
    places = [(40.0, 30.0), (90.0, 110.0)]
    affine = torch.diag(torch.tensor([0.3, 0.2, 1.0, 1.0], dtype=torch.float64))
    meta = {"original_affine": affine.numpy(), "name": "template"}
    image = MetaTensor(dots(places), affine=affine, meta=meta)
    chain = Compose([TemplateAugmentd(points_key=None), PointsFollowImaged("points")])
    chain.set_random_state(seed=1)
    item = chain({"image": image, "points": np.array([places])})
    for point in item["network_points"].numpy():
        assert np.hypot(*(centre_of_mass(item["image"].as_tensor(), point) - point)) < 0.1
    assert item["image"].meta["name"] == "template"
    assert torch.equal(image.affine, affine)
