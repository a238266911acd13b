"""Small DICOM images of several kinds, and predictions on them."""

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    XRayRadiofluoroscopicImageStorage,
    generate_uid,
)

from monai_landmarks.data.reader import read_radiograph
from monai_landmarks.export.predictions import PredictedImage, PredictedPoint

SIZE = (40, 30)
MODEL = {"bundle": "label_augmentation", "version": "0.1.0", "trained_on": {"digest": "0123456789abcdef0123"}}
POINTS = (
    PredictedPoint("teardrop_left", 10.25, 20.75, 0.81234, 0.99),
    PredictedPoint("teardrop_right", -0.5, 4.125, 0.5, 0.5),
    PredictedPoint("absent_one", 5.0, 5.0, 0.1, 0.2),
    PredictedPoint("outside_one", 39.6, 5.0, 0.4, 0.9),
)


def make_image(path, frames=1, sop_class=None, **changes):
    """A CR image, or an RF one of several frames, with every type 2 attribute; `changes` by keyword, None removes."""
    header = Dataset()
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    header.SOPClassUID = sop_class or (
        ComputedRadiographyImageStorage if frames == 1 else XRayRadiofluoroscopicImageStorage
    )
    header.SOPInstanceUID = generate_uid()
    header.StudyInstanceUID, header.SeriesInstanceUID = generate_uid(), generate_uid()
    header.PatientName, header.PatientID, header.PatientBirthDate, header.PatientSex = "Doe^Jane", "7", "19700101", "F"
    header.StudyDate, header.StudyTime, header.StudyID, header.AccessionNumber = "20200102", "101112", "S1", "A1"
    header.ReferringPhysicianName = ""
    header.Modality = "CR" if frames == 1 else "RF"
    header.Rows, header.Columns = SIZE
    header.SamplesPerPixel, header.PhotometricInterpretation = 1, "MONOCHROME2"
    header.BitsAllocated, header.BitsStored, header.HighBit, header.PixelRepresentation = 16, 12, 11, 0
    header.WindowCenter, header.WindowWidth = "500", "1000"
    if frames > 1:
        header.NumberOfFrames = frames
    pixels = np.arange(frames * SIZE[0] * SIZE[1], dtype="<u2") % 1000
    header.PixelData = pixels.tobytes()
    header.update({key: value for key, value in changes.items() if value is not None})
    for key in [key for key, value in changes.items() if value is None]:
        delattr(header, key)
    header.save_as(path, enforce_file_format=True)
    return path


def predicted(path, points=POINTS, measurements=(), frame=1):
    radiograph = read_radiograph(path, frame=frame)
    size = tuple(radiograph.pixels.shape[1:])
    spacing = radiograph.spacing
    return PredictedImage(path.name, size, spacing.mm, spacing.plane, tuple(points), path, frame, tuple(measurements))
