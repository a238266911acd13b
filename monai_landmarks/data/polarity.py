"""Is bone bright or dark? Decided from DICOM tags; what was decided and why is recorded."""

from __future__ import annotations

from typing import Any

from monai_landmarks.data.radiograph import Polarity

# Image intensifiers and flat panels store what arrives: much X-ray, high value, so bone is dark.
FLUOROSCOPY = ("XA", "RF")


def decide_polarity(ds: Any, wanted: Polarity, rising: bool) -> tuple[bool, str]:
    """Whether to invert, and the source of that decision.

    Args:
        ds: DICOM data set.
        wanted: "keep" and "invert" are the user's word; "auto" asks the tags.
        rising: values after the modality (and VOI) transformation grow with the stored ones.

    Photometric interpretation decides (PS3.3 C.7.6.3.1.2: in MONOCHROME1 the lowest value is shown white, after all
    transformations); Presentation LUT Shape INVERSE on such an image says the same and changes nothing. Fluoroscopy
    and FOR PROCESSING images are not meant for display: there Pixel Intensity Relationship Sign decides (C.8.11.3:
    1 = low stored values are little X-ray, so bone is dark), and XA and RF without it are taken to store bone dark.
    """
    if wanted != "auto":
        return wanted == "invert", "user"
    photometric = tag_text(ds, "PhotometricInterpretation")
    if not photometric.startswith("MONOCHROME"):
        return False, "colour image, taken as shown"
    fluoroscopy = tag_text(ds, "Modality") in FLUOROSCOPY
    if fluoroscopy or tag_text(ds, "PresentationIntentType") == "FOR PROCESSING":
        sign = tag_text(ds, "PixelIntensityRelationshipSign")
        if sign in ("1", "-1"):
            return (sign == "1") == rising, "PixelIntensityRelationshipSign"
        if fluoroscopy:
            return rising, "assumed: XA and RF store bone dark"
    return photometric == "MONOCHROME1", _photometric_source(ds, photometric)


def _photometric_source(ds: Any, photometric: str) -> str:
    shape = tag_text(ds, "PresentationLUTShape")
    expected = {"MONOCHROME1": "INVERSE", "MONOCHROME2": "IDENTITY"}.get(photometric)
    if shape and shape != expected:
        return f"PhotometricInterpretation (PresentationLUTShape {shape} contradicts)"
    return "PhotometricInterpretation"


def tag_text(ds: Any, keyword: str) -> str:
    """A tag as one line of text, values of a multiple one joined by a backslash; "" where missing or malformed."""
    try:
        value = ds.get(keyword)
        parts = [value] if isinstance(value, str) or not hasattr(value, "__iter__") else list(value)
        text = "\\".join("" if part is None else str(part).strip() for part in parts)
    except Exception:
        return ""
    return text[:64] if text.isprintable() else ""
