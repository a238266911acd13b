"""Magnification from a ball of known diameter that was imaged beside the anatomy.

A ball's shadow is an ellipse, a little longer away from the central ray. Its short axis is free of that: it is the
diameter times source-detector distance / sqrt(depth^2 - radius^2), which for a ball of 25 mm at a metre is the
magnification of its centre's plane to 1 in 10 000. So measure the shadow where it is narrowest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from monai_landmarks.data.spacing import LARGEST_MAGNIFICATION, Spacing
from monai_landmarks.errors import ConfigError
from monai_landmarks.measure.geometry import fit_circle, length


@dataclass(frozen=True)
class Ball:
    """A marker ball and its shadow.

    Attributes:
        diameter_mm: true diameter.
        pixels: diameter of the shadow in pixels.
    """

    diameter_mm: float
    pixels: float

    def spacing(self) -> Spacing:
        """mm per pixel in the ball's plane, for square pixels: nothing else of the image needs to be known."""
        mm = self.diameter_mm / self.pixels
        return Spacing((mm, mm), f"ball of {self.diameter_mm:g} mm is {self.pixels:g} px", "calibrated")

    def magnification(self, detector_mm: float) -> float:
        """Of the ball's plane, where the detector's pixels measure `detector_mm`.

        Raises:
            ConfigError: it is not between 1 and 10, so one of the three numbers is wrong.
        """
        factor = self.pixels * detector_mm / self.diameter_mm
        if not 1.0 <= factor <= LARGEST_MAGNIFICATION:
            raise ConfigError(
                f"a ball of {self.diameter_mm:g} mm that is {self.pixels:g} px of {detector_mm:g} mm would be "
                f"magnified {factor:.3g} times; check diameter, pixels and the detector's spacing"
            )
        return factor


def parse_ball(text: str) -> Ball:
    """A ball from DIAMETER_MM=PIXELS, such as "25=72.4".

    Raises:
        ConfigError: not two positive numbers.
    """
    diameter, _, pixels = text.partition("=")
    try:
        values = float(diameter), float(pixels)
    except ValueError:
        values = (math.nan, math.nan)
    if not all(math.isfinite(value) and value > 0 for value in values):
        raise ConfigError(f"--ball {text}: write the true diameter in mm, =, and that of the shadow in pixels: 25=72.4")
    return Ball(*values)


def ball_from_points(diameter_mm: float, points: np.ndarray) -> Ball:
    """A ball from points on the edge of its shadow.

    Args:
        diameter_mm: true diameter.
        points: (2, 2) the ends of the shadow's narrowest diameter, or (n, 2), n >= 3, points of its edge, through
            which a circle is fitted; (row, column) in square pixels.

    Raises:
        ConfigError: the points give no diameter.
    """
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 2 or not np.isfinite(points).all():
        raise ConfigError("the ball needs two ends of a diameter or three points of its edge, each (row, column)")
    pixels = float(length(points[1] - points[0]) if len(points) == 2 else 2 * fit_circle(points).radius)
    if not (math.isfinite(pixels) and pixels > 0 and diameter_mm > 0):
        raise ConfigError("the ball's points coincide or lie on a line: they give no diameter")
    return Ball(diameter_mm, pixels)
