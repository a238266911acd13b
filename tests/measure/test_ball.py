"""Magnification from a marker ball: a ball in space, its shadow, and back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from monai_landmarks.errors import ConfigError
from monai_landmarks.measure.ball import Ball, ball_from_points, parse_ball
from monai_landmarks.simulate.projection import Projection, ellipse_axes

RADIUS, DEPTH, SPACING = 12.5, 150.0, 0.2
VIEW = Projection(np.array([0.0, -900.0, 0.0]), 1150.0, SPACING, (2000, 2000), (1000.0, 1000.0))
MAGNIFICATION = 1150.0 / (900.0 + DEPTH)


def shadow(centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Middle of the ball's shadow and its short half axis, from the outline of its projected surface."""
    around, up = np.meshgrid(np.linspace(0, 2 * np.pi, 241), np.linspace(0, np.pi, 121))
    surface = np.stack([np.sin(up) * np.cos(around), np.sin(up) * np.sin(around), np.cos(up)], axis=-1)
    pixels = VIEW.project(centre + RADIUS * surface.reshape(-1, 3))
    middle, _, short_half = ellipse_axes(pixels[ConvexHull(pixels).vertices])
    return middle, short_half


@pytest.mark.parametrize("aside", [0.0, 80.0, 170.0])
def test_the_narrowest_diameter_gives_the_magnification_of_the_balls_plane(aside: float) -> None:
    middle, half = shadow(np.array([aside, DEPTH, -0.4 * aside]))
    ball = ball_from_points(2 * RADIUS, np.stack([middle + half, middle - half]))
    assert ball.magnification(SPACING) == pytest.approx(MAGNIFICATION, rel=1e-3)
    spacing = ball.spacing()
    assert spacing.mm == pytest.approx((SPACING / MAGNIFICATION, SPACING / MAGNIFICATION), rel=1e-3)
    assert spacing.plane == "calibrated"
    assert "25 mm" in spacing.source


def test_points_of_the_edge_give_the_same_under_the_central_ray() -> None:
    middle, half = shadow(np.array([0.0, DEPTH, 0.0]))
    angles = np.array([0.3, 1.9, 4.0])
    edge = middle + np.linalg.norm(half) * np.stack([np.sin(angles), np.cos(angles)], axis=1)
    assert ball_from_points(25.0, edge).pixels == pytest.approx(2 * np.linalg.norm(half))


def test_text() -> None:
    assert parse_ball("25=152.5") == Ball(25.0, 152.5)


@pytest.mark.parametrize("text", ["25", "25=", "=3", "0=3", "25=-3", "25=nan", "a=b", "inf=3", ""])
def test_text_that_cannot_be_meant(text: str) -> None:
    with pytest.raises(ConfigError, match="true diameter in mm"):
        parse_ball(text)


def test_impossible_magnifications_and_points_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"0\.8 times; check"):
        Ball(25.0, 100.0).magnification(0.2)
    with pytest.raises(ConfigError, match="times"):
        Ball(25.0, 10000.0).magnification(0.2)
    for points in ([[1, 1], [1, 1]], [[0, 0], [1, 1], [2, 2]]):
        with pytest.raises(ConfigError, match="no diameter"):
            ball_from_points(25.0, np.array(points))
    for points in ([[1, 1]], [1, 2], [[1, 2, 3], [4, 5, 6]], [[0, 0], [np.nan, 1]]):
        with pytest.raises(ConfigError, match="needs two ends"):
            ball_from_points(25.0, np.array(points))
