import numpy as np
import pytest
from PIL import Image

from monai_landmarks.draw_labels import place_labels, write_labels


def overlaps(boxes):
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    areas = np.clip(high - low, 0, None).prod(axis=2)
    return areas[np.triu_indices(len(boxes), 1)]


@pytest.mark.parametrize("spread", [0.0, 6.0, 40.0, 150.0])
def test_names_cover_neither_each_other_nor_a_point_and_stay_inside(spread):
    rng = np.random.default_rng(0)
    points = 200 + rng.uniform(-spread, spread, (19, 2))
    sizes = np.stack([np.full(19, 12.0), rng.uniform(40, 100, 19)], axis=1)
    corners = place_labels(points, sizes, (400, 400), gap=4.0)
    boxes = np.concatenate([corners, corners + sizes], axis=1)
    assert overlaps(boxes).max() == 0
    assert boxes[:, :2].min() >= 0
    assert boxes[:, 2:].max() <= 400
    nearest = np.clip(points[:, None], corners[None], (corners + sizes)[None])
    assert np.abs(nearest - points[:, None]).max(axis=2).min() >= 3.99


def test_a_lone_name_stands_to_the_right_or_where_there_is_room():
    size = np.array([[10.0, 50.0]])
    assert place_labels(np.array([[100.0, 100.0]]), size, (200, 200), 4.0).tolist() == [[95.0, 106.0]]
    assert place_labels(np.array([[100.0, 190.0]]), size, (200, 200), 4.0).tolist() == [[95.0, 134.0]]
    assert place_labels(np.zeros((0, 2)), np.zeros((0, 2)), (200, 200), 4.0).shape == (0, 2)


def test_a_name_that_stands_off_has_a_leader_and_an_empty_one_is_left_out():
    def drawn(points, labels):
        picture = Image.new("RGB", (300, 300))
        write_labels(picture, np.array(points, dtype=float), labels, (255, 255, 255), 5.0)
        return np.asarray(picture).any(-1)

    assert not drawn([[150, 150]], [""]).any()
    assert not drawn([[np.nan, 150]], ["gone"]).any()
    alone = drawn([[150, 150]], ["first"])
    assert not alone[:, :156].any()
    crowded = drawn([[150, 150]] * 12, ["a name"] * 12)
    # Leaders come near the point from several sides, and keep off its disc.
    assert crowded[135:166, 135:166].sum() > alone[135:166, 135:166].sum()
    assert not crowded[148:153, 148:153].any()
