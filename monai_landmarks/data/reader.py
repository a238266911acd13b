"""Reading radiographs: one function for every format, and the same as a MONAI ImageReader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from monai.data.image_reader import ImageReader

from monai_landmarks.data.dicom import read_dicom
from monai_landmarks.data.formats import sniff
from monai_landmarks.data.nifti import read_nifti
from monai_landmarks.data.quiet import quiet
from monai_landmarks.data.radiograph import Polarity, Radiograph
from monai_landmarks.data.raster import read_jpeg, read_png, read_tiff
from monai_landmarks.data.spacing import check_user_values, resolve_spacing
from monai_landmarks.errors import ConfigError, LandmarksError, ReadError

__all__ = ["Radiograph", "RadiographReader", "read_radiograph"]

READERS = {"PNG": read_png, "JPEG": read_jpeg, "TIFF": read_tiff, "NIfTI": read_nifti}


def read_radiograph(
    path: str | Path,
    *,
    frame: int = 1,
    polarity: Polarity = "auto",
    spacing_mm: Sequence[float] | None = None,
    magnification: float | None = None,
    voi: bool = False,
) -> Radiograph:
    """Read one frame of a DICOM, PNG, JPEG, TIFF or NIfTI file. The content decides the format, not the name.

    Args:
        path: the file.
        frame: which frame, page or slice, from 1.
        polarity: "auto" makes bone bright by what the file says; "keep" leaves the values as they are, "invert"
            inverts them, whatever the file says.
        spacing_mm: pixel spacing (row, column) in mm that replaces what the file says.
        magnification: divides the spacing on the detector; see `monai_landmarks.data.spacing.spacing_from_dicom`.
        voi: apply a DICOM image's own VOI LUT or window; values are then 0..1.

    Raises:
        ReadError: the file is missing, empty, damaged, no image or of an unknown format.
        UnsupportedObjectError: a DICOM object that is no image, or that no decoder knows.
        ConfigError: an argument cannot be meant.
    """
    path = Path(path)
    _check_arguments(polarity, spacing_mm, magnification)
    kind = _format(path)
    with quiet:
        try:
            if kind == "DICOM":
                return read_dicom(
                    path,
                    frame=frame,
                    polarity=polarity,
                    spacing_mm=spacing_mm,
                    magnification=magnification,
                    voi=voi,
                )
            radiograph = READERS[kind](path, frame=frame, polarity=polarity)
        except LandmarksError:
            raise
        except Exception as error:
            # Decoders raise anything on damaged input, and their text may quote the file's content.
            fault = f"damaged or unusual {kind} file, it cannot be decoded ({type(error).__name__})"
            raise ReadError(f"{path}: {fault}; export or copy it again") from None
    return replace(radiograph, spacing=resolve_spacing(radiograph.spacing, spacing_mm, magnification))


def _check_arguments(polarity: str, spacing_mm: Sequence[float] | None, magnification: float | None) -> None:
    if polarity not in ("auto", "keep", "invert"):
        raise ConfigError(f"polarity: {polarity!r} must be auto, keep or invert")
    check_user_values(spacing_mm, magnification)


def _format(path: Path) -> str:
    if path.is_dir():
        raise ReadError(f"{path}: this is a folder; name a file in it")
    try:
        if path.stat().st_size == 0:
            raise ReadError(f"{path}: the file is empty; copy it again")
        kind = sniff(path)
    except OSError as error:
        raise ReadError(f"{path}: cannot be opened ({error.strerror}); check the path and the permissions") from None
    if kind is None:
        raise ReadError(f"{path}: neither DICOM, PNG, JPEG, TIFF nor NIfTI; convert it to one of them")
    return kind


class RadiographReader(ImageReader):
    """`read_radiograph` for `monai.transforms.LoadImage(d)`.

    Arrays are (1, rows, columns), so that `ensure_channel_first` and `EnsureChannelFirstd` leave them as they are;
    several files become several channels. The meta data holds affine, original_affine, spatial_shape, spacing
    (2,) in mm with NaN where unknown, spacing_source, spacing_plane and everything of `Radiograph.info`.

    Args:
        frame, polarity, spacing_mm, magnification, voi: as in `read_radiograph`, for every file.

    Example:
        >>> LoadImaged("image", reader=RadiographReader(), ensure_channel_first=True)  # doctest: +SKIP
    """

    def __init__(
        self,
        frame: int = 1,
        polarity: Polarity = "auto",
        spacing_mm: Sequence[float] | None = None,
        magnification: float | None = None,
        voi: bool = False,
    ) -> None:
        super().__init__()
        self.arguments: dict[str, Any] = {
            "frame": frame,
            "polarity": polarity,
            "spacing_mm": spacing_mm,
            "magnification": magnification,
            "voi": voi,
        }

    def verify_suffix(self, filename: Any) -> bool:
        """True: the content decides, not the suffix."""
        return True

    def read(self, data: Any, **kwargs: Any) -> list[Path]:
        """Nothing but the paths: the work is done in `get_data`.

        When `read` raises, LoadImage goes on to its other readers, and those read the same file with the opposite
        polarity; an error in `get_data` reaches the user.
        """
        return [Path(name) for name in ([data] if isinstance(data, str | Path) else data)]

    def get_data(self, img: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """Pixels (files, rows, columns) and meta data of the first file.

        Raises:
            ReadError: a file cannot be read, or the files differ in size.
        """
        radiographs = [read_radiograph(path, **self.arguments) for path in img]
        shapes = {radiograph.pixels.shape for radiograph in radiographs}
        if len(shapes) > 1:
            names = ", ".join(str(path) for path in img)
            raise ReadError(f"{names}: images of different sizes cannot be channels of one; load them one by one")
        meta = meta_of(radiographs[0]) | {"original_channel_dim": 0}
        return np.concatenate([radiograph.pixels for radiograph in radiographs]), meta


def meta_of(radiograph: Radiograph) -> dict[str, Any]:
    """A radiograph's meta data with the keys MONAI knows; nothing is None, so it collates."""
    spacing = radiograph.spacing
    return {
        **radiograph.info,
        "affine": radiograph.affine(),
        "original_affine": radiograph.affine(),
        "spatial_shape": np.asarray(radiograph.pixels.shape[1:]),
        "spacing": np.asarray(spacing.mm or (np.nan, np.nan), dtype=np.float64),
        "spacing_source": spacing.source,
        "spacing_plane": spacing.plane,
    }
