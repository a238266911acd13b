"""What the one-shot networks look at."""

import pytest
from one_shot_scene import points_of_cells, scene


@pytest.fixture(scope="module")
def world():
    return scene(320, 384)


@pytest.fixture(scope="module")
def points():
    return points_of_cells()
