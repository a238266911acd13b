"""Many places of a pair (SAM): where they lie in the image and in the patch."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import default_collate

from monai_landmarks.errors import ConfigError
from monai_landmarks.transforms.pair_batch import PreparePairs
from monai_landmarks.transforms.patch_pairs import PatchPaird

PLAIN = {"brightness": 0.0, "contrast": 0.0}


def drawn(seed, size=48, image=None, **options):
    pair = PatchPaird(size=size, **{**PLAIN, **options})
    pair.set_random_state(seed=seed)
    return pair({"image": torch.rand(1, 96, 128) if image is None else image, "where": (40.5, 61.25)})


def read(image, points):
    """Bilinear samples of an image (rows, columns) at points (N, 2)."""
    last = torch.tensor(image.shape) - 1
    grid = (2 * points / last - 1).flip(-1)
    return F.grid_sample(image[None, None], grid[None, None], align_corners=True)[0, 0, 0]


@pytest.mark.parametrize("seed", range(5))
def test_both_views_show_the_same_at_each_place(seed):
    """An image whose pixels say where they are: bilinear samples of it are exact, however it is turned."""
    rows, columns = (axis / 128 for axis in torch.meshgrid(torch.arange(96.0), torch.arange(128.0), indexing="ij"))
    for image in (rows, columns):
        item = drawn(seed, image=image[None], points_key="where", places=50)
        here, there = item["image_points"], item["patch_points"]
        assert here.shape == there.shape == (50, 2)
        assert here.dtype == there.dtype == torch.float32
        # Samples next to a pixel beyond the image's border are darker.
        whole = read((item["patch"][0] > 0).float(), there) == 1
        assert whole.sum() > 30
        assert torch.allclose(read(image, here)[whole], read(item["patch"][0], there)[whole], atol=1e-5)


def test_the_first_is_the_place_and_the_others_are_anywhere_in_the_patch():
    item = drawn(0, points_key="where", places=400)
    assert torch.equal(item["image_points"][0], item["image_point"])
    assert torch.equal(item["patch_points"][0], item["patch_point"])
    there = item["patch_points"]
    assert there.isfinite().all()
    assert there.min() >= 0
    assert there.max() <= 47
    assert (there.amin(0) < 3).all()
    assert (there.amax(0) > 44).all()


def test_beyond_the_image_there_is_no_place():
    for seed in range(10):
        item = drawn(seed, points_key="where", places=200, image=torch.rand(1, 96, 40))
        here, there = item["image_points"], item["patch_points"]
        lost = here.isnan()
        # The place asked for lies outside, so that another one is taken; a patch of 48 pixels reaches over 40.
        assert lost.any()
        assert torch.equal(lost, there.isnan())
        assert torch.equal(lost[:, 0], lost[:, 1])
        assert not lost[0].any()
        kept = here[~lost[:, 0]]
        assert (kept >= 0).all()
        assert (kept <= torch.tensor([95.0, 39.0])).all()


def test_they_change_nothing_else():
    image = torch.rand(1, 96, 128)
    plain, more = (drawn(4, image=image, brightness=0.15, places=places) for places in (0, 30))
    assert more.keys() - plain.keys() == {"image_points", "patch_points"}
    assert all(torch.equal(more[key], plain[key]) for key in ("patch", "image_point", "patch_point"))
    with pytest.raises(ConfigError, match="places -1 at least 0"):
        PatchPaird(places=-1)


@pytest.mark.parametrize("places", [0, 7])
def test_the_batch_has_them_where_the_items_have(places):
    batch = default_collate([drawn(seed, places=places) for seed in range(3)])
    _, target, _, _ = PreparePairs()(batch, "cpu")
    shapes = {"image_point": (3, 2), "patch_point": (3, 2)}
    more = {"image_points": (3, 7, 2), "patch_points": (3, 7, 2)} if places else {}
    assert {key: tuple(value.shape) for key, value in target.items()} == shapes | more
