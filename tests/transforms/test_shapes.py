import numpy as np
import pytest
import torch
from scipy import ndimage

from monai_landmarks.errors import ConfigError
from monai_landmarks.losses.region import RegionBCE
from monai_landmarks.transforms.shapes import Diamond, Disk, Gaussian, Square, nearest_pixel, point_regions

# radius: (pixels of the region, (S - n) / n at 512 x 512); published schedule and its end.
ORACLE = {
    65: (8581, 29.549),
    55: (6161, 41.549),
    45: (4141, 62.305),
    35: (2521, 102.984),
    25: (1301, 200.494),
    15: (481, 543.998),
    5: (61, 4296.443),
    1: (5, 52427.8),
    0: (1, 262143),
}


@pytest.mark.parametrize(("radius", "oracle"), ORACLE.items())
def test_diamond_has_the_published_size_and_weight(radius, oracle):
    region = point_regions(torch.tensor([[255.0, 255.0]]), (512, 512), radius, Diamond())
    assert int(region.sum()) == oracle[0]
    assert float(RegionBCE().positive_weight(region)) == pytest.approx(oracle[1], rel=2e-6, abs=5e-4)


def test_a_corner_cuts_the_region():
    assert int(point_regions(torch.zeros(1, 2), (64, 64), 2, Diamond()).sum()) == 6


@pytest.mark.parametrize(("shape", "structure"), [(Diamond(), 1), (Square(), 2)])
def test_closed_form_equals_iterated_dilation(shape, structure):
    generator = np.random.default_rng(0)
    element = ndimage.generate_binary_structure(2, structure)
    size = (71, 90)
    for radius in range(1, 66):
        corner = generator.random() < 0.3
        point = np.array([0, 89]) if corner else generator.integers((0, 0), size)
        seed = np.zeros(size, bool)
        seed[tuple(point)] = True
        expected = ndimage.binary_dilation(seed, element, iterations=radius)
        region = point_regions(torch.tensor(point[None].astype(np.float32)), size, radius, shape)[0]
        assert np.array_equal(region.numpy() > 0, expected), (radius, point)


def test_disk_is_the_euclidean_ball():
    region = point_regions(torch.tensor([[20.2, 30.4]]), (50, 60), 7.5, Disk())[0]
    rows, columns = np.mgrid[:50, :60]
    assert np.array_equal(region.numpy() > 0, np.hypot(rows - 20, columns - 30) <= 7.5)


def test_gaussian_keeps_the_sub_pixel_centre_and_the_diamonds_variance():
    region = point_regions(torch.tensor([[40.3, 50.7]]), (96, 101), 12.0, Gaussian())[0].double()
    rows = torch.arange(96.0).double()[:, None]
    columns = torch.arange(101.0).double()
    mass = region.sum()
    centre = ((region * rows).sum() / mass, (region * columns).sum() / mass)
    assert float(centre[0]) == pytest.approx(40.3, abs=1e-4)
    assert float(centre[1]) == pytest.approx(50.7, abs=1e-4)
    variance = float((region * (rows - centre[0]) ** 2).sum() / mass)
    assert variance == pytest.approx(12.0**2 / 6, rel=1e-3)


def test_gaussian_at_radius_zero_still_labels_a_pixel():
    region = point_regions(torch.tensor([[3.0, 4.0]]), (9, 9), 0.0, Gaussian())[0]
    assert region[3, 4] == 1
    assert region[3, 5] < 0.06


def test_halves_go_up():
    assert nearest_pixel(torch.tensor([2.5, 3.5, -0.5, 2.49])).tolist() == [3, 4, 0, 2]


def test_missing_and_outside_points_have_empty_channels():
    points = torch.tensor([[float("nan"), float("nan")], [-0.6, 3], [3, 9.5], [-0.5, 9.4]])
    counts = point_regions(points, (10, 10), 0, Diamond()).sum((-2, -1))
    assert counts.tolist() == [0, 0, 0, 1]


def test_batch_equals_samples():
    points = torch.rand(3, 4, 2) * 30
    batch = point_regions(points, (32, 32), 5, Diamond())
    assert batch.shape == (3, 4, 32, 32)
    for sample, region in zip(points, batch):
        assert torch.equal(point_regions(sample, (32, 32), 5, Diamond()), region)


@pytest.mark.parametrize("shape", [Diamond(), Square(), Disk()])
@pytest.mark.parametrize("radius", [0, 2.5, 9, 200])
def test_boolean_and_float_regions_are_the_pixels_within_the_radius(shape, radius):
    """Against the distances themselves, with points cut by borders, outside, and not annotated."""
    size = (40, 53)
    points = torch.tensor([[0.0, 0.0], [39.4, 52.4], [20.5, 30.2], [-0.6, 3.0], [3.0, 53.0], [float("nan")] * 2])
    centre = nearest_pixel(points)
    rows = (torch.arange(40.0) - centre[:, 0:1]).abs()[:, :, None]
    columns = (torch.arange(53.0) - centre[:, 1:2]).abs()[:, None, :]
    expected = shape.weights(rows, columns, radius) * torch.tensor([1.0, 1, 1, 0, 0, 0])[:, None, None]
    region = point_regions(points, size, radius, shape)
    assert region.dtype == torch.float32
    assert torch.equal(region, expected)
    boolean = point_regions(points, size, radius, shape, torch.bool)
    assert boolean.dtype == torch.bool
    assert torch.equal(boolean, expected > 0)


def test_a_gaussian_is_no_set_of_pixels():
    with pytest.raises(ConfigError, match="Gaussian has weights"):
        point_regions(torch.zeros(1, 2), (8, 8), 2, Gaussian(), torch.bool)
