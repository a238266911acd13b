"""Angles, distances and ratios computed from landmarks, with their uncertainty."""

from monai_landmarks.measure.compute import measure_batch, measure_points, measurements_of
from monai_landmarks.measure.uncertainty import coordinate_errors
from monai_landmarks.measure.values import Measured

__all__ = ["Measured", "coordinate_errors", "measure_batch", "measure_points", "measurements_of"]
