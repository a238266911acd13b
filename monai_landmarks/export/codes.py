"""Coded concepts of DICOM results: of DICOM and SNOMED CT where they have one, else of the private scheme 99MLMK.

The table in docs/reference/dicom_results.md is for readers of the results; a test compares it with this module.
"""

from __future__ import annotations

import re

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from monai_landmarks.export.texts import long_string, one_value

SCHEME = "99MLMK"
SCHEME_VERSION = "1"

CONFIDENCE = ("confidence", "Confidence of the location")
PLANE = ("spacing_plane", "Plane in which the pixel spacing holds")
OUTSIDE = ("outside", "Outside the image")
NOT_SOUGHT = ("not_sought", "Not looked for")
NOT_COMPUTED = ("not_computed", "Not computed")
SUMMARY = ("summary", "Landmarks and measurements of the image")
PLANES = {
    "user": "Given by the user",
    "calibrated": "Calibrated",
    "patient_plane": "Plane of the patient, corrected for magnification",
    "detector_plane": "Plane of the detector, not corrected for magnification",
    "unspecified": "The image does not tell",
    "unknown": "Pixel spacing unknown, no millimetres",
}
UNITS = {
    "mm": codes.UCUM.Millimeter,
    "deg": codes.UCUM.Degree,
    "1": codes.UCUM.NoUnits,
    "px": Code("{pixels}", "UCUM", "Pixels"),
}
SIDES = {"left": codes.SCT.Left, "right": codes.SCT.Right}
# Anatomical structure by the beginning of a landmark's name, without a leading side; "$" is its end; the longest wins.
# Only structures of DICOM's own context groups (PS3.16), whose SNOMED CT codes pydicom lists.
SITES = {
    "acetabul": codes.SCT.Acetabulum,
    "cup_": codes.SCT.Acetabulum,
    "teardrop": codes.SCT.Acetabulum,
    "anterior_superior_iliac": codes.SCT.Ilium,
    "ischi": codes.SCT.Ischium,
    "symphysis": codes.SCT.SymphysisPubis,
    "sacr": codes.SCT.Sacrum,
    "femoral_head": codes.SCT.FemoralHead,
    "femoral_shaft": codes.SCT.ShaftOfFemur,
    "femoral_condyle": codes.SCT.DistalFemur,
    "femoral_epicondyle": codes.SCT.DistalFemur,
    "femoral_notch": codes.SCT.DistalFemur,
    "implant_head": codes.SCT.ProximalFemur,
    "stem_": codes.SCT.Femur,
    "greater_trochanter": codes.SCT.ProximalFemur,
    "lesser_trochanter": codes.SCT.LesserTrochanter,
    "tibial_plateau": codes.SCT.TibialPlateau,
    "tibia": codes.SCT.Tibia,
    "sella": codes.SCT.SellaTurcica,
    "ans$": codes.SCT.Maxilla,
    "pns$": codes.SCT.Maxilla,
    "subspinale": codes.SCT.Maxilla,
    "supramentale": codes.SCT.Mandible,
    "pogonion": codes.SCT.Mandible,
    "menton": codes.SCT.Mandible,
    "gnathion": codes.SCT.Mandible,
    "gonion": codes.SCT.Mandible,
}


def private(value: str, meaning: str) -> CodedConcept:
    """A concept of our own scheme."""
    return CodedConcept(one_value(value), SCHEME, long_string(meaning), SCHEME_VERSION)


def landmark_concept(name: str) -> CodedConcept:
    """A landmark, `landmark.NAME`; what it is, its scheme says."""
    return private(f"landmark.{name}", name.replace("_", " ").strip().capitalize() or name)


def measurement_concept(name: str, label: str) -> CodedConcept:
    """A measurement, `measurement.NAME`; how it is defined, the scheme says."""
    return private(f"measurement.{name}", label)


def plane_concept(plane: str) -> CodedConcept:
    """A plane of the pixel spacing, `plane.NAME`."""
    return private(f"plane.{plane}", PLANES[plane])


def site_of(name: str) -> Code | None:
    """The anatomical structure a landmark lies on, None where the table does not tell."""
    bare = re.sub(r"^(left|right)_", "", name.lower())
    found = [beginning for beginning in SITES if re.match(beginning, bare)]
    return SITES[max(found, key=len)] if found else None


def side_of(name: str) -> Code | None:
    """The side in a landmark's name."""
    sides = [SIDES[part] for part in re.split(r"[^a-z]+", name.lower()) if part in SIDES]
    return sides[0] if len(sides) == 1 else None


def coding_schemes() -> list[CodingSchemeIdentificationItem]:
    """What a result says of the private scheme."""
    return [
        CodingSchemeIdentificationItem(
            SCHEME,
            name="monai_landmarks: landmarks and measurements, by their name in the model's scheme",
            version=SCHEME_VERSION,
            responsible_organization="monai_landmarks",
        )
    ]
