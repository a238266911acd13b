import numpy as np
import pydicom
import pytest
from dicom_samples import POINTS, SIZE

from monai_landmarks.export.kinds import DicomResult
from monai_landmarks.export.predictions import PredictedPoint


@pytest.fixture
def capture(image_file, write):
    def make(points=POINTS[:1], frame=1, **changes):
        path = image_file(**changes)
        files, _ = write(path, [DicomResult.SC], points=points, frame=frame)
        return pydicom.dcmread(files[DicomResult.SC]), path

    return make


def test_an_rgb_picture_of_the_radiograph_s_size(capture):
    point = PredictedPoint("a", 300, 200, 0.9, 0.9)
    grey = np.random.default_rng(0).integers(0, 1000, (400, 300)).astype("<u2")
    made, _ = capture([point], Rows=400, Columns=300, PixelData=grey.tobytes())
    assert made.pixel_array.shape == (400, 300, 3)
    assert (made.PhotometricInterpretation, made.ImageType[:2]) == ("RGB", ["DERIVED", "SECONDARY"])
    red, green, blue = made.pixel_array[300, 200].astype(int)
    assert min(red - green, red - blue) > 100


def test_the_points_are_what_differs(capture):
    marked, plain = (capture(points)[0].pixel_array for points in (POINTS[:1], ()))
    near = np.zeros(SIZE, bool)
    near[5:16, 15:27] = True
    assert (marked != plain)[near].any()


def test_it_names_its_source_and_frame(capture):
    made, path = capture(frame=3, frames=3)
    (source,) = made.SourceImageSequence
    assert source.ReferencedSOPInstanceUID == pydicom.dcmread(path).SOPInstanceUID
    assert source.ReferencedFrameNumber == 3
    assert "not verified" in made.DerivationDescription


def test_orientation_side_and_burnt_in_names_are_the_image_s(capture):
    made, _ = capture(PatientOrientation=["L", "F"], ImageLaterality="R", BurnedInAnnotation="YES")
    assert list(made.PatientOrientation) == ["L", "F"]
    assert (made.Laterality, made.BurnedInAnnotation) == ("R", "YES")
    made, _ = capture(ImageLaterality="B")
    assert not made.PatientOrientation
    assert not made.Laterality
    assert "BurnedInAnnotation" not in made


def test_it_has_no_spacing_but_the_pixels_shape(capture, dicom_errors, tmp_path):
    made, _ = capture(PixelSpacing=["0.2", "0.3"])
    assert "PixelSpacing" not in made
    assert list(made.PixelAspectRatio) == [2, 3]
    assert dicom_errors(tmp_path / "dicom" / "image.sc.dcm") == set()
    assert "PixelAspectRatio" not in capture(PixelSpacing=["0.2", "0.2"])[0]
    assert list(capture(PixelAspectRatio=["1", "2"])[0].PixelAspectRatio) == [1, 2]
    assert "PixelAspectRatio" not in capture(PixelAspectRatio=["2", "2"])[0]


def test_it_is_a_workstation_s_and_as_lossy_as_its_source(capture):
    made, _ = capture(LossyImageCompression="01")
    assert (made.ConversionType, made.LossyImageCompression) == ("WSD", "01")
    assert "LossyImageCompression" not in capture(LossyImageCompression="00")[0]
