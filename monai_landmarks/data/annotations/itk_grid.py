"""Where ITK, and 3D Slicer with it, puts the pixels of an image in space.

Measured on ITK 5.4 with files made to order (tests/data/annotations/test_format_slicer.py compares every rule):

- CR, DX, intra-oral, mammography, XA and RF: Imager Pixel Spacing, else 1 mm; Pixel Spacing is not looked at, nor is
  any magnification. Secondary capture: Pixel Spacing, else Nominal Scanned Pixel Spacing, else 1 mm. CT, MR,
  ultrasound, photographs, hardcopy: Pixel Spacing, else 1 mm. Any other DICOM object: 1 mm.
- A spacing of 0 counts as 1 mm. The position and orientation of the image are used where the file has them.
- PNG: 1 mm, whatever its resolution says. JPEG and TIFF: 25.4 mm / resolution, or 10 mm where it is per centimetre.
- NIfTI: the affine.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pydicom
import tifffile
from PIL import Image

from monai_landmarks.data.formats import sniff
from monai_landmarks.data.quiet import quiet
from monai_landmarks.data.raster import ORIENTATION_TAG
from monai_landmarks.errors import ReadError

STORAGE = "1.2.840.10008.5.1.4.1.1."
# SOP classes -> the tags that ITK's GDCM reads their spacing from.
IMAGER = (
    *(f"{STORAGE}{end}" for end in ("1", "1.1", "1.1.1", "1.2", "1.2.1", "1.3", "1.3.1", "12.1", "12.2", "12.3")),
)
PIXEL = (*(f"{STORAGE}{end}" for end in ("2", "4", "6", "6.1", "3", "3.1", "77.1.4")), "1.2.840.10008.5.1.1.29")
TAGS = {
    **dict.fromkeys(IMAGER, ("ImagerPixelSpacing",)),
    **dict.fromkeys(PIXEL, ("PixelSpacing",)),
    f"{STORAGE}7": ("PixelSpacing", "NominalScannedPixelSpacing"),
}
POSITION = ("ImagePositionPatient", "ImageOrientationPatient")
# Millimetres of a unit of resolution: TIFF's ResolutionUnit 2 and 3, JFIF's 1 and 2.
INCH, CENTIMETRE = 25.4, 10.0


@dataclass(frozen=True)
class Grid:
    """Positions of pixel centres in millimetres, LPS.

    Attributes:
        origin: (3,) of the first pixel's centre.
        steps: (3, 2) from a pixel to the next one in its row, and to the next one in its column.
    """

    origin: np.ndarray
    steps: np.ndarray

    def to_lps(self, x: float, y: float) -> list[float]:
        """Position of a point in pixels, (x, y), pixel centres at integers."""
        return [float(value) for value in self.origin + self.steps @ (x, y)]

    def to_pixels(self, lps: tuple[float, float, float]) -> tuple[float, float]:
        """(x, y) of the point of the image's plane next to a position."""
        x, y = np.linalg.lstsq(self.steps, np.asarray(lps) - self.origin, rcond=None)[0]
        return float(x), float(y)


def itk_grid(path: Path) -> Grid:
    """The grid of an image's first frame.

    Raises:
        ReadError: no image, or one that ITK turns or places in a way that cannot be told.
    """
    with quiet:
        try:
            kind = sniff(path)
            if kind == "DICOM":
                return _dicom(path)
            if kind == "NIfTI":
                return _nifti(path)
            return _flat(*(_tiff(path) if kind == "TIFF" else _raster(path)))
        except ReadError:
            raise
        except Exception as error:
            # Decoders raise anything on damaged input.
            raise ReadError(f"{path}: its size in space cannot be read ({type(error).__name__})") from None


def _flat(column: float, row: float) -> Grid:
    return Grid(np.zeros(3), np.array([[column, 0.0], [0.0, row], [0.0, 0.0]]))


def _dicom(path: Path) -> Grid:
    header = pydicom.dcmread(path, stop_before_pixels=True, force=True)
    tags = TAGS.get(str(header.get("SOPClassUID", "")), ())
    found = next((header.get(tag) for tag in tags if header.get(tag) is not None), None)
    row, column = _spacing(found, path)
    position, orientation = (header.get(tag) for tag in POSITION)
    axes = np.array(orientation or (1, 0, 0, 0, 1, 0), dtype=float).reshape(2, 3)
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    return Grid(np.array(position or (0, 0, 0), dtype=float), (axes * [[column], [row]]).T)


def _spacing(value: Any, path: Path) -> tuple[float, float]:
    """(row, column); 1 for what is missing or 0."""
    values = [1.0] if value is None else [float(v) or 1.0 for v in np.atleast_1d(value)]
    if len(values) > 2 or min(values) < 0:
        raise ReadError(f"{path}: its pixel spacing {value} is no pair of positive numbers; correct the file")
    return values[0], values[-1]


def _nifti(path: Path) -> Grid:
    affine = np.diag([-1.0, -1.0, 1.0, 1.0]) @ nib.load(path).affine  # type: ignore[attr-defined]
    return Grid(affine[:3, 3], affine[:3, :2])


def _tiff(path: Path) -> tuple[float, float]:
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].aspage().tags
        _upright(int(tags.valueof(ORIENTATION_TAG, 1)), path)
        unit = {2: INCH, 3: CENTIMETRE}.get(int(tags.valueof("ResolutionUnit", 1)))
        x, y = tags.valueof("XResolution"), tags.valueof("YResolution")
    if unit is None or not x or not y or 0 in (*x, *y):
        return 1.0, 1.0
    return unit * x[1] / x[0], unit * y[1] / y[0]


def _raster(path: Path) -> tuple[float, float]:
    with Image.open(path) as image:
        _upright(image.getexif().get(ORIENTATION_TAG, 1), path)
        unit = {1: INCH, 2: CENTIMETRE}.get(image.info.get("jfif_unit", 0))
        x, y = image.info.get("jfif_density", (0, 0))
    return (unit / x, unit / y) if unit and x and y else (1.0, 1.0)


def _upright(orientation: int, path: Path) -> None:
    if orientation != 1:
        raise ReadError(f"{path}: is turned by its orientation tag, which 3D Slicer ignores; save the image upright")
