"""predictions.csv, measurements.csv and predictions.json: points in pixels of the original image and in millimetres."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from monai_landmarks.errors import writing

if TYPE_CHECKING:
    from monai_landmarks.measure.values import Measured

FORMAT = "monai_landmarks.predictions"
VERSION = 1
PRESENT_FROM = 0.5
# Bytes; file systems allow 255, and a suffix follows.
LONGEST_STEM = 200
FIELDS = ("image", "landmark", "x", "y", "x_mm", "y_mm", "spacing_plane", "confidence", "presence", "present")
MEASUREMENT_FIELDS = (
    "image",
    "measurement",
    "label",
    "kind",
    "value",
    "unit",
    "uncertainty",
    "normal_low",
    "normal_high",
    "spacing_plane",
    "reason",
    "landmarks",
)


@dataclass(frozen=True)
class PredictedPoint:
    """One landmark in one image; row and column in pixels of the original, pixel centres at integers.

    Both are NaN where the model did not look for it: the knee it belongs to is missing (presence is then the knee's),
    or the template of a one-shot model has no such landmark (presence is then NaN: nothing is known).
    """

    name: str
    row: float
    column: float
    confidence: float
    presence: float

    @property
    def located(self) -> bool:
        """Whether it has a place."""
        return math.isfinite(self.row) and math.isfinite(self.column)

    @property
    def sought(self) -> bool:
        """Whether anything is known of its presence."""
        return not math.isnan(self.presence)

    @property
    def present(self) -> bool:
        """Whether the network believes the landmark is in the image at all."""
        return self.located and self.presence >= PRESENT_FROM


@dataclass(frozen=True)
class PredictedImage:
    """What was found in one image.

    Args:
        name: the image, as the user named it (below the input folder).
        size: rows and columns.
        spacing: mm per pixel along rows and columns, None if unknown.
        plane: which plane the spacing holds in.
        points: every landmark of the scheme, in its order.
        file: where the image lies; stays out of the tables.
        frame: which of its frames, from 1.
        measurements: what was computed from the points.
    """

    name: str
    size: tuple[int, int]
    spacing: tuple[float, float] | None
    plane: str
    points: tuple[PredictedPoint, ...]
    file: Path
    frame: int = 1
    measurements: tuple[Measured, ...] = ()

    def holds(self, point: PredictedPoint) -> bool:
        """Whether a point lies on the image; pixel centres are at integers, so its edges are at -0.5 and size - 0.5."""
        inside = [-0.5 <= value <= side - 0.5 for value, side in zip((point.row, point.column), self.size)]
        return all(inside)

    @property
    def shown(self) -> list[PredictedPoint]:
        """The points that are believed present and lie on the image."""
        return [point for point in self.points if point.present and self.holds(point)]

    @property
    def outside(self) -> list[PredictedPoint]:
        """The points that are believed present and do not lie on the image."""
        return [point for point in self.points if point.present and not self.holds(point)]

    def coordinates(self) -> np.ndarray:
        """(K, 2) as (row, column), NaN for a point that is not believed present."""
        return np.array([[p.row, p.column] if p.present else [np.nan, np.nan] for p in self.points])

    def millimetres(self, point: PredictedPoint) -> tuple[float, float] | None:
        """(x, y) from the centre of the first pixel, None where the spacing or the place is unknown."""
        if self.spacing is None or not point.located:
            return None
        return point.column * self.spacing[1], point.row * self.spacing[0]

    def rows(self) -> list[dict[str, Any]]:
        """CSV rows, one a landmark; what is unknown is empty."""
        rows = []
        for point in self.points:
            mm = self.millimetres(point)
            rows.append(
                {
                    "image": self.name,
                    "landmark": point.name,
                    "x": round(point.column, 3) if point.located else "",
                    "y": round(point.row, 3) if point.located else "",
                    "x_mm": round(mm[0], 3) if mm else "",
                    "y_mm": round(mm[1], 3) if mm else "",
                    "spacing_plane": self.plane,
                    "confidence": round(point.confidence, 4),
                    "presence": round(point.presence, 4) if point.sought else "",
                    "present": "yes" if point.present else "no",
                }
            )
        return rows

    def measurement_rows(self) -> list[dict[str, Any]]:
        """CSV rows, one a measurement; what is unknown is empty."""
        rows = []
        for measured in self.measurements:
            low, high = measured.normal or (None, None)
            values = {
                "image": self.name,
                "measurement": measured.name,
                "label": measured.label,
                "kind": measured.kind,
                "value": _rounded(measured.value),
                "unit": measured.unit,
                "uncertainty": _rounded(measured.uncertainty),
                "normal_low": low,
                "normal_high": high,
                "spacing_plane": measured.plane,
                "reason": measured.reason,
                "landmarks": " ".join(measured.landmarks),
            }
            rows.append({field: "" if value is None else value for field, value in values.items()})
        return rows

    def document(self) -> dict[str, Any]:
        """JSON form."""
        points = {}
        for point in self.points:
            mm = self.millimetres(point)
            points[point.name] = {
                "xy": [round(point.column, 3), round(point.row, 3)] if point.located else None,
                "xy_mm": [round(v, 3) for v in mm] if mm else None,
                "confidence": round(point.confidence, 4),
                "presence": round(point.presence, 4) if point.sought else None,
                "present": point.present,
            }
        spacing = list(self.spacing) if self.spacing else None
        measurements = [
            asdict(measured) | {"value": _rounded(measured.value), "uncertainty": _rounded(measured.uncertainty)}
            for measured in self.measurements
        ]
        return {
            "image": self.name,
            "size": list(self.size),
            "frame": self.frame,
            "spacing_mm": spacing,
            "spacing_plane": self.plane,
            "points": points,
            "measurements": measurements,
        }


def write_predictions(
    directory: Path,
    images: Sequence[PredictedImage],
    skipped: Sequence[tuple[str, str]],
    failed: Sequence[tuple[str, str]],
    model: dict[str, Any],
    notes: Sequence[tuple[str, str]] = (),
    stopped: str | None = None,
) -> None:
    """Write predictions.csv, measurements.csv and predictions.json.

    Nothing that could identify a patient beyond the file's name goes into them.

    Args:
        directory: where to.
        images: what was found.
        skipped: files that are no radiographs, with the reason.
        failed: radiographs that could not be used, with the reason.
        model: what made the points.
        notes: what else there is to know of an image, by its name.
        stopped: why the run ended early and further images are missing.

    Raises:
        WriteError: a file cannot be written.
    """
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
    _write_table(directory / "predictions.csv", FIELDS, [row for image in images for row in image.rows()])
    measured = [row for image in images for row in image.measurement_rows()]
    _write_table(directory / "measurements.csv", MEASUREMENT_FIELDS, measured)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "coordinates": "xy_pixel_centre",
        "model": model,
        "images": [image.document() for image in images],
        "failed": [{"image": name, "reason": reason} for name, reason in failed],
        "skipped": [{"image": name, "reason": reason} for name, reason in skipped],
        "notes": [{"image": name, "note": note} for name, note in notes],
        "stopped": stopped,
    }
    path = directory / "predictions.json"
    with writing(path):
        path.write_text(json.dumps(document, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def known_spacing(values: Sequence[float]) -> tuple[float, float] | None:
    """Spacing (row, column), None for NaN."""
    row, column = (float(value) for value in values)
    return (row, column) if math.isfinite(row) and math.isfinite(column) else None


def file_stem(image: str) -> str:
    """What the names of an image's files begin with: letters, digits and ._-, the last of a long path."""
    end = re.sub(r"[^\w.-]+", "_", image).encode()[-LONGEST_STEM:].decode(errors="ignore")
    return end.strip("._") or "image"


def _write_table(path: Path, fields: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    with writing(path), path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fields)
        writer.writeheader()
        writer.writerows(rows)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
