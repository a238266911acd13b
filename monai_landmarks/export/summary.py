"""What viewers without structured reports show beside the points."""

from __future__ import annotations

from monai_landmarks.export.device import Device
from monai_landmarks.export.predictions import PredictedImage

UNITS = {"deg": "°", "1": ""}


def summary_lines(image: PredictedImage, device: Device) -> list[str]:
    """The software and that nobody checked it, a line for each measurement, the landmarks that are missing."""
    lines = [f"Computed by {device.description}, not verified"]
    for measured in image.measurements:
        if measured.value is None:
            lines.append(f"{measured.label}: not computed, {measured.reason}")
            continue
        plane = f" ({_wording(measured.plane)})" if measured.unit == "mm" else ""
        unit = UNITS.get(measured.unit, f" {measured.unit}")
        digits = 2 if measured.unit == "1" else 1
        lines.append(f"{measured.label}: {measured.value:.{digits}f}{unit}{plane}")
    shown = set(image.shown)
    missing = [point.name for point in image.points if point not in shown]
    if missing:
        lines.append(f"Not found: {', '.join(missing)}")
    return lines


def _wording(plane: str) -> str:
    words = plane.replace("_", " ")
    return words if words.endswith("plane") else f"spacing {words}"
