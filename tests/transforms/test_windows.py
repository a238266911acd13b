import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose

from monai_landmarks.transforms.affine import RandAffine2Dd
from monai_landmarks.transforms.geometry import PointsFollowImaged
from monai_landmarks.transforms.windows import RandWindowd


def item_of(points, size=(120, 90)):
    """A small bright blob at each point."""
    rows, columns = np.mgrid[: size[0], : size[1]]
    image = sum(np.exp(-((rows - r) ** 2 + (columns - c) ** 2) / 8) for r, c in points if np.isfinite(r))
    affine = torch.diag(torch.tensor([0.3, 0.2, 1.0, 1.0], dtype=torch.float64))
    tensor = MetaTensor(
        torch.as_tensor(np.broadcast_to(image, size).copy())[None].float(),
        affine=affine,
        meta={"original_affine": affine.numpy()},
    )
    return {"image": tensor, "points": np.array(points, float)[None]}


@pytest.mark.parametrize("seed", range(8))
def test_the_points_are_where_their_blobs_are_in_the_window(seed):
    chain = Compose(
        [
            RandWindowd("image", window=48, jitter=8),
            RandAffine2Dd("image", spatial_size=(32, 32), rotate=0.2, scale=0.1),
            PointsFollowImaged("points"),
        ]
    )
    chain.set_random_state(seed=seed)
    item = chain(item_of([(3.0, 86.0), (60.0, 40.0), (117.0, 5.0)]))
    window = item["image"].as_tensor()[0]
    assert window.shape == (32, 32)
    points = item["network_points"].numpy()
    inside = [point for point in points if ((point > 1) & (point < 30)).all()]
    assert len(inside) == 1
    rows, columns = np.mgrid[:32, :32]
    weights = window.double().numpy() ** 2 * (np.hypot(rows - inside[0][0], columns - inside[0][1]) < 5)
    found = np.array([(weights * rows).sum(), (weights * columns).sum()]) / weights.sum()
    # A blob cut by the image's border has its centroid off by a little.
    assert np.hypot(*(found - inside[0])) < 0.8


def test_windows_go_round_all_landmarks_and_stay_within_the_jitter():
    places = np.array([(20.0, 20.0), (60.0, 70.0), (np.nan, np.nan), (100.0, 30.0)])
    window = RandWindowd("image", window=40, jitter=6)
    window.set_random_state(seed=0)
    seen = set()
    for _ in range(40):
        item = PointsFollowImaged("points")(window(item_of(places)))
        offset = np.abs(item["network_points"].numpy() - 20).max(-1)
        nearest = int(np.nanargmin(offset))
        assert offset[nearest] <= 6.5
        seen.add(nearest)
    assert seen == {0, 1, 3}


def test_an_image_without_points_gives_a_window():
    window = RandWindowd("image", window=40, jitter=6)
    window.set_random_state(seed=0)
    item = item_of([(20.0, 20.0)])
    item["points"] = np.full((1, 1, 2), np.nan)
    assert window(item)["image"].shape == (1, 40, 40)
