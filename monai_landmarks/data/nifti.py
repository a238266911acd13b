"""NIfTI files: column = first voxel axis, row = second, no flips; slices of a third axis are frames."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import nibabel as nib
import numpy as np

from monai_landmarks.data.radiograph import Polarity, Radiograph, check_size, finish, make_info, to_grey
from monai_landmarks.data.spacing import UNKNOWN, Spacing, positive_pair
from monai_landmarks.errors import ReadError

# Units of pixdim, in millimetres. Writers often leave "unknown", meaning the usual millimetres.
MILLIMETRES = {"meter": 1000.0, "mm": 1.0, "micron": 1e-3, "unknown": 1.0}


def read_nifti(path: Path, *, frame: int = 1, polarity: Polarity = "auto") -> Radiograph:
    """Read one slice of a NIfTI-1 or NIfTI-2 file, compressed or not; scaling is applied, bone is taken as bright."""
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
    kind = nib.Nifti2Image if data[4:7] == b"n+2" else nib.Nifti1Image
    image = kind.from_bytes(data)
    # The image's own header has been repaired: a spacing of 0 has become 1.
    header = kind.header_class.from_fileobj(io.BytesIO(data), check=False)
    others = tuple(int(size) for size in image.shape[2:])
    frames = int(np.prod(others))
    if len(image.shape) < 2 or not 1 <= frame <= frames:
        raise ReadError(f"{path}: there is no frame {frame} in an image of shape {image.shape}; frames count from 1")
    check_size(image.shape[1], image.shape[0], path)
    plane = np.asarray(image.dataobj[(..., *np.unravel_index(frame - 1, others, order="F"))])
    if plane.dtype.names:
        plane = np.stack([plane[name] for name in plane.dtype.names], axis=-1)
    grey = np.ascontiguousarray(to_grey(plane.swapaxes(0, 1)))
    invert = polarity == "invert"
    info = make_info(
        polarity="inverted" if invert else "kept",
        polarity_source="assumed bone bright" if polarity == "auto" else "user",
        frame=frame,
        frames=frames,
        format="NIfTI",
    )
    return Radiograph(finish(grey, invert=invert, padding=None, what=path), _spacing(header), info)


def _spacing(header: nib.Nifti1Header) -> Spacing:
    unit = header.get_xyzt_units()[0]
    zooms = positive_pair([abs(float(zoom)) * MILLIMETRES.get(unit, 1.0) for zoom in header["pixdim"][2:0:-1]])
    # 1 by 1 of an unknown unit is what a header says when nobody filled it in.
    if zooms is None or (unit == "unknown" and zooms == (1.0, 1.0)):
        return UNKNOWN
    return Spacing(zooms, "pixdim", "unspecified")
