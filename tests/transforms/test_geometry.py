"""Points and image move together: a blob is rendered at a sub-pixel point, moved, and found again by its centroid."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import CenterSpatialCropd, Compose, Flipd, RandAffined, RandRotate90d, RandZoomd, Resized, Rotated

from monai_landmarks.transforms.affine import RandAffine2Dd
from monai_landmarks.transforms.geometry import (
    PadToAspectd,
    PointsFollowImaged,
    RandMirrord,
    image_affine,
    move_points,
)


def blob_item(points, size, spacing=(0.3, 0.2), sigma=5.0):
    rows, columns = np.mgrid[: size[0], : size[1]]
    image = sum(np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / (2 * sigma**2)) for r, c in points)
    affine = torch.diag(torch.tensor([*spacing, 1.0, 1.0], dtype=torch.float64))
    tensor = MetaTensor(torch.from_numpy(image[None]).float(), affine=affine, meta={"original_affine": affine.numpy()})
    return {"image": tensor, "points": np.array(points, float)[None], "state": np.ones(len(points), np.int64)}


def centroid(image):
    weights = image[0].double().numpy() ** 2
    rows, columns = np.mgrid[: weights.shape[0], : weights.shape[1]]
    return np.array([(weights * rows).sum(), (weights * columns).sum()]) / weights.sum()


TRANSFORMS = {
    "pad": PadToAspectd("image", (320, 256)),
    "pad wide": PadToAspectd("image", (128, 512)),
    "resize": Resized("image", spatial_size=(160, 128), mode="bilinear", anti_aliasing=True),
    "enlarge": Resized("image", spatial_size=(413, 305), mode="bilinear", anti_aliasing=True),
    "crop": CenterSpatialCropd("image", roi_size=(180, 140)),
    "flip": Flipd("image", spatial_axis=1),
    "rotate": Rotated("image", angle=0.3, keep_size=False, padding_mode="zeros"),
    "rotate 90": RandRotate90d("image", prob=1.0),
    "zoom": RandZoomd("image", prob=1.0, min_zoom=0.8, max_zoom=0.8, mode="bilinear"),
    "affine": RandAffined(
        "image", prob=1.0, rotate_range=0.2, scale_range=0.1, translate_range=10, shear_range=0.1, padding_mode="zeros"
    ),
    "bundle": Compose(
        [
            PadToAspectd("image", (256, 256)),
            Resized("image", spatial_size=(256, 256), mode="bilinear", anti_aliasing=True),
            RandMirrord("image", mirror=[0], prob=1.0),
            RandAffine2Dd("image", rotate=0.14, scale=0.08, translate=0.0375),
        ]
    ),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_points_follow_the_image(name):
    generator = np.random.default_rng(len(name))
    transform = TRANSFORMS[name]
    for seed in range(4):
        size = tuple(generator.integers(200, 260, 2))
        point = np.array(size) / 2 + generator.uniform(-35, 35, 2)
        if hasattr(transform, "set_random_state"):
            transform.set_random_state(seed)
        moved = PointsFollowImaged("points")(transform(blob_item([point], size)))
        assert moved["network_points"].shape == (1, 2)
        assert np.abs(moved["network_points"][0].numpy() - centroid(moved["image"])).max() < 0.06
        assert np.array_equal(moved["points"][0, 0], point)


def test_the_worked_example_of_the_paper():
    item = Compose([PadToAspectd("image", (512, 512)), Resized("image", spatial_size=(512, 512), mode="bilinear")])(
        blob_item([(10.0, 20.0)], (300, 400), spacing=(1.0, 1.0))
    )
    out = PointsFollowImaged("points")(item)["network_points"][0]
    assert out.tolist() == pytest.approx([(10 + 50 + 0.5) * 512 / 400 - 0.5, (20 + 0.5) * 512 / 400 - 0.5], abs=1e-4)


def test_padding_gives_left_and_top_the_smaller_half():
    padded = PadToAspectd("image", (100, 100))({"image": MetaTensor(torch.ones(1, 10, 15))})["image"]
    assert padded.shape == (1, 15, 15)
    assert padded[0].sum(1).bool().int().tolist() == [0] * 2 + [1] * 10 + [0] * 3


def test_an_image_of_the_right_aspect_stays():
    image = MetaTensor(torch.ones(1, 30, 20))
    assert PadToAspectd("image", (300, 200))({"image": image})["image"].shape == (1, 30, 20)


def test_mirror_swaps_pairs_and_leaves_single_landmarks():
    points = [(60.0, 40.0), (60.0, 150.0), (100.0, 90.0)]
    item = blob_item(points, (200, 190))
    item["state"] = np.array([1, 2, 0])
    out = PointsFollowImaged("points")(RandMirrord("image", mirror=[1, 0, 2], prob=1.0)(item))
    assert out["network_points"].tolist() == [[60.0, 189 - 150.0], [60.0, 189 - 40.0], [100.0, 189 - 90.0]]
    assert out["state"].tolist() == [2, 1, 0]
    assert torch.equal(out["image"].as_tensor(), item["image"].as_tensor().flip(-1))
    still = RandMirrord("image", mirror=[1, 0, 2], prob=0.0)(item)
    assert torch.equal(still["image"], item["image"])


def test_missing_points_stay_missing():
    item = blob_item([(50.0, 60.0)], (120, 120))
    item["points"] = np.array([[[50.0, 60.0], [np.nan, np.nan]]])
    out = PointsFollowImaged("points")(TRANSFORMS["resize"](item))["network_points"]
    assert torch.isfinite(out[0]).all()
    assert torch.isnan(out[1]).all()


def test_there_and_back_is_exact():
    generator = np.random.default_rng(0)
    for seed in range(10):
        size = tuple(generator.integers(150, 400, 2))
        points = generator.uniform(0, 150, (6, 2))
        transform = TRANSFORMS["affine"].set_random_state(seed)
        item = PointsFollowImaged("points")(transform(TRANSFORMS["pad"](blob_item(points, size))))
        to_original, to_network = image_affine(item["image"])
        there = move_points(torch.from_numpy(points), to_network)
        assert torch.allclose(there.float(), item["network_points"], atol=1e-3)
        assert torch.allclose(move_points(there, to_original), torch.from_numpy(points), atol=1e-9)
