"""PNG, JPEG and TIFF files: 8 or 16 bit, grey, palette or colour. They carry no spacing one could trust.

The resolution such files state is that of a printer or a scanner, so their spacing is unknown unless the user gives
it. They are taken to be bone bright unless TIFF's photometric interpretation says that zero is white. An orientation
tag is applied, as every viewer does.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from monai_landmarks.data.radiograph import Polarity, Radiograph, check_size, finish, make_info, to_grey
from monai_landmarks.data.spacing import UNKNOWN
from monai_landmarks.errors import ReadError

ORIENTATION_TAG = 0x0112
# Pillow's modes that are grey or colour samples as they are; the others (palettes, CMYK, ...) are converted.
PLAIN_MODES = ("1", "L", "LA", "I", "I;16", "I;16B", "RGB", "RGBA")
# PNG's bit depth and colour type: 16 bits of grey and alpha, RGB, RGBA.
DEEP_COLOUR = (b"\x10\x02", b"\x10\x04", b"\x10\x06")
# Deflate's limit is near 1030.
HIGHEST_COMPRESSION = 5000


def read_png(path: Path, *, frame: int = 1, polarity: Polarity = "auto") -> Radiograph:
    """Read a PNG file; palettes become RGB, transparency is dropped."""
    _check_frame(path, frame, 1)
    with path.open("rb") as file:
        deep = file.read(26)[24:] in DEEP_COLOUR
    with Image.open(path) as image:
        if deep:
            # Pillow reduces these to 8 bits; but it refuses a wrong checksum, on which the other one only remarks.
            image.verify()
    with Image.open(path) as image:
        turn = image.getexif().get(ORIENTATION_TAG, 1)
        array = _deep_samples(path) if deep else _samples(image)
    return _radiograph(path, _turned(to_grey(array), turn), polarity, format="PNG")


def read_jpeg(path: Path, *, frame: int = 1, polarity: Polarity = "auto") -> Radiograph:
    """Read a JPEG file."""
    _check_frame(path, frame, 1)
    with Image.open(path) as image:
        turn = image.getexif().get(ORIENTATION_TAG, 1)
        array = _samples(image)
    return _radiograph(path, _turned(to_grey(array), turn), polarity, format="JPEG")


def _deep_samples(path: Path) -> np.ndarray:
    # Large, and all else here does without.
    import imagecodecs

    return np.asarray(imagecodecs.png_decode(path.read_bytes()))


def _samples(image: Image.Image) -> np.ndarray:
    return np.asarray(image if image.mode in PLAIN_MODES else image.convert("RGB"))


def read_tiff(path: Path, *, frame: int = 1, polarity: Polarity = "auto") -> Radiograph:
    """Read a page of a TIFF file; integers of any size or floating point."""
    with tifffile.TiffFile(path) as file:
        frames = len(file.pages)
        _check_frame(path, frame, frames)
        page = file.pages[frame - 1].aspage()
        check_size(page.imagelength, page.imagewidth, path)
        if page.nbytes > HIGHEST_COMPRESSION * path.stat().st_size:
            raise ReadError(f"{path}: its header is damaged, it states more pixels than it can hold; copy it again")
        array = np.asarray(page.asarray())
        photometric = tifffile.PHOTOMETRIC(page.photometric).name
        if photometric == "PALETTE":
            array = np.moveaxis(np.asarray(page.colormap)[:, array], 0, -1)
        elif array.ndim == 3 and page.axes.startswith("S"):
            array = np.moveaxis(array, 0, -1)
        turn = int(page.tags.valueof(ORIENTATION_TAG, 1))
    return _radiograph(
        path,
        _turned(to_grey(array), turn),
        polarity,
        photometric_interpretation="MONOCHROME1" if photometric == "MINISWHITE" else "",
        frame=frame,
        frames=frames,
        format="TIFF",
    )


def _check_frame(path: Path, frame: int, frames: int) -> None:
    if not 1 <= frame <= frames:
        raise ReadError(f"{path}: there is no frame {frame}, it has {frames}; frames count from 1")


def _turned(grey: np.ndarray, orientation: int) -> np.ndarray:
    """Undo an EXIF/TIFF orientation: 1 as it is, 2..4 mirrored and turned by 180 degrees, 5..8 transposed too."""
    if orientation in (5, 6, 7, 8):
        grey = grey.T
    if orientation in (3, 4, 7, 8):
        grey = grey[::-1]
    if orientation in (2, 3, 6, 7):
        grey = grey[:, ::-1]
    return np.ascontiguousarray(grey)


def _radiograph(path: Path, grey: np.ndarray, polarity: Polarity, **known: str | int) -> Radiograph:
    white_is_zero = known.get("photometric_interpretation") == "MONOCHROME1"
    invert = polarity == "invert" or (polarity == "auto" and white_is_zero)
    assumed = "PhotometricInterpretation" if white_is_zero else "assumed bone bright"
    info = make_info(
        polarity="inverted" if invert else "kept",
        polarity_source=assumed if polarity == "auto" else "user",
        **known,
    )
    return Radiograph(finish(grey, invert=invert, padding=None, what=path), UNKNOWN, info)
