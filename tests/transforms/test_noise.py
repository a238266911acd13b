import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Compose

from monai_landmarks.errors import ConfigError
from monai_landmarks.transforms.noise import RandCutOutd, RandSaltAndPepperd


def image(size=(100, 80)):
    affine = torch.diag(torch.tensor([0.3, 0.2, 1.0, 1.0], dtype=torch.float64))
    return MetaTensor(torch.full((1, *size), 0.5), affine=affine)


def drawn(transform, count, key="image"):
    return [transform.set_random_state(seed)({"image": image()})[key] for seed in range(count)]


def test_salt_and_pepper_touches_a_small_share():
    shares = []
    for result in drawn(RandSaltAndPepperd("image", share=0.05, prob=1.0), 30):
        touched = result != 0.5
        assert set(result[touched].tolist()) <= {0.0, 1.0}
        shares.append(float(touched.float().mean()))
        assert isinstance(result, MetaTensor)
        assert torch.equal(result.affine, image().affine)
        assert (result.shape, result.dtype) == ((1, 100, 80), torch.float32)
    assert max(shares) < 0.06
    assert max(shares) > 0.035
    assert sum(shares) / 30 == pytest.approx(0.025, abs=0.008)


def test_salt_and_pepper_are_as_frequent():
    result = drawn(RandSaltAndPepperd("image", share=1.0, prob=1.0), 1)[0]
    black, white = int((result == 0).sum()), int((result == 1).sum())
    assert black / white == pytest.approx(1, abs=0.15)


def test_cut_out_is_one_square_of_zeros():
    whole = 0
    for result in drawn(RandCutOutd("image", side=0.1, prob=1.0), 40):
        holes = torch.nonzero(result[0].as_tensor() == 0)
        low, high = holes.amin(0), holes.amax(0)
        height, width = (high - low + 1).tolist()
        assert len(holes) == height * width
        assert max(height, width) <= 10
        inside = low[0] > 0 and low[1] > 0 and high[0] < 99 and high[1] < 79
        assert (height, width) == (10, 10) or not inside
        whole += inside
        assert isinstance(result, MetaTensor)
    assert whole > 25


def test_cut_out_leaves_its_input_alone():
    item = {"image": image()}
    RandCutOutd("image", side=0.25, prob=1.0).set_random_state(0)(item)
    assert (item["image"] == 0.5).all()


@pytest.mark.parametrize("transform", [RandSaltAndPepperd("image", share=0.5), RandCutOutd("image", side=0.2)])
def test_half_of_the_images_and_reproducibly(transform):
    results = drawn(transform, 200)
    changed = sum(bool((result != 0.5).any()) for result in results)
    assert 70 < changed < 130
    assert all(torch.equal(a, b) for a, b in zip(results[:10], drawn(transform, 10)))


def test_compose_seeds_them():
    chain = Compose([RandSaltAndPepperd("image", prob=1.0), RandCutOutd("image", prob=1.0)])
    first, again = (chain.set_random_state(5)({"image": image()})["image"] for _ in range(2))
    assert torch.equal(first, again)


@pytest.mark.parametrize("transform", [RandSaltAndPepperd("image", prob=0.0), RandCutOutd("image", prob=0.0)])
def test_never(transform):
    assert all((result == 0.5).all() for result in drawn(transform, 5))


def test_shares_that_cannot_be():
    with pytest.raises(ConfigError, match="share 2"):
        RandSaltAndPepperd("image", share=2)
    with pytest.raises(ConfigError, match=r"side 10.*share of the image"):
        RandCutOutd("image", side=10)
