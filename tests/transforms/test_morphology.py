import numpy as np
import pytest
import torch
from scipy import ndimage

from monai_landmarks.transforms.morphology import dilate, erode
from monai_landmarks.transforms.shapes import Diamond, Disk, Square

CASES = [(Diamond(), 1), (Square(), 2)]


def random_mask(seed, size=(40, 53), density=0.03):
    return np.random.default_rng(seed).random(size) < density


@pytest.mark.parametrize("radius", [1, 2, 5, 17, 60])
@pytest.mark.parametrize(("shape", "structure"), CASES)
def test_dilation_equals_scipy(shape, structure, radius):
    mask = random_mask(radius, density=0.005)
    expected = ndimage.binary_dilation(mask, ndimage.generate_binary_structure(2, structure), iterations=radius)
    assert np.array_equal(dilate(torch.from_numpy(mask), radius, shape).numpy(), expected)


@pytest.mark.parametrize("radius", [1, 2, 5])
@pytest.mark.parametrize(("shape", "structure"), CASES)
def test_erosion_equals_scipy_with_border_value_one(shape, structure, radius):
    element = ndimage.generate_binary_structure(2, structure)
    mask = ndimage.binary_dilation(random_mask(7, density=0.02), iterations=7)
    expected = ndimage.binary_erosion(mask, element, iterations=radius, border_value=1)
    assert 0 < expected.sum() < mask.sum()
    assert np.array_equal(erode(torch.from_numpy(mask), radius, shape).numpy(), expected)


def test_disk_dilation_is_the_distance_threshold():
    mask = random_mask(3, density=0.004)
    expected = ndimage.distance_transform_edt(~mask) <= 6.5
    assert np.array_equal(dilate(torch.from_numpy(mask), 6.5, Disk()).numpy(), expected)


def test_radius_zero_changes_nothing():
    mask = torch.from_numpy(random_mask(1))
    assert torch.equal(dilate(mask, 0, Diamond()), mask)
    assert torch.equal(erode(mask, 0, Diamond()), mask)


def test_channels_and_samples_never_mix():
    mask = torch.zeros(2, 3, 20, 20)
    mask[1, 2, 10, 10] = 1
    wide = dilate(mask, 3, Square())
    assert wide.shape == mask.shape
    assert wide.dtype == mask.dtype
    assert wide.sum((-2, -1)).tolist() == [[0, 0, 0], [0, 0, 49]]


def test_grey_masks_take_the_local_maximum():
    mask = torch.zeros(9, 9)
    mask[4, 4], mask[4, 6] = 0.5, 0.25
    wide = dilate(mask, 1, Diamond())
    assert wide[4, 5] == 0.5
    assert wide[4, 7] == 0.25
