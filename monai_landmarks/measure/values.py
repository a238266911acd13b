"""What a measurement comes to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """A measurement of one image.

    Attributes:
        name: as in the scheme, e.g. "leg_length_difference".
        label: how reports call it, e.g. "Leg length difference".
        kind: "distance", "angle" or "ratio".
        unit: "mm", "deg" or "1"; "px" for a distance in an image of unknown spacing.
        value: None where it cannot be computed.
        uncertainty: one standard deviation in the same unit; None where the landmarks' errors are not known.
        normal: range that is normal in the same unit, as published.
        plane: the plane the millimetres hold in, see `monai_landmarks.data.spacing`; "" where none matter: angles and
            ratios on square pixels, and lengths in pixels.
        reason: why there is no value.
        landmarks: what it is computed from.
    """

    name: str
    label: str
    kind: str
    unit: str
    value: float | None
    uncertainty: float | None
    normal: tuple[float, float] | None
    plane: str
    reason: str | None
    landmarks: tuple[str, ...]

    @property
    def within_normal(self) -> bool | None:
        """Whether the value lies in the normal range, ends included; None without a value or a range."""
        if self.value is None or self.normal is None:
            return None
        return self.normal[0] <= self.value <= self.normal[1]
