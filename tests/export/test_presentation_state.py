from itertools import pairwise

import numpy as np
import pydicom
import pytest
from dicom_samples import POINTS, SIZE
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EnhancedXAImageStorage, ExplicitVRBigEndian, ImplicitVRLittleEndian

from monai_landmarks.export.kinds import DicomResult
from monai_landmarks.export.predictions import PredictedPoint
from monai_landmarks.measure import Measured

LENGTH = Measured("a", "Leg length difference", "distance", "mm", 3.14, None, None, "detector_plane", None, ("x",))
ANGLE = Measured("b", "Cup inclination", "angle", "deg", 41.52, None, None, "", None, ("x",))
RATIO = Measured("d", "Insall-Salvati", "ratio", "1", 1.054, None, None, "", None, ("x",))
MISSING = Measured("c", "Offset", "distance", "mm", None, None, None, "", "stem_tip is absent", ("x",))


@pytest.fixture
def state(image_file, write):
    def make(frame=1, measurements=(), **changes):
        files, notes = write(image_file(**changes), [DicomResult.GSPS], frame=frame, measurements=measurements)
        assert notes == ["outside the image, left out of the DICOM results: outside_one"]
        return pydicom.dcmread(files[DicomResult.GSPS])

    return make


def item(**attributes):
    dataset = Dataset()
    dataset.update(attributes)
    return dataset


def test_points_with_their_names(state):
    annotation = state().GraphicAnnotationSequence[0]
    shown = POINTS[:2]
    for graphic, point in zip(annotation.GraphicObjectSequence, shown, strict=True):
        assert (graphic.GraphicType, graphic.GraphicAnnotationUnits) == ("POINT", "PIXEL")
        np.testing.assert_allclose(graphic.GraphicData, [point.column + 0.5, point.row + 0.5], atol=1e-5)
    for text, point in zip(annotation.TextObjectSequence, shown):
        assert text.UnformattedTextValue == point.name
        np.testing.assert_allclose(text.AnchorPoint, [point.column + 0.5, point.row + 0.5], atol=1e-5)


def test_what_was_measured_stands_in_a_corner(state):
    texts = state(measurements=[LENGTH, ANGLE, RATIO, MISSING]).GraphicAnnotationSequence[0].TextObjectSequence
    assert "BoundingBoxTopLeftHandCorner" not in texts[1]
    lines = [text.UnformattedTextValue for text in texts[2:]]
    assert lines[0].startswith("Computed by label_augmentation 0.1.0")
    assert lines[0].endswith("not verified")
    assert lines[1:] == [
        "Leg length difference: 3.1 mm (detector plane)",
        "Cup inclination: 41.5°",
        "Insall-Salvati: 1.05",
        "Offset: not computed, stem_tip is absent",
        "Not found: absent_one, outside_one",
    ]


def test_nothing_of_a_long_summary_is_cut(image_file, write, dicom_errors):
    """A text holds 1024 characters, and a scheme may have many landmarks."""
    names = [f"a_landmark_of_rather_long_name_{number:02d}" for number in range(60)]
    points = [PredictedPoint(name, 5, 5, 0.1, 0.1) for name in names]
    files, _ = write(image_file(), [DicomResult.GSPS], points=points, measurements=[ANGLE] * 20)
    texts = pydicom.dcmread(files[DicomResult.GSPS]).GraphicAnnotationSequence[0].TextObjectSequence
    lines = [text.UnformattedTextValue for text in texts]
    assert max(map(len, lines)) <= 100
    assert " ".join(lines).endswith(f"Not found: {', '.join(names)}")
    corners = [(*text.BoundingBoxTopLeftHandCorner, *text.BoundingBoxBottomRightHandCorner) for text in texts]
    assert all(0 <= value <= 1 for corner in corners for value in corner)
    assert all(upper[3] <= lower[1] + 1e-6 for upper, lower in pairwise(corners))
    assert dicom_errors(files[DicomResult.GSPS]) == set()


def test_the_whole_image_is_shown_counted_from_one(state):
    (area,) = state().DisplayedAreaSelectionSequence
    assert list(area.DisplayedAreaTopLeftHandCorner) == [1, 1]
    assert list(area.DisplayedAreaBottomRightHandCorner) == [SIZE[1], SIZE[0]]
    assert list(area.PresentationPixelAspectRatio) == [1, 1]


def test_pixels_that_are_not_square_keep_their_shape(state):
    (area,) = state(PixelSpacing=["0.2", "0.3"]).DisplayedAreaSelectionSequence
    assert list(area.PresentationPixelSpacing) == [0.2, 0.3]
    assert "PresentationPixelAspectRatio" not in area
    (area,) = state(PixelAspectRatio=["1", "2"]).DisplayedAreaSelectionSequence
    assert list(area.PresentationPixelAspectRatio) == [1, 2]
    (area,) = state(PixelAspectRatio=["0", "2"]).DisplayedAreaSelectionSequence
    assert list(area.PresentationPixelAspectRatio) == [1, 1]


@pytest.mark.parametrize(("photometric", "shape"), [("MONOCHROME1", "INVERSE"), ("MONOCHROME2", "IDENTITY")])
def test_the_polarity_stays_the_image_s(state, photometric, shape):
    assert state(PhotometricInterpretation=photometric).PresentationLUTShape == shape


def test_the_grey_values_stay_the_image_s(state):
    made = state(RescaleSlope="2", RescaleIntercept="-1", RescaleType="OD", VOILUTFunction="SIGMOID")
    assert (made.RescaleSlope, made.RescaleIntercept, made.RescaleType) == (2, -1, "OD")
    (voi,) = made.SoftcopyVOILUTSequence
    assert (voi.WindowCenter, voi.WindowWidth, voi.VOILUTFunction) == (500, 1000, "SIGMOID")


def test_several_windows(state):
    (voi,) = state(WindowCenter=["1", "2"], WindowWidth=["3", "4"]).SoftcopyVOILUTSequence
    assert (list(voi.WindowCenter), list(voi.WindowWidth)) == ([1, 2], [3, 4])


def test_a_look_up_table_comes_before_the_window(state, dicom_errors, tmp_path):
    table = item(LUTDescriptor=[4, 0, 16], LUTExplanation="mine", LUTData=b"\0\0\1\0\2\0\xff\xff")
    made = state(VOILUTSequence=[table])
    (voi,) = made.SoftcopyVOILUTSequence
    assert "WindowCenter" not in voi
    assert voi.VOILUTSequence[0].LUTExplanation == "mine"
    assert dicom_errors(tmp_path / "dicom" / "image.gsps.dcm") == set()


def test_without_or_with_half_a_window_there_is_none(state):
    assert "SoftcopyVOILUTSequence" not in state(WindowCenter=None, WindowWidth=None)
    assert "SoftcopyVOILUTSequence" not in state(WindowWidth=None)


def test_a_frame_of_a_classic_multi_frame_image(state):
    made = state(frame=2, frames=3)
    for reference in (
        made.ReferencedSeriesSequence[0].ReferencedImageSequence[0],
        made.GraphicAnnotationSequence[0].ReferencedImageSequence[0],
    ):
        assert reference.ReferencedFrameNumber == 2


def test_a_frame_of_an_enhanced_image(state):
    values = item(RescaleIntercept="0", RescaleSlope="3", RescaleType="US")
    windows = [item(FrameVOILUTSequence=[item(WindowCenter=str(n), WindowWidth="10")]) for n in (1, 2, 3)]
    made = state(
        frame=2,
        frames=3,
        sop_class=EnhancedXAImageStorage,
        WindowCenter=None,
        WindowWidth=None,
        SharedFunctionalGroupsSequence=[item(PixelValueTransformationSequence=[values])],
        PerFrameFunctionalGroupsSequence=windows,
    )
    assert made.RescaleSlope == 3
    assert made.SoftcopyVOILUTSequence[0].WindowCenter == 2
    assert made.GraphicAnnotationSequence[0].ReferencedImageSequence[0].ReferencedFrameNumber == 2


def test_a_colour_image_has_none(image_file, write):
    grey = np.zeros(3 * SIZE[0] * SIZE[1], np.uint8)
    grey[::7] = 200
    path = image_file(
        SamplesPerPixel=3,
        PhotometricInterpretation="RGB",
        PlanarConfiguration=0,
        BitsAllocated=8,
        BitsStored=8,
        HighBit=7,
        PixelData=grey.tobytes(),
    )
    files, notes = write(path, points=())
    assert notes == ["no gsps: a grayscale presentation state cannot show a colour image"]
    assert [kind for kind, file in files.items() if file.exists()] == [DicomResult.SR, DicomResult.SC]


def test_an_image_of_palette_colours_has_none(image_file, write):
    table = np.arange(256, dtype="<u2").tobytes()
    colours = {f"{name}PaletteColorLookupTableData": table for name in ("Red", "Green", "Blue")}
    descriptors = {f"{name}PaletteColorLookupTableDescriptor": [256, 0, 16] for name in ("Red", "Green", "Blue")}
    pixels = (np.arange(SIZE[0] * SIZE[1]) % 256).astype(np.uint8).tobytes()
    bits = {"BitsAllocated": 8, "BitsStored": 8, "HighBit": 7, "PixelData": pixels}
    path = image_file(PhotometricInterpretation="PALETTE COLOR", **colours, **descriptors, **bits)
    _, notes = write(path, [DicomResult.GSPS], points=())
    assert notes == ["no gsps: a grayscale presentation state cannot show a colour image"]


def test_an_image_without_points(image_file, write, dicom_errors):
    files, _ = write(image_file(), points=POINTS[2:3])
    assert "GraphicObjectSequence" not in pydicom.dcmread(files[DicomResult.GSPS]).GraphicAnnotationSequence[0]
    for file in files.values():
        assert dicom_errors(file) == set(), file


@pytest.mark.parametrize("width", ["0", ["10", "0"], "-5"])
def test_a_window_without_width_is_left_out(state, width):
    centre = ["1", "2"] if isinstance(width, list) else "1"
    assert "SoftcopyVOILUTSequence" not in state(WindowCenter=centre, WindowWidth=width)


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRBigEndian])
def test_a_table_keeps_its_values_in_other_byte_orders(image_file, write, syntax):
    order = ">u2" if syntax == ExplicitVRBigEndian else "<u2"
    values = [0, 1, 258, 65535]
    table = item(LUTDescriptor=[4, -2, 16], LUTData=np.array(values, order).tobytes())
    path = image_file(VOILUTSequence=[table], PixelRepresentation=1)
    header = Dataset()
    header.update(pydicom.dcmread(path))
    header.file_meta = FileMetaDataset()
    header.file_meta.TransferSyntaxUID = syntax
    header.VOILUTSequence[0]["LUTData"].VR = "OW"
    header.PixelData = np.frombuffer(header.PixelData, "<u2").astype(order).tobytes()
    header.save_as(path, enforce_file_format=True)
    files, _ = write(path, [DicomResult.GSPS])
    (lut,) = pydicom.dcmread(files[DicomResult.GSPS]).SoftcopyVOILUTSequence[0].VOILUTSequence
    assert np.frombuffer(lut.LUTData, "<u2").tolist() == values
    assert list(lut.LUTDescriptor) == [4, -2, 16]
