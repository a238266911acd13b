from __future__ import annotations

import numpy as np
import pytest

from monai_landmarks.simulate.mesh import Surface, rotation
from monai_landmarks.simulate.projection import Projection
from monai_landmarks.simulate.solids import ellipsoid, joined

SHAPE = (120, 160)


@pytest.fixture
def view() -> Projection:
    return Projection(np.array([3.0, -1000.0, -2.0]), 1200.0, 0.5, SHAPE, (60.5, 79.25))


def directions(view: Projection) -> np.ndarray:
    """Unit vector of every pixel's ray, by hand."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    x = (columns - view.centre[1]) * view.spacing
    z = -(rows - view.centre[0]) * view.spacing
    rays = np.stack([x, np.full(SHAPE, view.source_detector), z], axis=-1)
    return rays / np.linalg.norm(rays, axis=-1, keepdims=True)


def cube(half: float) -> Surface:
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float) * half
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    return Surface(corners, np.array([t for a, b, c, d in quads for t in ((a, b, c), (a, c, d))]))


def test_projected_pixel_by_hand(view: Projection) -> None:
    # 10 mm to the left and 20 mm down of the central ray, at the isocentre: magnified 1.2 times, 0.5 mm pixels.
    pixel = view.project(np.array([13.0, 0.0, -22.0]))
    np.testing.assert_allclose(pixel, [60.5 + 20 * 1.2 / 0.5, 79.25 + 10 * 1.2 / 0.5])


def test_plane_coordinates_invert_the_projection(view: Projection) -> None:
    x, z = view.plane_coordinates(50.0)
    points = np.stack([*np.broadcast_arrays(x, 50.0, z)], axis=-1)
    np.testing.assert_allclose(view.project(points), np.moveaxis(np.mgrid[: SHAPE[0], : SHAPE[1]], 0, -1), atol=1e-9)
    coarse_x, coarse_z = view.plane_coordinates(50.0, step=4)
    np.testing.assert_allclose(coarse_x[0, :5], x[0, :20].reshape(5, 4).mean(axis=1))
    np.testing.assert_allclose(coarse_z[:5, 0], z[:20, 0].reshape(5, 4).mean(axis=1))


def test_path_through_a_sphere(view: Projection) -> None:
    centre, radius = np.array([6.0, 15.0, 4.0]), 18.0
    lengths = view.path_length(ellipsoid(centre, np.full(3, radius), rings=120, segments=240))
    rays = directions(view)
    along = rays @ (centre - view.source)
    squared = radius**2 - (((centre - view.source) ** 2).sum() - along**2)
    expected = 2 * np.sqrt(np.clip(squared, 0, None))
    inner = squared > 4.0
    np.testing.assert_allclose(lengths[inner], expected[inner], atol=0.05)
    assert np.abs(lengths[squared < -0.5]).max() < 1e-6
    assert lengths.max() == pytest.approx(36.0, abs=0.02)


def test_path_through_an_oblique_box(view: Projection) -> None:
    turn = rotation(2, 25.0) @ rotation(0, 40.0)
    lengths = view.path_length(cube(12.0).moved(turn, np.zeros(3), np.array([0.0, 30.0, 5.0])))
    # Slabs in the box's own axes.
    start = turn.T @ (view.source - [0.0, 30.0, 5.0])
    rays = directions(view) @ turn
    near = ((-12 * np.sign(rays)) - start) / rays
    far = ((12 * np.sign(rays)) - start) / rays
    expected = np.clip(far.min(axis=-1) - near.max(axis=-1), 0, None)
    # Large triangles: linear interpolation of the distance costs up to size**2 / (8 * distance).
    np.testing.assert_allclose(lengths, expected, atol=0.25)
    assert (lengths > 1e-3).sum() == pytest.approx((expected > 0).sum(), abs=3)


def test_no_pixel_leaks_on_a_bumpy_closed_surface(view: Projection) -> None:
    sphere = ellipsoid(np.zeros(3), np.full(3, 20.0), rings=60, segments=120)
    bumps = 1 + 0.12 * np.sin(0.4 * sphere.vertices + [0, 1, 2]).prod(axis=1, keepdims=True)
    rough = Surface(sphere.vertices * bumps, sphere.faces)
    lengths = view.path_length(rough)
    assert lengths.min() > -1e-6
    assert lengths.max() < 45
    area = (view.spacing * 1000 / 1200) ** 2
    assert lengths.sum() * area == pytest.approx(rough.volume, rel=0.02)


def test_parts_add_and_the_rest_is_cut_off(view: Projection) -> None:
    first = ellipsoid(np.zeros(3), np.full(3, 10.0))
    second = ellipsoid(np.array([30.0, 40.0, 20.0]), np.full(3, 15.0))
    outside = ellipsoid(np.array([500.0, 0.0, 0.0]), np.full(3, 10.0))
    total = view.path_length(joined([first, second, outside]))
    np.testing.assert_allclose(total, view.path_length(first) + view.path_length(second), atol=1e-4)
    assert view.path_length(outside).max() == 0
    # The second ellipsoid reaches over the upper edge of the image: its visible part is unchanged by the cut.
    larger = Projection(view.source, 1200.0, 0.5, (200, 240), (100.5, 119.25)).path_length(second)
    np.testing.assert_allclose(view.path_length(second), larger[40:160, 40:200], atol=1e-4)
