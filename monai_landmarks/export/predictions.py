"""predictions.csv, predictions.json and overlays: points in pixels of the original image and in millimetres."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FORMAT = "monai_landmarks.predictions"
VERSION = 1
PRESENT_FROM = 0.5
FIELDS = ("image", "landmark", "x", "y", "x_mm", "y_mm", "spacing_plane", "confidence", "presence", "present")


@dataclass(frozen=True)
class PredictedPoint:
    """One landmark in one image; row and column in pixels of the original, pixel centres at integers."""

    name: str
    row: float
    column: float
    confidence: float
    presence: float

    @property
    def present(self) -> bool:
        """Whether the network believes the landmark is in the image at all."""
        return self.presence >= PRESENT_FROM


@dataclass(frozen=True)
class PredictedImage:
    """What was found in one image.

    Args:
        name: the image, as the user named it (below the input folder).
        size: rows and columns.
        spacing: mm per pixel along rows and columns, None if unknown.
        plane: which plane the spacing holds in.
        points: every landmark of the scheme, in its order.
    """

    name: str
    size: tuple[int, int]
    spacing: tuple[float, float] | None
    plane: str
    points: tuple[PredictedPoint, ...]

    def millimetres(self, point: PredictedPoint) -> tuple[float, float] | None:
        """(x, y) from the centre of the first pixel, None where the spacing is unknown."""
        if self.spacing is None:
            return None
        return point.column * self.spacing[1], point.row * self.spacing[0]

    def rows(self) -> list[dict[str, Any]]:
        """CSV rows, one a landmark; millimetres are empty where the spacing is unknown."""
        rows = []
        for point in self.points:
            mm = self.millimetres(point)
            rows.append(
                {
                    "image": self.name,
                    "landmark": point.name,
                    "x": round(point.column, 3),
                    "y": round(point.row, 3),
                    "x_mm": round(mm[0], 3) if mm else "",
                    "y_mm": round(mm[1], 3) if mm else "",
                    "spacing_plane": self.plane,
                    "confidence": round(point.confidence, 4),
                    "presence": round(point.presence, 4),
                    "present": "yes" if point.present else "no",
                }
            )
        return rows

    def document(self) -> dict[str, Any]:
        """JSON form."""
        points = {}
        for point in self.points:
            mm = self.millimetres(point)
            points[point.name] = {
                "xy": [round(point.column, 3), round(point.row, 3)],
                "xy_mm": [round(v, 3) for v in mm] if mm else None,
                "confidence": round(point.confidence, 4),
                "presence": round(point.presence, 4),
                "present": point.present,
            }
        spacing = list(self.spacing) if self.spacing else None
        return {
            "image": self.name,
            "size": list(self.size),
            "spacing_mm": spacing,
            "spacing_plane": self.plane,
            "points": points,
        }


def write_predictions(
    directory: Path,
    images: Sequence[PredictedImage],
    skipped: Sequence[tuple[str, str]],
    failed: Sequence[tuple[str, str]],
    model: dict[str, Any],
) -> None:
    """Write predictions.csv and predictions.json; nothing that could identify a patient beyond the file's name."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(row for image in images for row in image.rows())
    document = {
        "format": FORMAT,
        "version": VERSION,
        "coordinates": "xy_pixel_centre",
        "model": model,
        "images": [image.document() for image in images],
        "failed": [{"image": name, "reason": reason} for name, reason in failed],
        "skipped": [{"image": name, "reason": reason} for name, reason in skipped],
    }
    text = json.dumps(document, indent=1, allow_nan=False) + "\n"
    (directory / "predictions.json").write_text(text, encoding="utf-8")


def known_spacing(values: Sequence[float]) -> tuple[float, float] | None:
    """Spacing (row, column), None for NaN."""
    row, column = (float(value) for value in values)
    return (row, column) if math.isfinite(row) and math.isfinite(column) else None


def overlay_name(image: str) -> str:
    """A file name for an image's overlay."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", image).strip("._") + ".png"
