import pytest

from monai_landmarks.curriculum import GeometricSchedule, StepSchedule, constant, paper, radius_in_pixels, to_point
from monai_landmarks.errors import ConfigError


def test_paper_schedule_is_the_published_one():
    schedule = paper()
    for stage, radius in enumerate([65, 55, 45, 35, 25, 15, 5]):
        assert {schedule(epoch) for epoch in range(50 * stage, 50 * stage + 50)} == {radius}
    assert schedule(1000) == 5


def test_to_point_goes_on_to_the_point():
    assert to_point()(349) == 5
    assert to_point()(350) == 0
    assert to_point()(10_000) == 0


def test_constant():
    assert {constant(7.0)(epoch) for epoch in range(100)} == {7.0}


def test_geometric_schedule_shrinks_by_one_factor_and_stays():
    schedule = GeometricSchedule(start=64, stop=2, epochs=10)
    assert schedule(0) == 64
    factors = [schedule(epoch + 1) / schedule(epoch) for epoch in range(10)]
    assert factors == pytest.approx([(2 / 64) ** 0.1] * 10)
    assert schedule(10) == schedule(99) == 2
    assert GeometricSchedule(start=64, stop=2, epochs=0)(0) == 2


@pytest.mark.parametrize("numbers", [(5, 1, 1, 6), (5, 1, 0, 0), (5, -1, 1, 0), (-1, 0, 1, -1)])
def test_step_schedule_refuses_what_is_no_schedule(numbers):
    start, step, every, stop = numbers
    with pytest.raises(ConfigError, match="makes no schedule"):
        StepSchedule(start=start, step=step, every=every, stop=stop)


@pytest.mark.parametrize("numbers", [(5, 6, 1), (5, 0, 1), (5, 2, -1)])
def test_geometric_schedule_refuses_what_is_no_schedule(numbers):
    with pytest.raises(ConfigError, match="makes no schedule"):
        GeometricSchedule(start=numbers[0], stop=numbers[1], epochs=numbers[2])


def test_radii_scale_with_the_longer_side():
    assert radius_in_pixels(65, (512, 300)) == 65
    assert radius_in_pixels(64, (128, 256)) == 32
