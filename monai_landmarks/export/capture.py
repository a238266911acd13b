"""DICOM secondary capture: the radiograph with its points and measurements burnt in, for viewers that show no more."""

from __future__ import annotations

from fractions import Fraction

import highdicom as hd
import numpy as np
from highdicom import sc
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from monai_landmarks.data.polarity import tag_text
from monai_landmarks.export.device import Device
from monai_landmarks.export.pictures import picture_of, write_lines
from monai_landmarks.export.predictions import PredictedImage
from monai_landmarks.export.source import Source
from monai_landmarks.export.summary import summary_lines

SERIES_NUMBER = 9103
# PixelAspectRatio holds integers.
LARGEST_RATIO = 10000


def secondary_capture(image: PredictedImage, source: Source, device: Device) -> sc.SCImage:
    """An RGB picture as large as the radiograph.

    It has no pixel spacing: lengths are measured on the radiograph. Patient and study are empty until
    `Source.identify`.

    Raises:
        ReadError: the file cannot be read any more.
    """
    picture = picture_of(image)
    write_lines(picture, summary_lines(image, device))
    capture = sc.SCImage(
        pixel_array=np.asarray(picture),
        photometric_interpretation="RGB",
        bits_allocated=8,
        coordinate_system="PATIENT",
        # Asked for here; the image's own one, or none, follows.
        patient_orientation=("L", "F"),
        study_instance_uid=source.reference.StudyInstanceUID,
        **device.equipment(SERIES_NUMBER),
    )
    # Made by software, of pixels: highdicom says DI, an interface of a device.
    capture.ConversionType = "WSD"
    capture.Laterality = source.laterality
    orientation = tag_text(source.header, "PatientOrientation").split("\\")
    capture.PatientOrientation = orientation if len(orientation) == 2 else []
    capture.SourceImageSequence = [_source(source)]
    capture.DerivationDescription = f"Landmarks found by {device.description}, not verified"
    if tag_text(source.header, "BurnedInAnnotation") in ("YES", "NO"):
        # What is burnt in here tells nothing of who the patient is.
        capture.BurnedInAnnotation = source.header.BurnedInAnnotation
    if tag_text(source.header, "LossyImageCompression") == "01":
        # What was lost stays lost (PS3.3 C.7.6.1.1.5).
        capture.LossyImageCompression = "01"
    aspect = _aspect(image, source)
    if aspect[0] != aspect[1]:
        capture.PixelAspectRatio = aspect
    return capture


def _aspect(image: PredictedImage, source: Source) -> list[int]:
    """Height to width of a pixel in whole numbers."""
    if image.spacing is None:
        return source.aspect
    ratio = Fraction(image.spacing[0] / image.spacing[1]).limit_denominator(LARGEST_RATIO)
    return [ratio.numerator, ratio.denominator]


def _source(source: Source) -> Dataset:
    item = source.refer(Dataset())
    item.PurposeOfReferenceCodeSequence = [
        hd.sr.CodedConcept.from_code(codes.DCM.SourceImageForImageProcessingOperation)
    ]
    return item
