"""One frame of a DICOM file's pixel data as an array.

Compressed streams go to imagecodecs (libjpeg-turbo, CharLS, OpenJPEG, libjxl), everything else to pydicom. Not to
gdcm: on a damaged JPEG stream it aborts the process, and with it the whole batch. The decoders of imagecodecs raise,
but fill up a stream that is cut short, so size and end marker are looked at first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pydicom
from pydicom.encaps import get_frame
from pydicom.pixels import apply_color_lut, get_decoder, pixel_array
from pydicom.uid import (
    HTJ2K,
    JPEG2000MC,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000MCLossless,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
)

from monai_landmarks.data.radiograph import check_size
from monai_landmarks.errors import ReadError, UnsupportedObjectError

PIXEL_KEYWORDS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
NEEDED = ("Rows", "Columns", "BitsAllocated", "PhotometricInterpretation")
NEEDED_FOR_INTEGERS = ("BitsStored", "PixelRepresentation")
JPEG_XL = ("1.2.840.10008.1.2.4.110", "1.2.840.10008.1.2.4.111", "1.2.840.10008.1.2.4.112")
JPEG_2000 = (*JPEG2000TransferSyntaxes, JPEG2000MC, JPEG2000MCLossless, HTJ2K, HTJ2KLossless, HTJ2KLosslessRPCL)


def _by_imagecodecs(function: str, stream: bytes) -> np.ndarray:
    # Large, and only such streams need it.
    import imagecodecs

    return np.asarray(getattr(imagecodecs, function)(stream))


DECODERS: dict[str, Callable[[bytes], np.ndarray]] = {
    **dict.fromkeys(JPEGTransferSyntaxes, partial(_by_imagecodecs, "jpeg8_decode")),
    **dict.fromkeys(JPEGLSTransferSyntaxes, partial(_by_imagecodecs, "jpegls_decode")),
    **dict.fromkeys(JPEG_2000, partial(_by_imagecodecs, "jpeg2k_decode")),
    **dict.fromkeys(JPEG_XL, partial(_by_imagecodecs, "jpegxl_decode")),
}
JPEG_START, JPEG_2000_START, END = b"\xff\xd8", b"\xff\x4f\xff\x51", b"\xff\xd9"
# Start-of-frame markers of JPEG and JPEG-LS; C4, C8 and CC are something else (ITU-T T.81 table B.1).
FRAME_MARKERS = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}


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
        ReadError: the header lacks something, or the pixel data is damaged or does not fit it.
        UnsupportedObjectError: no decoder knows the transfer syntax.
    """
    needed = NEEDED + (NEEDED_FOR_INTEGERS if "PixelData" in ds else ())
    missing = [keyword for keyword in needed if ds.get(keyword) is None]
    if missing:
        raise ReadError(f"{path}: the header lacks {', '.join(missing)}; export the image again")
    check_size(int(ds.Rows), int(ds.Columns), path)
    if ds.file_meta.TransferSyntaxUID in DECODERS:
        array = _decode_stream(ds, index, path)
    else:
        array = _decode_with_pydicom(ds, index, path)
    if ds.PhotometricInterpretation == "PALETTE COLOR":
        return np.asarray(apply_color_lut(array, ds))
    return array


def _decode_stream(ds: pydicom.Dataset, index: int, path: object) -> np.ndarray:
    syntax, size = ds.file_meta.TransferSyntaxUID, (int(ds.Rows), int(ds.Columns))
    try:
        stream = get_frame(ds.PixelData, index, number_of_frames=frame_count(ds))
    except Exception:
        raise _damaged(ds, path, "its frames cannot be told apart") from None
    coded = stream_size(stream)
    if coded is not None and coded != size:
        raise _damaged(ds, path, f"it codes {coded} pixels, the header says {size}")
    # Encoders pad with zeros or fill bytes.
    if coded is not None and not stream.rstrip(b"\x00\xff").endswith(END):
        raise _damaged(ds, path, "its end is missing")
    try:
        array = DECODERS[syntax](stream)
    except Exception:
        raise _damaged(ds, path, "the decoder gives up") from None
    if array.shape[:2] != size:
        raise _damaged(ds, path, f"it codes {array.shape[:2]} pixels, the header says {size}")
    if array.ndim == 3 and ds.PhotometricInterpretation == "YBR_FULL" and syntax not in JPEGTransferSyntaxes:
        # JPEG decoders convert to RGB; here the first sample is the grey value.
        return np.ascontiguousarray(array[..., 0])
    return _signed(array, ds) if ds.PixelRepresentation == 1 and array.dtype.kind == "u" else array


def stream_size(stream: bytes) -> tuple[int, int] | None:
    """(rows, columns) that a JPEG, JPEG-LS or JPEG 2000 stream codes; None for another or if not found."""
    if stream.startswith(JPEG_2000_START):
        # SIZ: length, capabilities, Xsiz, Ysiz, XOsiz, YOsiz (ITU-T T.800 A.5.1).
        x, y, x0, y0 = (int.from_bytes(stream[at : at + 4]) for at in (8, 12, 16, 20))
        return y - y0, x - x0
    at = 2 if stream.startswith(JPEG_START) else len(stream)
    while at + 9 <= len(stream) and stream[at] == 0xFF:
        if stream[at + 1] in FRAME_MARKERS:
            return int.from_bytes(stream[at + 5 : at + 7]), int.from_bytes(stream[at + 7 : at + 9])
        # A fill byte is one byte, a segment has a length.
        at += 1 if stream[at + 1] == 0xFF else 2 + int.from_bytes(stream[at + 2 : at + 4])
    return None


def _decode_with_pydicom(ds: pydicom.Dataset, index: int, path: object) -> np.ndarray:
    syntax = ds.file_meta.TransferSyntaxUID
    try:
        get_decoder(syntax)
    except NotImplementedError:
        raise UnsupportedObjectError(
            f"{path}: no decoder for its transfer syntax {syntax.name}; convert it to an uncompressed one"
        ) from None
    try:
        shift = int(ds.get("HighBit") or ds.BitsStored - 1) + 1 - ds.BitsStored if "BitsStored" in ds else 0
        array = np.asarray(pixel_array(ds, index=index, correct_unused_bits=shift <= 0))
    except Exception as error:
        # Its several plugins answer with a list of library internals; a single fault is worth repeating.
        reason = "the decoder gives up" if "\n" in str(error) else str(error).partition(" - ")[0][:200]
        raise _damaged(ds, path, reason) from None
    return _signed(array >> shift, ds) if shift > 0 else array


def _signed(array: np.ndarray, ds: pydicom.Dataset) -> np.ndarray:
    """Keep the stored bits only, and give them their sign if they have one."""
    stored = int(ds.BitsStored)
    values = array.astype(np.int64) & ((1 << stored) - 1)
    if ds.PixelRepresentation == 1:
        values -= (values >> (stored - 1)) << stored
    return values.astype(np.int32)


def _damaged(ds: pydicom.Dataset, path: object, reason: str) -> ReadError:
    name = ds.file_meta.TransferSyntaxUID.name
    return ReadError(f"{path}: the pixel data ({name}) is damaged or cut short: {reason}; copy it again")
