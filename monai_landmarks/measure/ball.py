"""Pixel spacing from a ball of known diameter that was imaged beside the anatomy.

A ball's shadow is an ellipse, a little longer away from the central ray. Its short axis is free of that: it is the
diameter times source-detector distance / sqrt(depth^2 - radius^2), which for a ball of 25 mm at a metre is the
magnification of its centre's plane to 1 in 10 000. So measure the shadow where it is narrowest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from monai_landmarks.data.spacing import Spacing
from monai_landmarks.errors import ConfigError


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
