from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pytest
from dicom_samples import POINTS, predicted
from pydicom.sr.codedict import codes

from monai_landmarks.data.spacing import PLANES
from monai_landmarks.export import codes as own
from monai_landmarks.export.kinds import DicomResult
from monai_landmarks.export.predictions import PredictedPoint
from monai_landmarks.export.source import OPTIONAL, REQUIRED
from monai_landmarks.measure import Measured

LENGTH = Measured(
    "leg_length_difference",
    "Leg length difference",
    "distance",
    "mm",
    3.14159,
    0.7,
    (-10.0, 10.0),
    "user",
    None,
    ("a",),
)
ANGLE = Measured("an_angle", "An angle", "angle", "deg", 41.5, None, None, "", None, ("a", "b"))
RATIO = Measured("a_ratio", "A ratio", "ratio", "1", 0.25, None, None, "", None, ("a", "b"))
PIXELS = replace(LENGTH, unit="px", normal=None, uncertainty=None, plane="")
MISSING = Measured("missing", "Missing", "angle", "deg", None, None, None, "", "a is absent", ("a",))


@pytest.fixture
def report(image_file, write):
    def make(measurements=(), points=POINTS, frame=1, **changes):
        path = image_file(**changes)
        files, notes = write(path, [DicomResult.SR], points=points, measurements=measurements, frame=frame)
        return hd.sr.srread(files[DicomResult.SR]), notes

    return make


def landmarks(document):
    groups = document.content.get_planar_roi_measurement_groups()
    return {group.tracking_identifier: group for group in groups}


def summary(document):
    (group,) = document.content.get_image_measurement_groups()
    return group


def evaluations(document):
    return {evaluation.name.value: evaluation.value for evaluation in summary(document).get_qualitative_evaluations()}


def units(document):
    """Every unit in the document."""
    return {item.CodeValue for item in _units(document)}


def _units(dataset):
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                if element.keyword == "MeasurementUnitsCodeSequence":
                    yield item
                yield from _units(item)


def test_points_are_columns_and_rows_from_the_upper_left_corner(report):
    document, notes = report()
    groups = landmarks(document)
    # The third is absent; the fourth is beyond the last row's edge, at 39.5.
    assert list(groups) == ["teardrop_left", "teardrop_right"]
    for point in POINTS[:2]:
        roi = groups[point.name].roi
        assert roi.graphic_type is hd.sr.GraphicTypeValues.POINT
        np.testing.assert_allclose(roi.value, [[point.column + 0.5, point.row + 0.5]], atol=1e-5)
    assert notes == ["outside the image, left out of the DICOM results: outside_one"]


def test_a_landmark_has_its_concept_site_certainty_and_confidence(report):
    document, _ = report()
    group = landmarks(document)["teardrop_left"]
    assert (group.finding_type.value, group.finding_type.scheme_designator) == ("landmark.teardrop_left", "99MLMK")
    assert group.finding_category == codes.SCT.AnatomicalStructure
    (site,) = group.finding_sites
    assert site.value == codes.SCT.Acetabulum
    assert site.laterality == codes.SCT.Left
    certainty, confidence = group.get_measurements()
    assert (certainty.name, certainty.value, certainty.unit) == (codes.DCM.CertaintyOfFinding, 99, codes.UCUM.Percent)
    assert (confidence.name.value, confidence.value, confidence.unit.value) == ("confidence", 0.8123, "1")


def test_what_is_missing_is_told(report):
    document, _ = report([MISSING])
    told = evaluations(document)
    assert told["landmark.absent_one"] == codes.SCT.Absent
    assert told["landmark.outside_one"].value == "outside"
    assert told["measurement.missing"].value == "not_computed"
    assert not [m for m in summary(document).get_measurements() if m.name.value == "measurement.missing"]


def test_flags_observer_and_algorithm(report, device):
    document, _ = report()
    assert document.VerificationFlag == "UNVERIFIED"
    assert document.PreliminaryFlag == "PRELIMINARY"
    assert document.CompletionFlag == "PARTIAL"
    (observer,) = document.content.get_observer_contexts()
    assert observer.observer_type == codes.DCM.Device
    assert observer.observer_identifying_attributes.uid == device.uid
    texts = {
        item.ConceptNameCodeSequence[0].CodeValue: item.TextValue
        for item in landmarks(document)["teardrop_left"][0].ContentSequence
        if item.ValueType == "TEXT"
    }
    assert texts["111001"] == "label_augmentation"
    assert texts["111003"] == "0.1.0"
    assert texts["122405"] == "monai_landmarks"
    (scheme,) = document.CodingSchemeIdentificationSequence
    assert (scheme.CodingSchemeDesignator, scheme.CodingSchemeVersion) == ("99MLMK", "1")


def test_complete_only_with_every_landmark_and_value(report):
    assert report([LENGTH], POINTS[:2])[0].CompletionFlag == "COMPLETE"
    assert report([MISSING], POINTS[:2])[0].CompletionFlag == "PARTIAL"
    assert report([LENGTH], POINTS[:3])[0].CompletionFlag == "PARTIAL"


def test_measurements_with_units_range_and_uncertainty(report):
    document, _ = report([LENGTH, ANGLE, RATIO], PixelSpacing=["0.2", "0.3"])
    found = {m.name.value: m for m in summary(document).get_measurements()}
    length = found["measurement.leg_length_difference"]
    assert (length.value, length.unit) == (3.1416, codes.UCUM.Millimeter)
    assert length.name.meaning == "Leg length difference"
    properties = {item.name.value: (item.value, item.unit.value) for item in hd.sr.utils.find_content_items(length[0])}
    assert properties == {
        codes.cid223.NormalRangeLowerLimit.value: (-10, "mm"),
        codes.cid223.NormalRangeUpperLimit.value: (10, "mm"),
        "371886008": (0.7, "mm"),
        "371885007": (0.7, "mm"),
    }
    assert (found["measurement.an_angle"].value, found["measurement.an_angle"].unit.value) == (41.5, "deg")
    assert (found["measurement.a_ratio"].value, found["measurement.a_ratio"].unit.value) == (0.25, "1")


def test_the_spacing_and_its_plane(report):
    document, _ = report(PixelSpacing=["0.2", "0.3"])
    spacing = {m.name.meaning: (m.value, m.unit.value) for m in summary(document).get_measurements()}
    assert spacing == {"Vertical Pixel Spacing": (0.2, "mm"), "Horizontal Pixel Spacing": (0.3, "mm")}
    assert evaluations(document)["spacing_plane"].value == "plane.unspecified"


def test_no_millimetres_without_spacing(report):
    document, _ = report([PIXELS, ANGLE])
    assert units(document) == {"%", "1", "{pixels}", "deg"}
    assert evaluations(document)["spacing_plane"].value == "plane.unknown"


def test_an_image_without_any_point_has_a_report_too(report):
    document, _ = report(points=POINTS[2:3])
    assert landmarks(document) == {}
    assert evaluations(document)["landmark.absent_one"] == codes.SCT.Absent


def test_a_landmark_that_was_not_looked_for_is_not_called_absent(report):
    document, _ = report(points=[PredictedPoint("absent_one", float("nan"), float("nan"), 0.0, float("nan"))])
    assert evaluations(document)["landmark.absent_one"].value == "not_sought"


def test_the_reference_names_the_frame_of_several(report):
    document, _ = report(frames=3, frame=2)
    reference = landmarks(document)["teardrop_left"].roi.ContentSequence[0].ReferencedSOPSequence[0]
    assert reference.ReferencedFrameNumber == 2
    (source,) = summary(document).source_images
    assert source.referenced_frame_numbers == [2]


def test_the_reference_to_a_single_frame_names_none(report):
    document, _ = report()
    reference = landmarks(document)["teardrop_left"].roi.ContentSequence[0].ReferencedSOPSequence[0]
    assert "ReferencedFrameNumber" not in reference


def test_names_of_any_letters(report):
    name = "Größe \\ μ " + 80 * "x"
    document, _ = report(points=[replace(POINTS[0], name=name)])
    group = landmarks(document)[name]
    assert "\\" not in group.finding_type.meaning
    assert len(group.finding_type.meaning.encode()) <= 64
    assert group.finding_sites == []


def test_sites_and_sides():
    assert own.site_of("left_femoral_head_centre") == codes.SCT.FemoralHead
    assert own.site_of("tibial_plateau_medial") == codes.SCT.TibialPlateau
    assert own.site_of("tibial_spine_medial") == codes.SCT.Tibia
    assert own.site_of("answer") is None
    assert own.site_of("ANS") == codes.SCT.Maxilla
    assert own.side_of("right_hip") == codes.SCT.Right
    assert own.side_of("copyright") is None
    assert own.side_of("left_to_right") is None


def test_the_documentation_lists_every_code():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "dicom_results.md").read_text()
    sites = [f"| `{beginning}` | {code.value} {code.meaning} |" for beginning, code in own.SITES.items()]
    concepts = [own.CONFIDENCE, own.PLANE, own.OUTSIDE, own.NOT_COMPUTED, own.SUMMARY]
    private = [f"| `{value}` | {meaning} |" for value, meaning in concepts]
    planes = [f"| `plane.{value}` | {meaning} |" for value, meaning in own.PLANES.items()]
    lines = set(page.splitlines())
    assert [line for line in (*sites, *private, *planes) if line not in lines] == []
    assert [name for name in (*REQUIRED, *OPTIONAL) if name not in page] == []


def test_every_plane_has_a_concept():
    assert set(own.PLANES) == set(PLANES)


@pytest.mark.parametrize("frames", [1, 3])
def test_valid_dicom(image_file, write, frames, dicom_errors):
    path = image_file(frames=frames, PixelSpacing=["0.2", "0.3"])
    measurements = [LENGTH, ANGLE, RATIO, PIXELS, MISSING]
    files, _ = write(path, measurements=measurements, frame=frames)
    assert predicted(path).spacing == (0.2, 0.3)
    for file in files.values():
        assert dicom_errors(file) == set(), file
