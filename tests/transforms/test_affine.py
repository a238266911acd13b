import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Affine, Compose

from monai_landmarks.transforms.affine import RandAffine2Dd


def radiograph(size=(60, 90)):
    pixels = torch.from_numpy(np.random.default_rng(0).random((1, *size), dtype=np.float32))
    affine = torch.diag(torch.tensor([0.3, 0.2, 1.0, 1.0], dtype=torch.float64))
    return MetaTensor(pixels, affine=affine, meta={"original_affine": affine.numpy(), "filename_or_obj": "a.dcm"})


@pytest.mark.parametrize("size", [(60, 90), (48, 64), (101, 120)])
def test_it_is_what_monai_makes_of_the_same_angle_shifts_and_scales(size):
    transform = RandAffine2Dd("image", spatial_size=size, rotate=0.5, scale=(0.2, 0.3), translate=(0.08, 0.05))
    transform.set_random_state(4)
    image = radiograph()
    moved = transform({"image": image})["image"]
    turn = transform.matrix[:2, :2]
    factors = np.linalg.norm(turn, axis=0)
    angle = float(np.arctan2(turn[1, 0], turn[0, 0]))
    shift = np.linalg.inv(turn / factors) @ transform.matrix[:2, 2]
    affine = Affine(
        rotate_params=(angle,),
        translate_params=shift.tolist(),
        scale_params=factors.tolist(),
        spatial_size=size,
        padding_mode="zeros",
    )
    expected, _ = affine(image)
    torch.testing.assert_close(moved.as_tensor(), expected.as_tensor().float(), rtol=0, atol=1e-4)
    torch.testing.assert_close(moved.affine, expected.affine, rtol=0, atol=1e-5)


def test_what_it_draws_fills_the_ranges_and_no_more():
    transform = RandAffine2Dd("image", rotate=0.3, scale=(0.1, 0.0), translate=(0.04, 0.0))
    transform.set_random_state(0)
    drawn = []
    for _ in range(400):
        transform.randomize((50, 100))
        turn = transform.matrix[:2, :2]
        angle, factors = np.arctan2(turn[1, 0], turn[0, 0]), np.linalg.norm(turn, axis=0)
        drawn.append([angle, *(factors - 1), *(np.linalg.inv(turn / factors) @ transform.matrix[:2, 2])])
    largest = np.array([0.3, 0.1, 0.0, 4.0, 0.0])
    for bound in (np.max(drawn, axis=0), -np.min(drawn, axis=0)):
        assert (bound <= largest + 1e-9).all()
        assert (bound >= 0.95 * largest).all()


def test_a_single_value_means_both_axes():
    both = RandAffine2Dd("image", scale=0.1, translate=0.03)
    assert (both.scale.tolist(), both.translate.tolist()) == ([0.1, 0.1], [0.03, 0.03])


def test_without_its_probability_the_middle_is_cut():
    image = radiograph()
    cut = RandAffine2Dd("image", spatial_size=(40, 50), rotate=1.0, scale=0.5, prob=0.0)({"image": image})["image"]
    torch.testing.assert_close(cut.as_tensor(), image.as_tensor()[:, 10:50, 20:70], rtol=0, atol=1e-5)
    assert cut.affine[:2, 3].tolist() == pytest.approx([0.3 * 10, 0.2 * 20])


def test_the_image_it_was_given_stays_as_it_was():
    """A cached image is given again in the next epoch."""
    image = radiograph()
    pixels, affine = image.as_tensor().clone(), image.affine.clone()
    moved = RandAffine2Dd("image", rotate=0.5, translate=0.1)({"image": image})["image"]
    assert torch.equal(image.as_tensor(), pixels)
    assert torch.equal(image.affine, affine)
    assert moved.meta["filename_or_obj"] == "a.dcm"
    assert not torch.equal(moved.affine, affine)


def test_two_keys_go_through_one_matrix_and_a_seed_repeats_it():
    chain = Compose([RandAffine2Dd(["image", "mask"], rotate=0.5, scale=0.2, translate=0.1)])
    image = radiograph()
    first = chain.set_random_state(3)({"image": image, "mask": image})
    again = chain.set_random_state(3)({"image": image, "mask": image})
    assert torch.equal(first["image"], first["mask"])
    assert torch.equal(first["image"], again["image"])
    assert not torch.equal(first["image"], chain({"image": image, "mask": image})["image"])
