import numpy as np
import pytest
from PIL import Image

from monai_landmarks.draw import LINE, OUTLINE, PREDICTED, TRUTH, draw_points, marker_radius, overlay, to_uint8


def test_window_clips_the_percentiles():
    ramp = np.arange(10_001, dtype=np.float32).reshape(1, 73, 137) * 0.01 - 7
    grey = to_uint8(ramp)
    assert grey.shape == (73, 137)
    assert grey.dtype == np.uint8
    # 1 % and 99 % of 0..10000 are 100 and 9900; the middle is 127.5
    flat = grey.ravel()
    assert (flat[:100] == 0).all()
    assert (flat[9_901:] == 255).all()
    assert flat[100 + 9_800 // 5] == 51
    np.testing.assert_array_equal(to_uint8(3 * ramp + 5), grey)


def test_window_of_flat_sparse_and_broken_images():
    assert to_uint8(np.full((4, 5), 7.0)).max() == 0
    sparse = np.zeros((50, 50))
    sparse[3, 4] = 9
    assert to_uint8(sparse)[3, 4] == 255
    broken = np.array([[np.nan, 0.0], [1.0, np.inf]])
    assert to_uint8(broken).tolist() == [[0, 0], [255, 0]]
    assert to_uint8(np.full((2, 2), np.nan)).max() == 0


@pytest.mark.parametrize("point", [(20.0, 30.0), (20.25, 30.5), (19.9, 30.4)])
def test_discs_are_centred_to_a_fraction_of_a_pixel(point):
    ground = np.zeros((41, 61), np.uint8)
    disc = np.asarray(draw_points(ground, np.array([point]), (255, 0, 0), radius=5), dtype=float)
    red_and_ring = disc[..., 0] / 255
    rows, columns = np.mgrid[:41, :61]
    total = red_and_ring.sum()
    # outer radius: the disc's 5 and the ring's 0.3 * 5
    assert total == pytest.approx(np.pi * 6.5**2, rel=0.02)
    assert (rows * red_and_ring).sum() / total == pytest.approx(point[0], abs=0.03)
    assert (columns * red_and_ring).sum() / total == pytest.approx(point[1], abs=0.03)
    assert disc[20, 30].tolist() == [255, 0, 0]


def test_missing_and_outer_points_draw_nothing_and_the_input_stays():
    ground = np.full((30, 40), 90, np.uint8)
    points = np.array([[np.nan, np.nan], [5, np.nan], [-50, 10], [10, 4000]])
    picture = draw_points(ground, points, TRUTH)
    assert (np.asarray(picture) == 90).all()
    draw_points(ground, np.array([[0, 0]]), TRUTH)
    assert (ground == 90).all()
    corner = np.asarray(draw_points(ground, np.array([[0.0, 0.0]]), TRUTH, radius=3))
    assert tuple(corner[0, 0]) == TRUTH
    assert draw_points(ground, np.zeros((0, 2)), TRUTH).size == (40, 30)


def test_radius_follows_the_picture():
    assert marker_radius((300, 500)) == pytest.approx(5)
    assert marker_radius((2000, 3000)) == pytest.approx(30)
    assert marker_radius((16, 16)) == 2.5


def test_colour_pictures_and_labels():
    ground = Image.new("RGB", (300, 200), (10, 20, 30))
    points = np.array([[50.0, 20.0], [100.0, 290.0], [np.nan, np.nan]])
    plain = np.asarray(draw_points(ground, points, PREDICTED))
    labelled = np.asarray(draw_points(ground, points, PREDICTED, labels=["left", "right", "gone"]))
    changed = np.argwhere((plain != labelled).any(-1))
    near_first = changed[np.abs(changed[:, 0] - 50) < 12]
    near_second = changed[np.abs(changed[:, 0] - 100) < 12]
    assert len(near_first) + len(near_second) == len(changed), "nothing is written for a missing point"
    assert near_first[:, 1].min() > 20
    assert near_second[:, 1].max() < 290, "no room to the right: written to the left"
    assert len(near_second) > 20


@pytest.mark.parametrize("size", [None, 50, 300])
def test_overlay_scales_points_with_the_picture(size):
    pixels = np.zeros((1, 100, 80), np.float32)
    truth = np.array([[30.0, 20.0], [np.nan, np.nan]])
    predicted = np.array([[70.0, 60.0], [np.nan, np.nan]])
    picture = overlay(pixels, truth, predicted, size=size)
    scale = 1 if size is None else size / 100
    assert picture.size == (round(80 * scale), round(100 * scale))
    array = np.asarray(picture, dtype=float)
    for point, colour in ((truth[0], TRUTH), (predicted[0], PREDICTED)):
        centre = (point + 0.5) * scale - 0.5
        row, column = np.rint(centre).astype(int)
        assert tuple(array[row, column]) == colour
    blue = array[..., 2] > array[..., 0] + 60
    rows, columns = np.nonzero(blue)
    assert rows.mean() == pytest.approx((30.5 * scale) - 0.5, abs=0.4)
    assert columns.mean() == pytest.approx((20.5 * scale) - 0.5, abs=0.4)


def test_both_are_seen_where_they_coincide_and_names_stand_beside():
    pixels = np.zeros((200, 200))
    point = np.array([[100.0, 50.0]])
    both = np.asarray(overlay(pixels, point, point, size=1000))
    row = both[502, 200:300].astype(int)
    colours = {tuple(pixel) for pixel in row}
    assert {TRUTH, PREDICTED, OUTLINE} <= colours
    named = np.asarray(overlay(pixels, point, np.full((1, 2), np.nan), names=["knee"], size=1000))
    unnamed = np.asarray(overlay(pixels, point, size=1000))
    changed = np.argwhere((named != unnamed).any(-1))
    assert len(changed) > 50
    assert np.abs(changed[:, 0] - 502).max() < 20


def test_a_line_joins_truth_and_prediction():
    pixels = np.zeros((100, 100))
    truth, predicted = np.array([[20.0, 20.0], [90.0, 5.0]]), np.array([[80.0, 80.0], [np.nan, np.nan]])
    plain = np.asarray(overlay(pixels, truth, predicted))
    joined = np.asarray(overlay(pixels, truth, predicted, join=True))
    assert tuple(plain[50, 50]) == (0, 0, 0)
    assert tuple(joined[50, 50]) == LINE
    changed = np.argwhere((plain != joined).any(-1))
    off = np.abs(changed[:, 0] - changed[:, 1])
    assert off.max() < 6, "nothing but the diagonal changed"
    assert tuple(joined[20, 20]) == TRUTH, "points stand on top of lines"
