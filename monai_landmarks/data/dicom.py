"""DICOM files: from stored values to a bone-bright radiograph with its spacing and without its patient."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from monai_landmarks.data.decode import PIXEL_KEYWORDS, decode_frame, frame_count
from monai_landmarks.data.polarity import decide_polarity, tag_text
from monai_landmarks.data.quiet import quiet
from monai_landmarks.data.radiograph import Info, Polarity, Radiograph, finish, make_info, to_grey
from monai_landmarks.data.spacing import spacing_from_dicom
from monai_landmarks.errors import ReadError, UnsupportedObjectError

# Objects with rows and columns that are no picture of a patient.
NOT_PICTURES = (
    "Segmentation Storage",
    "Label Map Segmentation Storage",
    "RT Dose Storage",
    "Parametric Map Storage",
    "VL Whole Slide Microscopy Image Storage",
)


def read_dicom(
    path: Path,
    *,
    frame: int = 1,
    polarity: Polarity = "auto",
    spacing_mm: Sequence[float] | None = None,
    magnification: float | None = None,
    voi: bool = False,
) -> Radiograph:
    """Read one frame; arguments and errors as in `monai_landmarks.data.reader.read_radiograph`."""
    ds = parse(path)
    frames = frame_count(ds)
    if not 1 <= frame <= frames:
        raise ReadError(f"{path}: there is no frame {frame}, it has {frames}; frames count from 1")
    stored = decode_frame(ds, frame - 1, path)
    values = _modality(stored, ds, path)
    if voi:
        values = _voi(values, ds, path)
    invert, source = decide_polarity(ds, polarity, _rising(stored, values))
    pixels = finish(values, invert=invert, padding=_padding(stored, ds), what=path)
    info = _info(ds) | {
        "polarity": "inverted" if invert else "kept",
        "polarity_source": source,
        "frame": frame,
        "frames": frames,
    }
    return Radiograph(pixels, spacing_from_dicom(ds, spacing_mm, magnification), info)


def parse(path: Path) -> pydicom.Dataset:
    """The data set of a file that holds an image, with a transfer syntax in its meta information.

    Raises:
        ReadError: the file is damaged, or has no pixel data although it should.
        UnsupportedObjectError: it is a report, a directory, a presentation state, ...
    """
    with quiet:
        try:
            ds = pydicom.dcmread(path, force=True)
            syntax = ds.file_meta.get("TransferSyntaxUID") or _guess_syntax(ds)
            ds.file_meta.TransferSyntaxUID = UID(syntax)
            refusal = why_no_image(ds)
            has_pixels = any(keyword in ds for keyword in PIXEL_KEYWORDS)
        except Exception:
            # The library's text may quote a tag's value, and that may be a name or a date.
            raise ReadError(f"{path}: not a readable DICOM file, its header is damaged; copy it again") from None
    if refusal:
        raise UnsupportedObjectError(f"{path}: {refusal}; leave it out")
    if not has_pixels:
        raise ReadError(f"{path}: no pixel data in it, or cut short; export or copy it again")
    return ds


def why_no_image(ds: pydicom.Dataset) -> str:
    """What the object is, if it is none that holds a picture; "" if it claims to hold one (PS3.4 annex B)."""
    uid = tag_text(ds, "SOPClassUID") or tag_text(ds.file_meta, "MediaStorageSOPClassUID")
    name = UID(uid).name
    if name == "Media Storage Directory Storage":
        return "not a radiograph (DICOMDIR, an index of other files)"
    claims = "Image Storage" in name or ("Rows" in ds and "Columns" in ds)
    if name in NOT_PICTURES or not claims:
        kind = name.removesuffix(" Storage") if name and name != uid else "DICOM object of unknown kind"
        return f"not a radiograph ({kind})"
    return ""


def _guess_syntax(ds: pydicom.Dataset) -> UID:
    """Transfer syntax of a file without meta information, from the encoding pydicom found."""
    implicit, little = ds.original_encoding
    if implicit:
        return ImplicitVRLittleEndian
    return ExplicitVRLittleEndian if little else ExplicitVRBigEndian


def _modality(stored: np.ndarray, ds: pydicom.Dataset, path: Path) -> np.ndarray:
    """Modality LUT, or rescale slope and intercept (PS3.3 C.11.1), as float32 grey values."""
    if stored.ndim == 3:
        return to_grey(stored)
    if ds.get("ModalityLUTSequence"):
        return _looked_up(stored, ds, "ModalityLUTSequence", path)[0]
    slope, intercept = _number(ds, "RescaleSlope", 1.0), _number(ds, "RescaleIntercept", 0.0)
    values = stored.astype(np.float32)
    # A slope of zero would leave no image; no device means it.
    if slope != 0 and (slope, intercept) != (1.0, 0.0):
        values *= np.float32(slope)
        values += np.float32(intercept)
    return values


def _voi(values: np.ndarray, ds: pydicom.Dataset, path: Path) -> np.ndarray:
    """The image's own VOI LUT, else its first window (PS3.3 C.11.2), to 0..1; unchanged where it has neither."""
    if ds.get("VOILUTSequence"):
        mapped, bits = _looked_up(values, ds, "VOILUTSequence", path)
        return mapped / np.float32(2**bits - 1)
    centre, width = _number(ds, "WindowCenter", np.nan), _number(ds, "WindowWidth", np.nan)
    function = tag_text(ds, "VOILUTFunction") or "LINEAR"
    if not (np.isfinite(centre) and width > 0):
        return values
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(-4 * (values - centre) / width)), dtype=np.float32)
    if function == "LINEAR":
        centre, width = centre - 0.5, max(width - 1, 1e-6)
    return np.clip((values - np.float32(centre)) / np.float32(width) + np.float32(0.5), 0, 1)


def _looked_up(values: np.ndarray, ds: pydicom.Dataset, keyword: str, path: Path) -> tuple[np.ndarray, int]:
    """Values through the first table of a LUT sequence, float32, and the bits of its entries (PS3.3 C.11.1.1).

    Not with pydicom's functions: they compute the index of an 8-bit table in 8 bits.
    """
    try:
        item = ds[keyword].value[0]
        count, first, bits = (int(number) for number in item.LUTDescriptor)
        count, data = count or 2**16, item.LUTData
        if isinstance(data, bytes):
            byte_order = "<" if ds.original_encoding[1] else ">"
            data = np.frombuffer(data, "u1" if len(data) < 2 * count else f"{byte_order}u2")
        table = np.asarray(data, dtype=np.float32)
        index = np.clip(np.rint(values) - first, 0, count - 1).astype(np.intp)
        return table[index], bits
    except Exception:
        raise ReadError(f"{path}: its {keyword} is malformed; export the image again") from None


def _padding(stored: np.ndarray, ds: pydicom.Dataset) -> np.ndarray | None:
    """Where the device filled in Pixel Padding Value (.. Range Limit), stored values (PS3.3 C.7.5.1.1.2)."""
    first = _number(ds, "PixelPaddingValue", np.nan)
    if stored.ndim == 3 or not np.isfinite(first):
        return None
    low, high = sorted((first, _number(ds, "PixelPaddingRangeLimit", first)))
    return np.asarray((stored >= low) & (stored <= high))


def _rising(stored: np.ndarray, values: np.ndarray) -> bool:
    """Do the transformed values grow with the stored ones? A negative slope or a falling LUT turns them round."""
    if stored.ndim == 3:
        return True
    darkest, brightest = np.nanargmin(stored), np.nanargmax(stored)
    return bool(values.flat[brightest] >= values.flat[darkest])


def _number(ds: pydicom.Dataset, keyword: str, default: float) -> float:
    """A tag's first number; `default` where it is missing, malformed or not finite."""
    try:
        number = float(tag_text(ds, keyword).split("\\")[0])
    except ValueError:
        return default
    return number if np.isfinite(number) else default


def _info(ds: pydicom.Dataset) -> Info:
    return make_info(
        modality=tag_text(ds, "Modality"),
        photometric_interpretation=tag_text(ds, "PhotometricInterpretation"),
        transfer_syntax=str(ds.file_meta.TransferSyntaxUID.name),
        laterality=tag_text(ds, "ImageLaterality") or tag_text(ds, "Laterality"),
        view=tag_text(ds, "ViewPosition") or _code_meaning(ds, "ViewCodeSequence"),
        body_part=tag_text(ds, "BodyPartExamined") or _code_meaning(ds, "AnatomicRegionSequence"),
        orientation=tag_text(ds, "PatientOrientation"),
        burned_in_annotation=tag_text(ds, "BurnedInAnnotation"),
        format="DICOM",
    )


def _code_meaning(ds: pydicom.Dataset, keyword: str) -> str:
    try:
        return tag_text(ds[keyword].value[0], "CodeMeaning")
    except (KeyError, IndexError, AttributeError, TypeError):
        return ""
