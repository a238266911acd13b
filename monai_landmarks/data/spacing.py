"""Pixel spacing: millimetres, the tags they come from, and the plane in which they hold.

A radiograph is a central projection: a length measured on the detector is too long by the magnification of the
plane the anatomy lies in. PS3.3 sections 10.7.1.3 (calibrated Pixel Spacing), C.8.11.4 and C.8.7.10 (Imager Pixel
Spacing, Estimated Radiographic Magnification Factor).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from monai_landmarks.errors import ConfigError, ReadError

PLANES = ("user", "calibrated", "patient_plane", "detector_plane", "unspecified", "unknown")
# Two tags that differ by rounding are the same spacing; a calibration of less than this would not matter.
SAME = 1e-3
# Beyond this a distance is in the wrong unit. Below 1 the detector would stand before the patient.
LARGEST_MAGNIFICATION = 10.0
# Stitched radiographs of whole legs or spines are half as long.
LONGEST_MM = 2500.0


@dataclass(frozen=True)
class Spacing:
    """Distance of neighbouring pixel centres.

    Attributes:
        mm: (row spacing, column spacing), that is (vertical, horizontal); None where unknown.
        source: the tags or the user's values it was computed from; "" where unknown.
        plane: one of `PLANES`.
    """

    mm: tuple[float, float] | None
    source: str
    plane: str


UNKNOWN = Spacing(None, "", "unknown")


def spacing_from_dicom(
    ds: Any, spacing_mm: Sequence[float] | None = None, magnification: float | None = None
) -> Spacing:
    """Spacing of a DICOM image; the first of these that is there and valid.

    1. The user's `spacing_mm`, divided by the user's `magnification` if both are given.
    2. Pixel Spacing if it is calibrated: a Pixel Spacing Calibration Type says so, or it differs from Imager Pixel
       Spacing. Never divided by anything, not even by the user's magnification.
    3. The user's `magnification`: Imager Pixel Spacing (else Pixel Spacing) divided by it.
    4. Imager Pixel Spacing / Estimated Radiographic Magnification Factor, else / (source-detector distance /
       source-patient distance): the patient's plane.
    5. Imager Pixel Spacing alone: the detector's plane, lengths too long by the magnification.
    6. Pixel Spacing alone: nobody knows which plane.

    Malformed, zero or negative values count as absent.

    Raises:
        ConfigError: the user's spacing or magnification is not positive.
    """
    check_user_values(spacing_mm, magnification)
    pixel, imager = _pair(ds, "PixelSpacing"), _pair(ds, "ImagerPixelSpacing")
    if spacing_mm is not None:
        return user_spacing(spacing_mm, magnification)
    if pixel and (_text(ds, "PixelSpacingCalibrationType") or (imager and _differ(pixel, imager))):
        ignored = " (magnification not applied)" if magnification else ""
        return Spacing(pixel, f"PixelSpacing{ignored}", "calibrated")
    if magnification and (imager or pixel):
        tag = "ImagerPixelSpacing" if imager else "PixelSpacing"
        return Spacing(_divide(imager or pixel or (), magnification), f"{tag} / user magnification", "user")
    if imager:
        factor, source = _magnification(ds)
        if factor:
            return Spacing(_divide(imager, factor), f"ImagerPixelSpacing / {source}", "patient_plane")
        return Spacing(imager, "ImagerPixelSpacing", "detector_plane")
    if pixel:
        return Spacing(pixel, "PixelSpacing", "unspecified")
    return UNKNOWN


def resolve_spacing(
    stored: Spacing, spacing_mm: Sequence[float] | None = None, magnification: float | None = None
) -> Spacing:
    """The user's values over what a file without DICOM tags says; the same rule as `spacing_from_dicom`.

    Raises:
        ConfigError: the user's spacing or magnification is not positive.
    """
    check_user_values(spacing_mm, magnification)
    if spacing_mm is not None:
        return user_spacing(spacing_mm, magnification)
    if magnification and stored.mm:
        return Spacing(_divide(stored.mm, magnification), f"{stored.source} / user magnification", "user")
    return stored


def user_spacing(spacing_mm: Sequence[float], magnification: float | None) -> Spacing:
    """The user's spacing; with a magnification it is the detector's and is divided."""
    if magnification:
        return Spacing(_divide(spacing_mm, magnification), "user spacing / user magnification", "user")
    return Spacing((float(spacing_mm[0]), float(spacing_mm[1])), "user spacing", "user")


def check_user_values(spacing_mm: Sequence[float] | None, magnification: float | None) -> None:
    """Refuse a spacing or magnification that cannot be meant.

    Raises:
        ConfigError: naming the value.
    """
    if spacing_mm is not None and positive_pair(spacing_mm) is None:
        raise ConfigError(f"spacing_mm: {spacing_mm!r} must be two positive numbers (row, column) in millimetres")
    if magnification is not None and _positive(magnification) is None:
        raise ConfigError(f"magnification: {magnification!r} must be a positive number, e.g. 1.2")


def needed_spacing(mm: Iterable[float], size: Iterable[int]) -> tuple[float, float]:
    """Spacing (row, column) for a model that works in millimetres.

    Args:
        mm: the spacing, NaN where unknown.
        size: rows and columns of the image.

    Raises:
        ReadError: it is unknown, or makes the image longer than any radiograph.
    """
    row, column = (float(value) for value in mm)
    if not (0 < row < math.inf and 0 < column < math.inf):
        raise ReadError(
            "its pixel spacing is not known, and this model needs it; give it with --spacing or --ball, or as "
            "spacing_mm of the case in the data set file"
        )
    longest = max(pixels * side for pixels, side in zip(size, (row, column)))
    if longest > LONGEST_MM:
        raise ReadError(f"at a spacing of {row:g}, {column:g} mm it is {longest / 1000:.1f} m long; check --spacing")
    return row, column


def positive_pair(values: Any) -> tuple[float, float] | None:
    """Two positive finite numbers, else None."""
    if isinstance(values, str | bytes) or not hasattr(values, "__len__") or len(values) != 2:
        return None
    row, column = _positive(values[0]), _positive(values[1])
    return (row, column) if row and column else None


def _pair(ds: Any, keyword: str) -> tuple[float, float] | None:
    return positive_pair(_value(ds, keyword))


def _value(ds: Any, keyword: str) -> Any:
    """A tag's value, None where it is missing. pydicom converts on access, and malformed text may raise anything."""
    try:
        return ds.get(keyword)
    except Exception:
        return None


def _text(ds: Any, keyword: str) -> str:
    return str(_value(ds, keyword) or "").strip()


def _positive(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _divide(mm: Sequence[float], factor: float) -> tuple[float, float]:
    return float(mm[0]) / float(factor), float(mm[1]) / float(factor)


def _differ(first: tuple[float, float], second: tuple[float, float]) -> bool:
    return any(not math.isclose(a, b, rel_tol=SAME) for a, b in zip(first, second))


def _magnification(ds: Any) -> tuple[float | None, str]:
    """Magnification of the patient's plane and where it comes from."""
    factor = _positive(_value(ds, "EstimatedRadiographicMagnificationFactor"))
    if factor and 1 <= factor <= LARGEST_MAGNIFICATION:
        return factor, "EstimatedRadiographicMagnificationFactor"
    detector = _positive(_value(ds, "DistanceSourceToDetector"))
    patient = _positive(_value(ds, "DistanceSourceToPatient"))
    if detector and patient and 1 <= detector / patient <= LARGEST_MAGNIFICATION:
        return detector / patient, "(DistanceSourceToDetector / DistanceSourceToPatient)"
    return None, ""
