from __future__ import annotations

import numpy as np
import pytest

from monai_landmarks.simulate.mesh import (
    QUADS,
    TRIANGLES,
    Surface,
    fit_sphere,
    lagrange_basis,
    move,
    rotation,
    tessellate,
)
from monai_landmarks.simulate.solids import ellipsoid, joined, tube


def edge_counts(surface: Surface) -> np.ndarray:
    edges = np.concatenate([surface.faces[:, [0, 1]], surface.faces[:, [1, 2]], surface.faces[:, [2, 0]]])
    return np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)[1]


@pytest.mark.parametrize("kind", [*QUADS, *TRIANGLES])
def test_basis_reproduces_a_polynomial_of_its_degree(kind: str) -> None:
    columns, rows = QUADS.get(kind, (0, 0))
    positions = np.random.default_rng(0).random((7, 2)) * 0.5
    if kind in QUADS:
        nodes = np.array([(i / (columns - 1), j / (rows - 1)) for j in range(rows) for i in range(columns)])
    else:
        p = TRIANGLES[kind]
        nodes = np.array([(i / p, j / p) for j in range(p + 1) for i in range(p + 1 - j)])

    def polynomial(q: np.ndarray) -> np.ndarray:
        return 2 - q[:, 0] + 3 * q[:, 0] * q[:, 1] ** 2 - 0.5 * q[:, 0] ** 3 + q[:, 1] ** 3

    basis = lagrange_basis(kind, positions)
    np.testing.assert_allclose(basis.sum(axis=1), 1, atol=1e-10)
    np.testing.assert_allclose(basis @ polynomial(nodes), polynomial(positions), atol=1e-10)
    np.testing.assert_allclose(lagrange_basis(kind, nodes), np.eye(len(nodes)), atol=1e-9)


def test_two_curved_triangles_are_welded_into_a_closed_surface_facing_outward() -> None:
    # A flat pillow: two cubic triangles share their rim; the lower one is listed so that it would face inward.
    rim = [(i / 3, j / 3) for j in range(4) for i in range(4 - j)]
    upper = np.array([(x, y, 0.0) for x, y in rim])
    upper[5, 2] = 0.4  # the inner node
    lower = upper * [1, 1, -1]
    nodes = np.concatenate([upper, lower[5:6]])
    below = [0, 1, 2, 3, 4, 10, 6, 7, 8, 9]
    # Swapping x and y of the local coordinates turns an element round.
    swap = [next(k for k, q in enumerate(rim) if q == (y, x)) for x, y in rim]
    flipped = [below[s] for s in swap]
    surface = tessellate({0: "tri10", 1: "tri10"}, {0: list(range(10)), 1: flipped}, nodes, 6).surface(nodes)
    # 28 vertices each, 18 of them on the common rim; the corners' faces lie on one another, hence 4 there.
    assert len(surface.vertices) == 28 + 28 - 18
    assert (edge_counts(surface) % 2 == 0).all()
    assert surface.volume > 0
    turned = tessellate({0: "tri10", 1: "tri10"}, {0: swap, 1: below}, nodes, 6)
    assert turned.surface(nodes).volume == pytest.approx(surface.volume)


def test_solids_are_closed_and_have_their_volume() -> None:
    sphere = ellipsoid(np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 5.0]), rings=60, segments=120)
    assert (edge_counts(sphere) == 2).all()
    assert sphere.volume == pytest.approx(4 / 3 * np.pi * 1000, rel=5e-3)
    cylinder = tube(np.linspace(0, 30, 5), np.full(5, 8.0), np.full(5, 8.0), segments=200)
    assert (edge_counts(cylinder) == 2).all()
    assert cylinder.volume == pytest.approx(np.pi * 64 * 30, rel=1e-3)
    assert joined([sphere, cylinder]).volume == pytest.approx(sphere.volume + cylinder.volume)


def test_inset_mirror_and_motion() -> None:
    sphere = ellipsoid(np.zeros(3), np.full(3, 10.0), rings=60, segments=120)
    inner = sphere.inset(2.0)
    np.testing.assert_allclose(np.linalg.norm(inner.vertices, axis=1), 8.0, atol=0.01)
    moved = sphere.moved(rotation(2, 30.0), np.zeros(3), np.array([5.0, 0.0, 0.0]))
    assert moved.mirrored().volume == pytest.approx(sphere.volume)
    np.testing.assert_allclose(moved.mirrored().vertices.mean(axis=0), [-5, 0, 0], atol=1e-9)


def test_rotation_is_right_handed_about_each_axis() -> None:
    x, y, z = np.eye(3)
    for axis, (start, end) in enumerate([(y, z), (z, x), (x, y)]):
        np.testing.assert_allclose(rotation(axis, 90.0) @ start, end, atol=1e-12)
    np.testing.assert_allclose(move(x + 1, rotation(2, 90.0), np.ones(3), np.zeros(3)), y, atol=1e-12)


def test_fit_sphere_finds_centre_and_radius_from_a_cap() -> None:
    direction = np.random.default_rng(1).normal(size=(50, 3))
    direction[:, 2] = np.abs(direction[:, 2])
    points = [3, -4, 5] + 7 * direction / np.linalg.norm(direction, axis=1, keepdims=True)
    centre, radius = fit_sphere(points)
    np.testing.assert_allclose(centre, [3, -4, 5], atol=1e-9)
    assert radius == pytest.approx(7)
