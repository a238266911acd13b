from __future__ import annotations

import numpy as np
import pytest

from monai_landmarks.simulate.film import Field, FilmRanges, develop, expose
from monai_landmarks.simulate.marker import LEAD, MarkerStyle, draw_marker
from monai_landmarks.simulate.texture import directed_grain, oriented_grain, smooth_noise, upsample, wide_blur

SHAPE = (300, 360)


def slab() -> tuple[np.ndarray, np.ndarray]:
    """A body of 4 mean free paths with a bone in its middle, air at the right."""
    body = np.full(SHAPE, 200.0)
    body[:, 320:] = 0
    attenuation = 0.02 * body
    attenuation[120:180, 120:200] += 0.6
    return attenuation, body


def test_field_depth_is_the_distance_to_the_edge() -> None:
    field = Field((100.0, 150.0), (40.0, 60.0), 0.0)
    assert field.depth(np.array(100.0), np.array(150.0)) == pytest.approx(40)
    assert field.depth(np.array(100.0), np.array(205.0)) == pytest.approx(5)
    assert field.depth(np.array(30.0), np.array(150.0)) == pytest.approx(-30)
    turned = Field((100.0, 150.0), (40.0, 60.0), 30.0)
    corner = turned.point(1.0, 0.5)
    down, across = turned.local(np.array(corner[0]), np.array(corner[1]))
    np.testing.assert_allclose([down, across], [40.0, 30.0])


def test_open_fields_are_larger_than_the_detector_and_others_inside_their_limits() -> None:
    drawn = [Field.draw(SHAPE, np.random.default_rng(k), 0.4, (0.1, 0.2)) for k in range(300)]
    opened = [f for f in drawn if f.half[0] > SHAPE[0] / 2]
    assert 0.3 < len(opened) / 300 < 0.5
    for field in set(drawn) - set(opened):
        assert field.half[0] >= 0.4 * SHAPE[0] - 1e-9
        assert field.half[1] >= 0.3 * SHAPE[1] - 1e-9


def test_noise_follows_the_quanta() -> None:
    attenuation, body = np.full(SHAPE, 4.0), np.full(SHAPE, 200.0)
    for quanta in (1000.0, 4000.0):
        ranges = FilmRanges(quanta=(quanta, quanta), scatter=(0.0, 0.0))
        density = expose(attenuation, body, np.ones(SHAPE), 0.4, ranges, np.random.default_rng(0))
        assert density.std() == pytest.approx(1 / np.sqrt(quanta), rel=0.05)
        assert density.mean() == pytest.approx(0, abs=0.01)


def test_bone_is_bright_air_is_dark_and_the_border_is_black_or_white() -> None:
    attenuation, body = slab()
    opening = np.ones(SHAPE)
    opening[:20] = 0
    for share, bounds in ((1.0, (0, 0)), (0.0, (3800, 4095))):
        ranges = FilmRanges(black_border=share)
        rng = np.random.default_rng(1)
        density = expose(attenuation, body, opening, 0.4, ranges, rng)
        pixels = develop(density, body, opening > 0.5, 0.4, ranges, rng)
        assert pixels.dtype == np.uint16
        assert pixels.max() <= 4095
        bone, soft, air = (
            np.median(pixels[rows, columns])
            for rows, columns in (
                (slice(130, 170), slice(130, 190)),
                (slice(230, 280), slice(30, 90)),
                (slice(130, 170), slice(340, 360)),
            )
        )
        assert bone > soft + 400 > air + 800
        assert bounds[0] <= pixels[:20].min() <= pixels[:20].max() <= bounds[1]


def test_marker_is_lead_at_the_side_it_names() -> None:
    field = Field((150.0, 180.0), (400.0, 400.0), 0.0)
    sides = set()
    for seed in range(12):
        marker = draw_marker(field, SHAPE, 0.8, np.random.default_rng(seed), MarkerStyle())
        lead = marker > 1.0
        assert marker.max() == pytest.approx(LEAD)
        assert 30 < lead.sum() < 700
        rows, columns = np.nonzero(lead)
        left_half = columns.mean() < 180
        # An L has nothing in its upper right quarter, an R closes its bow there.
        upper = rows < (rows.min() + rows.max()) / 2
        bow = (columns[upper].max() - columns[upper].min()) > 0.6 * (columns.max() - columns.min())
        assert bow == left_half, seed
        sides.add(left_half)
    assert sides == {True, False}


def test_smooth_noise_has_its_scale_and_variance() -> None:
    fields = [smooth_noise((256, 256), 24.0, np.random.default_rng(k)) for k in range(8)]
    assert np.mean([f.std() for f in fields]) == pytest.approx(1, abs=0.15)
    near = np.mean([np.corrcoef(f[:, :-4].ravel(), f[:, 4:].ravel())[0, 1] for f in fields])
    far = np.mean([np.corrcoef(f[:, :-60].ravel(), f[:, 60:].ravel())[0, 1] for f in fields])
    assert near > 0.85
    assert abs(far) < 0.2


def test_upsampling_keeps_a_ramp_and_wide_blur_keeps_the_mean() -> None:
    ramp = np.add.outer(np.arange(20.0), 2 * np.arange(30.0))
    large = upsample(ramp, (80, 120))
    expected = np.add.outer((np.arange(80) - 1.5) / 4, 2 * (np.arange(120) - 1.5) / 4)
    np.testing.assert_allclose(large[12:-12, 12:-12], expected[12:-12, 12:-12], atol=1e-4)
    spot = np.zeros((101, 131))
    spot[50, 60] = 1000.0
    blurred = wide_blur(spot, 9.0)
    assert blurred.shape == spot.shape
    assert blurred.sum() == pytest.approx(1000, rel=0.02)
    rows = np.arange(101)
    weights = blurred.sum(axis=1) / blurred.sum()
    assert np.sqrt((weights * (rows - 50) ** 2).sum()) == pytest.approx(9.0, rel=0.1)
    np.testing.assert_allclose(wide_blur(spot, 1.0).sum(), 1000, rtol=1e-3)


def test_grain_runs_along_its_direction() -> None:
    grain = oriented_grain((256, 256), 6.0, np.random.default_rng(0))
    for column, row in ((1.0, 0.0), (0.0, 1.0)):
        field = directed_grain(grain, (column, row))
        assert field.std() == pytest.approx(1, rel=0.25)
        along = np.abs(np.diff(field, axis=1 if column else 0)).mean()
        across = np.abs(np.diff(field, axis=0 if column else 1)).mean()
        assert across > 1.5 * along
