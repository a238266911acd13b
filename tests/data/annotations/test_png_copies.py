"""PNG copies of DICOM files: made, annotated in a tool's file, and taken back to the DICOM files."""

import json
import struct

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from monai_landmarks.cli.main import build_app
from monai_landmarks.data.annotations import ImportOptions, export_annotations, import_annotations
from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset
from monai_landmarks.data.image_files import png_names
from monai_landmarks.errors import ConfigError
from monai_landmarks.scheme import Landmark, Scheme

SIZE = (24, 18)
POINTS = {"sub/0001.dcm": (3.25, 4.5), "other/0001.dcm": (7.0, 8.0), "1.2.840.10008": (5.0, 6.5)}
TOOLS = ("via", "via-csv", "coco", "labelme", "cvat")


@pytest.fixture
def radiographs(make_dicom, tmp_path):
    """Three images, two of one name and one without extension; a broken one, a duplicate and a text."""
    for number, name in enumerate(POINTS):
        inverse = {"PhotometricInterpretation": "MONOCHROME1"} if number == 0 else {}
        make_dicom(name=f"dicom/{name}", instance=f"1.2.{number}", **inverse)
    return tmp_path / "dicom"


@pytest.fixture
def dataset(radiographs):
    cases = [
        Case(id=image, image=image, annotations=[Annotation(reader="senior", points={"a": point})])
        for image, point in POINTS.items()
    ]
    return LandmarkDataset(scheme=Scheme(name="one", landmarks=(Landmark(name="a"),)), cases=cases, root=radiographs)


def pictures(*arguments):
    return CliRunner().invoke(build_app(), ["pictures", *map(str, arguments)])


def chunks(path):
    """The kinds of a PNG file's chunks."""
    content, at, kinds = path.read_bytes(), 8, set()
    while at < len(content):
        (length,) = struct.unpack(">I", content[at : at + 4])
        kinds.add(content[at + 4 : at + 8])
        at += length + 12
    return kinds


def test_copies_are_pixels_and_nothing_else(radiographs, tmp_path):
    result = pictures(radiographs, "-o", tmp_path / "png")
    assert result.exit_code == 0, result.output
    assert "3 written, 0 failed, 0 skipped" in result.output
    found = {path.relative_to(tmp_path / "png").as_posix() for path in (tmp_path / "png").rglob("*.png")}
    assert found == {"sub/0001.png", "other/0001.png", "1.2.840.10008.png"}
    grey = {}
    for name in found:
        assert chunks(tmp_path / "png" / name) == {b"IHDR", b"IDAT", b"IEND"}
        with Image.open(tmp_path / "png" / name) as image:
            assert (image.mode, image.size) == ("L", SIZE[::-1])
            grey[name] = np.asarray(image).astype(int)
            assert (grey[name].min(), grey[name].max()) == (0, 255)
    # The same stored values, MONOCHROME1 in one of them.
    assert np.corrcoef(grey["sub/0001.png"].ravel(), grey["other/0001.png"].ravel())[0, 1] < -0.99


def test_what_cannot_be_copied_is_listed(radiographs, make_dicom, tmp_path):
    make_dicom(name="dicom/sub/again.dcm", instance="1.2.0", PhotometricInterpretation="MONOCHROME1")
    (radiographs / "notes.txt").write_text("no image")
    broken = make_dicom(name="dicom/z.dcm", instance="1.2.9")
    broken.write_bytes(broken.read_bytes()[:-100])
    result = pictures(radiographs, "-o", tmp_path / "png")
    assert result.exit_code == 1
    assert "3 written, 1 failed, 2 skipped" in result.output
    assert f"skipped {radiographs / 'sub' / 'again.dcm'}: the same image as" in result.output
    assert f"failed  {broken}: {broken}: the pixel data" in result.output


@pytest.mark.parametrize("output", ["dicom", "dicom/png"])
def test_copies_do_not_lie_among_the_originals(radiographs, tmp_path, output):
    result = pictures(radiographs, "-o", tmp_path / output, "--force")
    assert isinstance(result.exception, ConfigError)
    assert "lies among the radiographs" in str(result.exception)
    assert isinstance(pictures(radiographs / "1.2.840.10008", "-o", radiographs).exception, ConfigError)
    assert not list(radiographs.rglob("*.png"))


def test_names_that_would_be_one_keep_their_extension():
    assert png_names(["a.dcm", "A.tif", "b/a.DCM", "1.2.3", "c.nii.gz"]) == {
        "a.dcm": "a.dcm.png",
        "A.tif": "A.tif.png",
        "b/a.DCM": "b/a.png",
        "1.2.3": "1.2.3.png",
        "c.nii.gz": "c.nii.gz.png",
    }


@pytest.mark.parametrize("beside", [False, True], ids=["copies elsewhere", "copies beside"])
@pytest.mark.parametrize("tool", TOOLS)
def test_annotations_name_the_copies_and_come_back_to_the_dicom_files(dataset, radiographs, tmp_path, tool, beside):
    out = tmp_path / "out"
    if beside:
        assert pictures(radiographs, "-o", out).exit_code == 0
    exported = export_annotations(dataset, tool, out, png=True)
    assert not any("DICOM" in note for note in exported.notes)
    text = "".join(path.read_text() for path in exported.files)
    assert "0001.png" in text
    assert "1.2.840.10008.png" in text
    assert ".dcm" not in text
    scheme = dataset.scheme
    source = out if tool == "labelme" else exported.files[0]
    imported = import_annotations(source, ImportOptions(images=radiographs, scheme=scheme, format=tool)).dataset
    points = {case.image: case.annotations[0].points["a"] for case in imported.cases}
    assert points.keys() == POINTS.keys()
    for image, point in POINTS.items():
        assert points[image] == pytest.approx(point, abs=1e-3)


def test_labelme_finds_the_copies_from_its_own_files(dataset, radiographs, tmp_path):
    pictures(radiographs, "-o", tmp_path / "out")
    for path in export_annotations(dataset, "labelme", tmp_path / "out", png=True).files:
        assert (path.parent / json.loads(path.read_text())["imagePath"]).is_file()
        assert path.with_suffix(".png").is_file()


@pytest.mark.parametrize("tool", ["slicer", "csv"])
def test_who_opens_dicom_needs_no_copies(dataset, tmp_path, tool):
    with pytest.raises(ConfigError, match="needs no PNG copies"):
        export_annotations(dataset, tool, tmp_path / "out", png=True)
