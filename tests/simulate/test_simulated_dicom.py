from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom import config

from monai_landmarks.simulate.dicom import fixed_uid, write_dicom
from monai_landmarks.simulate.pelvis import PRESET
from monai_landmarks.simulate.radiograph import Radiograph


def radiograph(monochrome1: bool) -> Radiograph:
    pixels = np.random.default_rng(0).integers(0, 4096, (30, 40)).astype(np.uint16)
    return Radiograph(pixels, {}, (), 0.42, 1150.0, 1000.0, monochrome1, 75.0, 12.0)


@pytest.fixture
def strict() -> object:
    before = config.settings.reading_validation_mode
    config.settings.reading_validation_mode = config.RAISE
    yield
    config.settings.reading_validation_mode = before


@pytest.mark.parametrize("monochrome1", [False, True])
def test_file_is_valid_and_shows_bone_bright(tmp_path: Path, strict: object, monochrome1: bool) -> None:
    image = radiograph(monochrome1)
    write_dicom(tmp_path / "a.dcm", image, PRESET.view, "P0007", ("preset", 1, 2))
    assert [path.name for path in tmp_path.iterdir()] == ["a.dcm"]
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    dataset.walk(lambda _, element: element.value)
    assert dataset.file_meta.MediaStorageSOPInstanceUID == dataset.SOPInstanceUID
    assert dataset.SOPInstanceUID.is_valid
    assert dataset.SOPClassUID.name == "Digital X-Ray Image Storage - For Presentation"
    assert dataset.file_meta.TransferSyntaxUID.name == "Explicit VR Little Endian"
    shown = dataset.pixel_array if not monochrome1 else 4095 - dataset.pixel_array
    np.testing.assert_array_equal(shown, image.pixels)
    expected = ("MONOCHROME1", "INVERSE", 1) if monochrome1 else ("MONOCHROME2", "IDENTITY", -1)
    found = (dataset.PhotometricInterpretation, dataset.PresentationLUTShape, dataset.PixelIntensityRelationshipSign)
    assert found == expected
    assert (dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit) == (16, 12, 11)


def test_labels_geometry_and_no_person(tmp_path: Path) -> None:
    write_dicom(tmp_path / "a.dcm", radiograph(False), PRESET.view, "P0007", ("preset", 1, 2))
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    assert (dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition) == ("DX", "PELVIS", "AP")
    assert list(dataset.PatientOrientation) == ["L", "F"]
    assert (dataset.ImageLaterality, dataset.BurnedInAnnotation) == ("B", "NO")
    assert list(dataset.ImagerPixelSpacing) == [0.42, 0.42]
    assert "PixelSpacing" not in dataset
    assert dataset.EstimatedRadiographicMagnificationFactor == pytest.approx(1.15)
    assert dataset.DistanceSourceToDetector / dataset.DistanceSourceToPatient == pytest.approx(1.15)
    assert dataset.PatientID == "P0007"
    assert not dataset.PatientBirthDate
    assert not dataset.StudyDate


def test_every_mandatory_attribute_of_the_dx_modules_is_there(tmp_path: Path) -> None:
    """Type 1 and 2 attributes of PS3.3 A.26 (DX Series, Anatomy, Image, Detector, Positioning, Acquisition Context)."""
    write_dicom(tmp_path / "a.dcm", radiograph(True), PRESET.view, "P0001", ("x",))
    dataset = pydicom.dcmread(tmp_path / "a.dcm")
    keywords = [
        "SOPClassUID",
        "SOPInstanceUID",
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "StudyInstanceUID",
        "StudyDate",
        "StudyTime",
        "ReferringPhysicianName",
        "StudyID",
        "AccessionNumber",
        "Modality",
        "SeriesInstanceUID",
        "SeriesNumber",
        "PresentationIntentType",
        "Manufacturer",
        "InstanceNumber",
        "ImageType",
        "PatientOrientation",
        "ImageLaterality",
        "AnatomicRegionSequence",
        "SamplesPerPixel",
        "PhotometricInterpretation",
        "Rows",
        "Columns",
        "BitsAllocated",
        "BitsStored",
        "HighBit",
        "PixelRepresentation",
        "PixelIntensityRelationship",
        "PixelIntensityRelationshipSign",
        "RescaleIntercept",
        "RescaleSlope",
        "RescaleType",
        "PresentationLUTShape",
        "LossyImageCompression",
        "BurnedInAnnotation",
        "DetectorType",
        "ImagerPixelSpacing",
        "AcquisitionContextSequence",
        "ViewCodeSequence",
        "PositionerType",
        "WindowCenter",
        "WindowWidth",
        "PixelData",
    ]
    assert [keyword for keyword in keywords if keyword not in dataset] == []
    assert "ViewModifierCodeSequence" in dataset.ViewCodeSequence[0]


def test_uids_are_fixed_distinct_and_well_formed() -> None:
    uids = [fixed_uid(kind, "pelvis", seed, index) for kind in "abc" for seed in range(3) for index in range(20)]
    assert len(set(uids)) == len(uids)
    assert all(uid.is_valid and uid.startswith("2.25.") and len(uid) <= 44 for uid in uids)
    assert fixed_uid("a", "pelvis", 0, 0) == uids[0]
