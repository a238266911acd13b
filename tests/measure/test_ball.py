"""Magnification from a marker ball: a ball in space, its shadow, and back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from monai_landmarks.errors import ConfigError
from monai_landmarks.measure.ball import Ball, parse_ball
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
def test_the_narrowest_diameter_gives_the_spacing_of_the_balls_plane(aside: float) -> None:
    _, half = shadow(np.array([aside, DEPTH, -0.4 * aside]))
    spacing = Ball(2 * RADIUS, 2 * float(np.linalg.norm(half))).spacing()
    assert spacing.mm == pytest.approx((SPACING / MAGNIFICATION, SPACING / MAGNIFICATION), rel=1e-3)
    assert spacing.plane == "calibrated"
    assert "25 mm" in spacing.source


def test_text() -> None:
    assert parse_ball("25=152.5") == Ball(25.0, 152.5)


@pytest.mark.parametrize("text", ["25", "25=", "=3", "0=3", "25=-3", "25=nan", "a=b", "inf=3", ""])
def test_text_that_cannot_be_meant(text: str) -> None:
    with pytest.raises(ConfigError, match="true diameter in mm"):
        parse_ball(text)
