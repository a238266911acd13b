import math

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import CenterSpatialCrop, Compose

from monai_landmarks.errors import ConfigError
from monai_landmarks.transforms.homography import RandHomographyd, project_image, project_points

PARTS = {
    "crop": {"prob": 0.0},
    "rotation": {"prob": 1.0, "scale": (1, 1), "shear": 0.0, "perspective": (0, 0), "zoom": (1, 1)},
    "perspective": {"prob": 1.0, "rotate": 0.0, "scale": (1, 1), "shear": 0.0, "zoom": (1, 1)},
    "all": {"prob": 1.0, "zoom": (0.8, 1.25)},
    # Less zoom than by default: where a large blob is tilted its centroid moves off its centre, by the tilt itself.
    "defaults": {"zoom": (0.6, 1.5)},
}


def blob(point, size, sigma=1.5):
    rows, columns = np.mgrid[: size[0], : size[1]]
    image = np.exp(-((rows - point[0]) ** 2 + (columns - point[1]) ** 2) / (2 * sigma**2))
    return MetaTensor(torch.from_numpy(image[None]).float())


def centroid(image):
    weights = image[0].double().numpy()
    rows, columns = np.mgrid[: weights.shape[0], : weights.shape[1]]
    return np.array([(weights * rows).sum(), (weights * columns).sum()]) / weights.sum()


@pytest.mark.parametrize("name", PARTS)
def test_a_blob_and_its_point_stay_together(name):
    transform = RandHomographyd("image", (200, 230), **PARTS[name])
    generator = np.random.default_rng(0)
    followed = 0
    for seed in range(25):
        point = generator.uniform((70, 80), (170, 190))
        item = {"image": blob(point, (240, 271)), "network_points": torch.tensor(point[None]).float()}
        out = transform.set_random_state(seed)(item)
        assert out["image"].shape == (1, 200, 230)
        assert out["network_points"].shape == (1, 2)
        moved = out["network_points"][0].numpy()
        if not ((moved > 15) & (moved < (185, 215))).all():
            continue
        followed += 1
        assert np.abs(moved - centroid(out["image"])).max() < 0.05
    assert followed >= 8


@pytest.mark.parametrize(("size", "wanted"), [((60, 71), (50, 50)), ((61, 70), (50, 51)), ((40, 50), (40, 50))])
def test_without_augmentation_it_is_monais_centre_crop(size, wanted):
    image = torch.rand(1, *size)
    transform = RandHomographyd("image", wanted, prob=0.0, translate=0)
    out = transform({"image": MetaTensor(image), "network_points": torch.tensor([[20.0, 21.5], [math.nan] * 2])})
    assert torch.equal(out["image"], CenterSpatialCrop(wanted)(image))
    start = [side // 2 - want // 2 for side, want in zip(size, wanted)]
    assert out["network_points"][0].tolist() == [20.0 - start[0], 21.5 - start[1]]
    assert out["network_points"][1].isnan().all()


def test_the_random_crop_copies_pixels_and_reaches_every_place():
    image = torch.rand(1, 13, 15)
    transform = RandHomographyd("image", (10, 11), prob=0.0)
    starts = set()
    for seed in range(120):
        out = transform.set_random_state(seed)({"image": image, "network_points": torch.zeros(1, 2)})
        row, column = (-out["network_points"][0]).int().tolist()
        assert torch.equal(out["image"], image[:, row : row + 10, column : column + 11])
        starts.add((row, column))
    assert starts == {(row, column) for row in range(3) for column in range(5)}


def test_a_larger_result_is_padded_with_zeros():
    image = torch.ones(1, 10, 12)
    out = RandHomographyd("image", (20, 8), prob=0.0, translate=0)({"image": image, "network_points": torch.zeros(2)})
    assert out["image"].shape == (1, 20, 8)
    assert out["image"][0].sum(1).tolist() == [0] * 5 + [8] * 10 + [0] * 5
    assert out["network_points"].tolist() == [5.0, -2.0]
    away = RandHomographyd("image", (6, 6), prob=0.0, translate=100).set_random_state(2)
    assert away({"image": image, "network_points": torch.zeros(2)})["image"].sum() == 0


def test_a_known_homography():
    matrix = torch.tensor([[1.0, 0.2, 3.0], [-0.1, 0.9, 5.0], [1e-3, -2e-3, 1.0]])
    points = torch.tensor([[30.0, 40.0], [math.nan] * 2])
    weight = 1 + 0.03 - 0.08
    expected = [(30 + 8 + 3) / weight, (-3 + 36 + 5) / weight]
    assert project_points(points, matrix)[0].tolist() == pytest.approx(expected)
    assert project_points(points, matrix)[1].isnan().all()
    image = blob((30.0, 40.0), (80, 90)).as_tensor()
    assert np.abs(centroid(project_image(image, matrix, (70, 95))) - expected).max() < 0.05
    assert torch.allclose(project_image(image, torch.eye(3), (80, 90)), image, atol=1e-4)
    back = project_points(project_points(points, matrix), torch.linalg.inv(matrix))
    assert back[0].tolist() == pytest.approx([30.0, 40.0], abs=1e-3)


@pytest.mark.parametrize("size", [(112, 112), (450, 450), (1400, 900)])
def test_the_horizon_stays_outside_the_result(size):
    transform = RandHomographyd("image", size, prob=1.0, translate=0)
    corners = torch.tensor([[r, c, 1.0] for r in (0, size[0] - 1) for c in (0, size[1] - 1)], dtype=torch.float64)
    middle = torch.tensor([(size[0] - 1) / 2, (size[1] - 1) / 2, 0.0], dtype=torch.float64)
    for seed in range(200):
        warp, _ = transform.set_random_state(seed)._draw(size)
        weight = torch.linalg.inv(warp)[2] @ (corners - middle).T
        assert (weight > 0.09).all()


def test_ranges_are_kept():
    turn = RandHomographyd("image", (50, 50), translate=0, **{**PARTS["rotation"], "rotate": 30.0})
    grow = RandHomographyd("image", (50, 50), translate=0, **{**PARTS["rotation"], "rotate": 0.0, "zoom": (0.5, 2.5)})
    angles, factors = [], []
    for seed in range(200):
        warp, _ = turn.set_random_state(seed)._draw((50, 50))
        angles.append(math.degrees(math.atan2(warp[1, 0], warp[0, 0])))
        factors.append(float(grow.set_random_state(seed)._draw((50, 50))[0][0, 0]))
    assert (-30 <= min(angles) < -25, 25 < max(angles) <= 30) == (True, True)
    assert (0.5 <= min(factors) < 0.6, 2.4 < max(factors) <= 2.5) == (True, True)


def test_the_result_tracks_nothing_and_the_seed_decides():
    chain = Compose([RandHomographyd("image", (40, 40))])
    image = MetaTensor(torch.rand(1, 60, 60))
    item = {"image": image, "network_points": torch.rand(3, 2) * 60, "state": torch.ones(3)}
    first, again = (chain.set_random_state(7)(item) for _ in range(2))
    assert torch.equal(first["image"], again["image"])
    assert torch.equal(first["network_points"], again["network_points"])
    assert not isinstance(first["image"], MetaTensor)
    assert first["network_points"].dtype == torch.float32
    assert image.shape == (1, 60, 60)


def test_factors_that_cannot_be():
    with pytest.raises(ConfigError, match="must be above 0"):
        RandHomographyd("image", (40, 40), scale=(0.0, 1.0))
    with pytest.raises(ConfigError, match="shear 1"):
        RandHomographyd("image", (40, 40), shear=1.0)
