"""Writing a simulated image: a Digital X-Ray Image (DICOM PS3.3 A.26, for presentation) or an X-Ray RF Image (A.16)."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    UID,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    XRayRadiofluoroscopicImageStorage,
)

from monai_landmarks.simulate.film import LEVELS
from monai_landmarks.simulate.radiograph import Radiograph, View

# Root for UIDs made from UUIDs or hashes (PS3.5 annex B.2); no registered root is needed.
IMPLEMENTATION = UID("2.25.232613415071170287130486146017158312013")

STORAGE = {"DX": DigitalXRayImageStorageForPresentation, "RF": XRayRadiofluoroscopicImageStorage}
# ImageLaterality of a case's side.
LATERALITY = {"L": "L", "R": "R", "both": "B"}


def fixed_uid(*parts: object) -> UID:
    """A UID that depends on nothing but `parts`, shaped as a version 8 UUID under the root 2.25."""
    number = bytearray(hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()[:16])
    number[6] = (number[6] & 0x0F) | 0x80
    number[8] = (number[8] & 0x3F) | 0x80
    return UID(f"2.25.{int.from_bytes(number, 'big')}")


def write_dicom(path: Path, image: Radiograph, view: View, patient: str, identity: tuple[object, ...]) -> None:
    """Write one file; the same arguments give the same bytes.

    Args:
        path: where to; written under a temporary name first, so that a file that exists is complete.
        image: the radiograph.
        view: how it is labelled.
        patient: the synthetic patient id.
        identity: what makes the image unique (preset, seed, index); UIDs are derived from it.
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = STORAGE[view.modality]
    meta.MediaStorageSOPInstanceUID = fixed_uid("instance", *identity)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationClassUID = IMPLEMENTATION
    meta.ImplementationVersionName = "MONAI_LANDMARKS"
    temporary = path.with_suffix(".part")
    dataset = FileDataset(str(temporary), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = (
        meta.MediaStorageSOPClassUID,
        meta.MediaStorageSOPInstanceUID,
    )
    _patient_and_study(dataset, patient, identity)
    _acquisition(dataset, image, view)
    _anatomy(dataset, image, view)
    _pixels(dataset, image)
    {"DX": _radiography, "RF": _fluoroscopy}[view.modality](dataset, image)
    dataset.save_as(temporary, enforce_file_format=True)
    temporary.replace(path)


def _patient_and_study(dataset: Dataset, patient: str, identity: tuple[object, ...]) -> None:
    """Patient, study, series and equipment; nobody was ever imaged, so names and dates stay empty."""
    dataset.PatientID, dataset.PatientName = patient, f"Synthetic^{patient}"
    dataset.PatientBirthDate, dataset.PatientSex = "", ""
    dataset.StudyInstanceUID = fixed_uid("study", *identity)
    dataset.SeriesInstanceUID = fixed_uid("series", *identity)
    dataset.StudyDate = dataset.StudyTime = dataset.ReferringPhysicianName = dataset.StudyID = (
        dataset.AccessionNumber
    ) = ""
    dataset.SeriesNumber, dataset.InstanceNumber = 1, 1
    dataset.Manufacturer, dataset.ManufacturerModelName = "monai_landmarks", "radiograph simulator"
    dataset.ImageComments = "Synthetic radiograph from a statistical shape model; no patient was imaged"


def _acquisition(dataset: Dataset, image: Radiograph, view: View) -> None:
    """X-ray geometry, dose and positioning."""
    dataset.Modality = view.modality
    dataset.DistanceSourceToDetector = round(image.source_detector, 2)
    dataset.DistanceSourceToPatient = round(image.source_patient, 2)
    dataset.EstimatedRadiographicMagnificationFactor = round(image.source_detector / image.source_patient, 6)
    dataset.ImagerPixelSpacing = [image.spacing, image.spacing]
    dataset.KVP, dataset.ExposureInuAs = image.kvp, round(1000 * image.exposure)
    dataset.ViewPosition = view.position
    dataset.PatientOrientation = list(view.orientation)


def _anatomy(dataset: Dataset, image: Radiograph, view: View) -> None:
    """Body part, laterality and the codes of region and view."""
    dataset.BodyPartExamined, dataset.ImageLaterality = view.body_part, LATERALITY[image.side]
    dataset.AnatomicRegionSequence = Sequence([_code(*view.region)])
    item = _code(*view.view)
    item.ViewModifierCodeSequence = Sequence()
    dataset.ViewCodeSequence = Sequence([item])


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, meaning
    return item


def _pixels(dataset: Dataset, image: Radiograph) -> None:
    """Pixel data and how to show them. MONOCHROME1: stored inverted, high values are dark on the screen."""
    stored = _stored(image).astype("<u2")
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel, dataset.PixelRepresentation = 1, 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PhotometricInterpretation = "MONOCHROME1" if image.monochrome1 else "MONOCHROME2"
    dataset.WindowCenter, dataset.WindowWidth = LEVELS // 2, LEVELS
    dataset.BurnedInAnnotation, dataset.LossyImageCompression = "NO", "00"
    dataset.PixelData = np.ascontiguousarray(stored).tobytes()


def _stored(image: Radiograph) -> np.ndarray:
    """The file's values: inverted for MONOCHROME1; where bone is stored dark the circle is, and outside it stays 0."""
    if image.monochrome1:
        return LEVELS - 1 - image.pixels
    return np.where(image.pixels > 0, LEVELS - image.pixels, 0) if image.bone_dark else image.pixels


def _radiography(dataset: Dataset, image: Radiograph) -> None:
    """What only a Digital X-Ray Image has."""
    dataset.PresentationIntentType, dataset.ImageType = "FOR PRESENTATION", ["ORIGINAL", "PRIMARY", ""]
    dataset.AcquisitionContextSequence = Sequence()
    dataset.Exposure = round(image.exposure)
    dataset.DetectorType, dataset.DetectorConfiguration = "SCINTILLATOR", "AREA"
    dataset.PositionerType = "COLUMN"
    dataset.PresentationLUTShape = "INVERSE" if image.monochrome1 else "IDENTITY"
    # Sign: +1 if higher stored values mean more X-rays, which is so where bone is stored dark.
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = (
        "LOG",
        1 if image.monochrome1 else -1,
    )
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"


def _fluoroscopy(dataset: Dataset, image: Radiograph) -> None:
    """What only an X-Ray RF Image has: a single exposure of a C-arm with a round field."""
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "SINGLE PLANE"]
    dataset.RadiationSetting, dataset.Exposure, dataset.PositionerType = "GR", None, "CARM"
    dataset.PixelIntensityRelationship = "DISP"
    if image.bone_dark:
        # As most C-arms write it, without a sign: bone dark is what the modality implies.
        dataset.PixelPaddingValue = 0
    else:
        dataset.PixelIntensityRelationshipSign = -1
    if image.circle:
        row, column, radius = image.circle
        dataset.FieldOfViewShape, dataset.CollimatorShape = "ROUND", "CIRCULAR"
        dataset.FieldOfViewDimensions = round(2 * radius * image.spacing)
        # Pixels count from 1.
        dataset.CenterOfCircularCollimator = [round(row) + 1, round(column) + 1]
        dataset.RadiusOfCircularCollimator = round(radius)
