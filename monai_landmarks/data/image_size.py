"""An image's size from its header alone, so that an import need not decode any pixel."""

from __future__ import annotations

import struct
from pathlib import Path

import pydicom
import tifffile
from PIL import Image
from pydicom.errors import InvalidDicomError

from monai_landmarks.data.formats import sniff
from monai_landmarks.data.quiet import quiet
from monai_landmarks.data.raster import ORIENTATION_TAG

TRANSPOSED = (5, 6, 7, 8)
DICOM_TAGS = ["Rows", "Columns"]


def image_size(path: str | Path, frame: int = 1) -> tuple[int, int] | None:
    """(rows, columns) as `read_radiograph` will give them; None where the header does not tell.

    A NIfTI file, or one that is missing or damaged, tells nothing here: `monai-landmarks check` reads every image.

    Args:
        path: the file.
        frame: page of a TIFF file, from 1.
    """
    file = Path(path)
    with quiet:
        try:
            kind = sniff(file)
            size = _dicom(file) if kind == "DICOM" else _tiff(file, frame) if kind == "TIFF" else _raster(file, kind)
        except (OSError, ValueError, IndexError, SyntaxError, struct.error, InvalidDicomError, tifffile.TiffFileError):
            return None
    return size if size is not None and min(size) > 0 else None


def _dicom(file: Path) -> tuple[int, int] | None:
    header = pydicom.dcmread(file, stop_before_pixels=True, specific_tags=DICOM_TAGS, force=True)
    return (int(header.Rows), int(header.Columns)) if "Rows" in header and "Columns" in header else None


def _tiff(file: Path, frame: int) -> tuple[int, int]:
    with tifffile.TiffFile(file) as tiff:
        page = tiff.pages[frame - 1].aspage()
        return _turned((page.imagelength, page.imagewidth), int(page.tags.valueof(ORIENTATION_TAG, 1)))


def _raster(file: Path, kind: str | None) -> tuple[int, int] | None:
    if kind not in ("PNG", "JPEG"):
        return None
    with Image.open(file) as image:
        # A PNG file that turns itself says so before its pixels, if at all; looking behind them means decoding.
        known = kind == "JPEG" or "exif" in image.info
        return _turned((image.height, image.width), image.getexif().get(ORIENTATION_TAG, 1) if known else 1)


def _turned(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return (size[1], size[0]) if orientation in TRANSPOSED else size
