"""What a reader hands out: pixels, spacing, and what is known of how the image came to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from monai_landmarks.data.spacing import Spacing
from monai_landmarks.errors import ReadError

Polarity = Literal["auto", "keep", "invert"]
Info = dict[str, str | int | float | bool]

# Pixels; more than twice a stitched full-body radiograph.
LARGEST = 2**28
# ITU-R BT.601 luma, the weights of the Y in DICOM's YBR_FULL (PS3.3 C.7.6.3.1.2).
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True)
class Radiograph:
    """One frame of one image.

    Attributes:
        pixels: float32 (1, rows, columns), bone bright.
        spacing: millimetres (row, column) with their source and plane; unknown is unknown, never 1.0.
        info: modality, photometric_interpretation, polarity ("kept" or "inverted"), polarity_source,
            transfer_syntax, laterality, view, body_part, orientation, frame, frames, burned_in_annotation, format.
            "" where unknown. No patient identifier, date, UID or institution.
    """

    pixels: np.ndarray
    spacing: Spacing
    info: Info

    def affine(self) -> np.ndarray:
        """4x4 float64, array index (row, column) to mm; 1.0 a pixel where the spacing is unknown (see `spacing`)."""
        row, column = self.spacing.mm or (1.0, 1.0)
        return np.diag([row, column, 1.0, 1.0])


def make_info(**known: str | int | float | bool) -> Info:
    """Every key of `Radiograph.info`, so that images of any format collate; `known` overrides the defaults."""
    info: Info = {
        "modality": "",
        "photometric_interpretation": "",
        "polarity": "kept",
        "polarity_source": "",
        "transfer_syntax": "",
        "laterality": "",
        "view": "",
        "body_part": "",
        "orientation": "",
        "frame": 1,
        "frames": 1,
        "burned_in_annotation": "",
        "format": "",
    }
    return info | known


def check_size(rows: int, columns: int, what: object) -> None:
    """Refuse a size that only a damaged header states, before memory is asked for it.

    Raises:
        ReadError: naming the file and the size.
    """
    if rows <= 0 or columns <= 0 or rows * columns > LARGEST:
        raise ReadError(f"{what}: its header is damaged, it states {rows} x {columns} pixels; copy it again")


def to_grey(array: np.ndarray) -> np.ndarray:
    """(rows, columns) or (rows, columns, samples) to float32 (rows, columns).

    Three samples are RGB, a second or a fourth one is transparency, which is dropped.
    """
    if array.ndim == 3 and array.shape[2] in (3, 4):
        return array[..., :3].astype(np.float32) @ LUMA
    if array.ndim == 3 and array.shape[2] in (1, 2):
        array = array[..., 0]
    return array.astype(np.float32)


def finish(grey: np.ndarray, *, invert: bool, padding: np.ndarray | None, what: object) -> np.ndarray:
    """Invert within the range of the valid pixels, set the rest to their minimum, add the channel axis.

    Args:
        grey: float32 (rows, columns); changed in place.
        invert: bone is dark in `grey`.
        padding: bool (rows, columns), true where there is no image; NaN and infinity count as padding too.
        what: the file, for messages.

    Raises:
        ReadError: no pixel, or none that is a number.
    """
    if grey.ndim != 2 or 0 in grey.shape:
        raise ReadError(f"{what}: no two-dimensional image in it (shape {grey.shape}); export it again")
    invalid = ~np.isfinite(grey)
    if padding is not None and not padding.all():
        invalid |= padding
    if invalid.all():
        raise ReadError(f"{what}: no pixel holds a finite number; export it again")
    partial = bool(invalid.any())
    valid = grey[~invalid] if partial else grey
    low, high = float(valid.min()), float(valid.max())
    if invert:
        np.subtract(np.float32(low) + np.float32(high), grey, out=grey)
    if partial:
        grey[invalid] = low
    return np.ascontiguousarray(grey[None])
