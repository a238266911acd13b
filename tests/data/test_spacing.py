import pytest
from pydicom import Dataset

from monai_landmarks.data.reader import read_radiograph
from monai_landmarks.data.spacing import PLANES, Spacing, resolve_spacing, spacing_from_dicom
from monai_landmarks.errors import ConfigError

ESTIMATED = "EstimatedRadiographicMagnificationFactor"


def tags(**values):
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


# tags, user's spacing, user's magnification -> mm, source, plane; each line a rule of design.md.
RULES = {
    "nothing": ({}, None, None, None, "", "unknown"),
    "user alone": ({}, (0.3, 0.4), None, (0.3, 0.4), "user spacing", "user"),
    "user wins": (
        {"PixelSpacing": [1, 1], "ImagerPixelSpacing": [2, 2]},
        (0.3, 0.4),
        None,
        (0.3, 0.4),
        "user spacing",
        "user",
    ),
    "user both": ({"PixelSpacing": [1, 1]}, (0.3, 0.6), 1.5, (0.2, 0.4), "user spacing / user magnification", "user"),
    "magnification of the detector": (
        {"ImagerPixelSpacing": [0.2, 0.3], ESTIMATED: 1.1},
        None,
        2.0,
        (0.1, 0.15),
        "ImagerPixelSpacing / user magnification",
        "user",
    ),
    "magnification of an unspecified plane": (
        {"PixelSpacing": [0.2, 0.3]},
        None,
        2.0,
        (0.1, 0.15),
        "PixelSpacing / user magnification",
        "user",
    ),
    "magnification without spacing": ({}, None, 2.0, None, "", "unknown"),
    "magnification never on a calibration": (
        {"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.3, 0.3]},
        None,
        2.0,
        (0.2, 0.2),
        "PixelSpacing (magnification not applied)",
        "calibrated",
    ),
    "calibration named": (
        {"PixelSpacing": [0.2, 0.3], "PixelSpacingCalibrationType": "FIDUCIAL"},
        None,
        None,
        (0.2, 0.3),
        "PixelSpacing",
        "calibrated",
    ),
    "calibration named although equal": (
        {"PixelSpacing": [0.2, 0.2], "ImagerPixelSpacing": [0.2, 0.2], "PixelSpacingCalibrationType": "GEOMETRY"},
        None,
        None,
        (0.2, 0.2),
        "PixelSpacing",
        "calibrated",
    ),
    "calibration by difference": (
        {"PixelSpacing": [0.18, 0.18], "ImagerPixelSpacing": [0.2, 0.2], ESTIMATED: 1.3},
        None,
        None,
        (0.18, 0.18),
        "PixelSpacing",
        "calibrated",
    ),
    "one direction differs": (
        {"PixelSpacing": [0.2, 0.18], "ImagerPixelSpacing": [0.2, 0.2]},
        None,
        None,
        (0.2, 0.18),
        "PixelSpacing",
        "calibrated",
    ),
    "rounding is no calibration": (
        {"PixelSpacing": ["0.139", "0.139"], "ImagerPixelSpacing": ["0.1389", "0.1389"]},
        None,
        None,
        (0.1389, 0.1389),
        "ImagerPixelSpacing",
        "detector_plane",
    ),
    "estimated factor": (
        {
            "ImagerPixelSpacing": [0.2, 0.4],
            ESTIMATED: 1.25,
            "DistanceSourceToDetector": 1000,
            "DistanceSourceToPatient": 500,
        },
        None,
        None,
        (0.16, 0.32),
        f"ImagerPixelSpacing / {ESTIMATED}",
        "patient_plane",
    ),
    "distances": (
        {"ImagerPixelSpacing": [0.2, 0.4], "DistanceSourceToDetector": 1000, "DistanceSourceToPatient": 800},
        None,
        None,
        (0.16, 0.32),
        "ImagerPixelSpacing / (DistanceSourceToDetector / DistanceSourceToPatient)",
        "patient_plane",
    ),
    "factor below one is none": (
        {"ImagerPixelSpacing": [0.2, 0.2], ESTIMATED: 0.5},
        None,
        None,
        (0.2, 0.2),
        "ImagerPixelSpacing",
        "detector_plane",
    ),
    "distance in another unit": (
        {"ImagerPixelSpacing": [0.2, 0.2], "DistanceSourceToDetector": 1000, "DistanceSourceToPatient": 0.9},
        None,
        None,
        (0.2, 0.2),
        "ImagerPixelSpacing",
        "detector_plane",
    ),
    "patient behind the detector": (
        {"ImagerPixelSpacing": [0.2, 0.2], "DistanceSourceToDetector": 900, "DistanceSourceToPatient": 1000},
        None,
        None,
        (0.2, 0.2),
        "ImagerPixelSpacing",
        "detector_plane",
    ),
    "detector": ({"ImagerPixelSpacing": [0.1, 0.2]}, None, None, (0.1, 0.2), "ImagerPixelSpacing", "detector_plane"),
    "same twice": (
        {"PixelSpacing": [0.16, 0.16], "ImagerPixelSpacing": ["0.160", "0.160"]},
        None,
        None,
        (0.16, 0.16),
        "ImagerPixelSpacing",
        "detector_plane",
    ),
    "pixel spacing alone": (
        {"PixelSpacing": [0.5, 0.25], ESTIMATED: 1.2},
        None,
        None,
        (0.5, 0.25),
        "PixelSpacing",
        "unspecified",
    ),
    "zero": ({"PixelSpacing": [0, 0]}, None, None, None, "", "unknown"),
    "half zero": ({"PixelSpacing": [0.2, 0]}, None, None, None, "", "unknown"),
    "negative": ({"ImagerPixelSpacing": [-0.2, 0.2]}, None, None, None, "", "unknown"),
    "one value": ({"PixelSpacing": 0.2}, None, None, None, "", "unknown"),
    "three values": ({"PixelSpacing": [0.2, 0.2, 0.2]}, None, None, None, "", "unknown"),
    "malformed detector, good pixel": (
        {"ImagerPixelSpacing": [0, 0], "PixelSpacing": [0.2, 0.2]},
        None,
        None,
        (0.2, 0.2),
        "PixelSpacing",
        "unspecified",
    ),
    "zero is no calibration": (
        {"PixelSpacing": [0, 0], "PixelSpacingCalibrationType": "FIDUCIAL", "ImagerPixelSpacing": [0.2, 0.2]},
        None,
        None,
        (0.2, 0.2),
        "ImagerPixelSpacing",
        "detector_plane",
    ),
}


@pytest.mark.parametrize("rule", RULES)
def test_order_of_sources(rule):
    values, spacing_mm, magnification, mm, source, plane = RULES[rule]
    found = spacing_from_dicom(tags(**values), spacing_mm, magnification)
    assert (found.source, found.plane) == (source, plane)
    assert found.plane in PLANES
    assert found.mm == (None if mm is None else pytest.approx(mm))


@pytest.mark.parametrize("text", ["0,2\\0,2", "abc\\def", "", "nan\\nan", "inf\\inf", "0.2\\", "1e999\\1"])
def test_malformed_text_in_a_file_is_unknown(text, make_dicom):
    path = make_dicom(PixelSpacing=["11", "11"])
    content = path.read_bytes()
    # Element (0028,0030) with its length and value, replaced in the file.
    start = content.index(b"\x28\x00\x30\x00DS")
    padded = text.encode() + b" " * (len(text) % 2)
    element = b"\x28\x00\x30\x00DS" + len(padded).to_bytes(2, "little") + padded
    path.write_bytes(content[:start] + element + content[start + 8 + len("11\\11 ") :])
    assert read_radiograph(path).spacing == Spacing(None, "", "unknown")


@pytest.mark.parametrize("spacing_mm", [(0.0, 1.0), (-1.0, 1.0), (1.0,), (float("nan"), 1.0), "12", (None, 1.0)])
def test_a_users_impossible_spacing_is_an_error(spacing_mm):
    with pytest.raises(ConfigError, match="spacing_mm"):
        spacing_from_dicom(Dataset(), spacing_mm)


@pytest.mark.parametrize("magnification", [0, -1.2, float("inf"), "large"])
def test_a_users_impossible_magnification_is_an_error(magnification):
    with pytest.raises(ConfigError, match="magnification"):
        resolve_spacing(Spacing((1.0, 1.0), "pixdim", "unspecified"), None, magnification)


def test_files_without_tags_follow_the_same_rule():
    stored = Spacing((0.2, 0.4), "pixdim", "unspecified")
    assert resolve_spacing(stored) is stored
    assert resolve_spacing(stored, (1.0, 2.0)) == Spacing((1.0, 2.0), "user spacing", "user")
    assert resolve_spacing(stored, None, 2.0) == Spacing((0.1, 0.2), "pixdim / user magnification", "user")
    assert resolve_spacing(Spacing(None, "", "unknown"), None, 2.0).mm is None
