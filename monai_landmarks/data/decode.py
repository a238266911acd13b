"""One frame of a DICOM file's pixel data as an array: pydicom's decoders first, imagecodecs for what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pydicom
from pydicom.encaps import get_frame
from pydicom.pixels import apply_color_lut, get_decoder, pixel_array
from pydicom.uid import (
    HTJ2K,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEGExtended12Bit,
    JPEGTransferSyntaxes,
)

from monai_landmarks.data.quiet import listen_to_stderr
from monai_landmarks.errors import ReadError, UnsupportedObjectError

Decode = Callable[[bytes], np.ndarray]
NEEDED = (
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "PixelRepresentation",
    "PhotometricInterpretation",
)
PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
JPEG_XL = ("1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.4.111", "1.2.840.10008.1.2.4.112")


def frame_count(ds: pydicom.Dataset) -> int:
    """Number of Frames; 1 where absent or malformed."""
    try:
        return max(1, int(ds.get("NumberOfFrames") or 1))
    except (TypeError, ValueError):
        return 1


def decode_frame(ds: pydicom.Dataset, index: int, path: object) -> np.ndarray:
    """Stored values of a frame, (rows, columns) or (rows, columns, 3) RGB; nothing but bits is interpreted.

    Args:
        ds: data set with file meta information.
        index: frame, from 0.
        path: the file, for messages.

    Raises:
        ReadError: the pixel data is missing, damaged or does not fit the header.
        UnsupportedObjectError: no decoder knows the transfer syntax.
    """
    syntax = ds.file_meta.TransferSyntaxUID
    needed = (
        NEEDED if "PixelData" in ds else ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation")
    )
    missing = [keyword for keyword in needed if ds.get(keyword) is None]
    if missing:
        raise ReadError(f"{path}: the header lacks {', '.join(missing)}; export the image again")
    fallback = _fallback(syntax)
    if fallback is not None and not (syntax == JPEGExtended12Bit and ds.BitsStored == 8):
        return _decode_with(fallback, ds, index, path)
    try:
        get_decoder(syntax)
    except NotImplementedError:
        raise UnsupportedObjectError(
            f"{path}: no decoder for its transfer syntax {_name(syntax)}; "
            "convert it to an uncompressed one (e.g. with gdcmconv --raw)"
        ) from None
    if syntax not in JPEGTransferSyntaxes:
        return _decode_with_pydicom(ds, index, path)
    with listen_to_stderr() as damage:
        array = _decode_with_pydicom(ds, index, path)
    if damage:
        raise damaged(path, syntax, damage[0])
    return array


def damaged(path: object, syntax: Any, reason: str) -> ReadError:
    """The error of pixel data that cannot be decoded."""
    return ReadError(
        f"{path}: the pixel data ({_name(syntax)}) is damaged or cut short: {reason}; copy it again"
    )


def _decode_with_pydicom(ds: pydicom.Dataset, index: int, path: object) -> np.ndarray:
    syntax = ds.file_meta.TransferSyntaxUID
    shift = 0
    if not syntax.is_encapsulated and "PixelData" in ds:
        shift = int(ds.get("HighBit") or ds.BitsStored - 1) + 1 - ds.BitsStored
    try:
        array = pixel_array(ds, index=index, correct_unused_bits=shift <= 0)
    except Exception as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        # With several plugins pydicom lists what each said: library internals, no help to anybody.
        reason = lines[0].partition(" - ")[0][:200] if len(lines) == 1 else "no decoder can read it"
        raise damaged(path, syntax, reason) from None
    if shift > 0:
        array = _extend(array >> shift, ds)
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        array = apply_color_lut(array, ds)
    return array


def _fallback(syntax: str) -> Decode | None:
    import imagecodecs

    decoders: dict[str, Decode] = {JPEGExtended12Bit: imagecodecs.jpeg8_decode}
    decoders |= dict.fromkeys((HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL), imagecodecs.jpeg2k_decode)
    decoders |= dict.fromkeys(JPEG_XL, imagecodecs.jpegxl_decode)
    return decoders.get(syntax)


def _decode_with(decode: Decode, ds: pydicom.Dataset, index: int, path: object) -> np.ndarray:
    syntax = ds.file_meta.TransferSyntaxUID
    try:
        with listen_to_stderr() as damage:
            array = decode(get_frame(ds.PixelData, index, number_of_frames=frame_count(ds)))
    except Exception:
        raise damaged(path, syntax, "no decoder can read it") from None
    if damage:
        raise damaged(path, syntax, damage[0])
    if array.shape[:2] != (ds.Rows, ds.Columns):
        raise damaged(
            path, syntax, f"it holds {array.shape[:2]} pixels, the header says {(ds.Rows, ds.Columns)}"
        )
    return _extend(array, ds) if array.dtype.kind == "u" else array


def _extend(array: np.ndarray, ds: pydicom.Dataset) -> np.ndarray:
    """Keep the stored bits only, and give them their sign if they have one."""
    stored = int(ds.BitsStored)
    values = array.astype(np.int64) & ((1 << stored) - 1)
    if ds.PixelRepresentation == 1:
        values -= (values >> (stored - 1)) << stored
    return values.astype(np.int32)


def _name(syntax: Any) -> str:
    return str(getattr(syntax, "name", syntax))
