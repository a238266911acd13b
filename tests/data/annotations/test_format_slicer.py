"""3D Slicer markups, and that points lie where ITK, which Slicer reads images with, puts them."""

import json

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
import tifffile
from PIL import Image

from monai_landmarks.data.annotations import export_annotations
from monai_landmarks.data.annotations.itk_grid import itk_grid
from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset
from monai_landmarks.errors import ConfigError, ReadError
from monai_landmarks.scheme import Landmark, Scheme

POINTS = [(0.0, 0.0), (3.25, 7.5), (17.0, 1.125)]
CLASSES = {
    "CR": "1",
    "DX": "1.1",
    "DX for processing": "1.1.1",
    "mammography": "1.2",
    "intra-oral": "1.3",
    "secondary capture": "7",
    "multi-frame secondary capture": "7.3",
    "CT": "2",
    "XA": "12.1",
    "RF": "12.2",
    "enhanced XA": "12.1.1",
    "photograph": "77.1.4",
    "ultrasound": "6.1",
}
TAGS = [
    {},
    {"PixelSpacing": [0.2, 0.3]},
    {"ImagerPixelSpacing": [0.4, 0.5]},
    {"NominalScannedPixelSpacing": [0.6, 0.7]},
    {"PixelSpacing": [0.2, 0.3], "ImagerPixelSpacing": [0.4, 0.5], "EstimatedRadiographicMagnificationFactor": 1.2},
]


def markups(*points, **changes):
    """As 3D Slicer 5 saves a point list; without a position it writes an empty text."""
    return {
        "@schema": "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/markups-schema-v1.0.3.json#",
        "markups": [{"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm", "locked": False,
                     "fixedNumberOfControlPoints": False, "labelFormat": "%N-%d", "controlPoints": list(points),
                     "measurements": [], "display": {"visibility": True, "opacity": 1.0}} | changes],
    }  # fmt: skip


def point(label, position, status="defined"):
    return {"id": "1", "label": label, "description": "", "associatedNodeID": "", "position": position,
            "orientation": [-1.0, 0, 0, 0, -1.0, 0, 0, 0, 1.0], "selected": True, "locked": False,
            "visibility": True, "positionStatus": status}  # fmt: skip


def assert_itk_agrees(path):
    """Positions equal TransformContinuousIndexToPhysicalPoint of the image as ITK reads it, and lead back."""
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    flat = reader.GetDimension() == 2
    # A picture's header alone knows its place; an image of the same geometry does the sum.
    image = SimpleITK.Image([1] * reader.GetDimension(), SimpleITK.sitkUInt8)
    image.SetSpacing(reader.GetSpacing()[: reader.GetDimension()])
    image.SetOrigin(reader.GetOrigin())
    image.SetDirection(reader.GetDirection())
    grid = itk_grid(path)
    for x, y in POINTS:
        index = (x, y) if flat else (x, y, 0.0)
        expected = [*image.TransformContinuousIndexToPhysicalPoint(index), *([0.0] if flat else [])]
        lps = grid.to_lps(x, y)
        assert lps == pytest.approx(expected, abs=1e-5), path.name
        assert grid.to_pixels(tuple(lps)) == pytest.approx((x, y), abs=1e-6)


@pytest.mark.parametrize("name", CLASSES)
def test_itk_reads_the_spacing_of_a_dicom_class_so(name, make_dicom):
    uid = f"1.2.840.10008.5.1.4.1.1.{CLASSES[name]}"
    for tags in TAGS:

        def change(ds):
            ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = uid

        assert_itk_agrees(make_dicom(change=change, **tags))


def test_itk_uses_position_and_orientation(make_dicom):
    placed = {"ImagePositionPatient": [1, 2, 3], "ImageOrientationPatient": [0, 1, 0, 0, 0, -1]}
    assert_itk_agrees(make_dicom(ImagerPixelSpacing=[0.4, 0.5], **placed))


def test_a_spacing_of_zero_is_a_millimetre(make_dicom):
    assert_itk_agrees(make_dicom(ImagerPixelSpacing=[0, 0]))
    assert_itk_agrees(make_dicom(ImagerPixelSpacing=[0.2, 0]))
    with pytest.raises(ReadError, match="no pair of positive numbers"):
        itk_grid(make_dicom(ImagerPixelSpacing=[-0.2, 0.2]))


def test_itk_on_pictures(tmp_path):
    image = Image.fromarray(np.zeros((20, 30), dtype=np.uint8))
    for name, options in {"a.png": {}, "b.png": {"dpi": (254, 127)}, "c.jpg": {}, "d.jpg": {"dpi": (254, 127)}}.items():
        image.save(tmp_path / name, **options)
    for name, unit in {"e.tif": "INCH", "f.tif": "CENTIMETER", "g.tif": "NONE"}.items():
        tifffile.imwrite(tmp_path / name, np.asarray(image), resolution=(100, 50), resolutionunit=unit)
    image.save(tmp_path / "h.tif")
    affine = np.array([[-0.3, 0, 0, 5], [0, -0.4, 0, 6], [0, 0, 1, 7], [0, 0, 0, 1.0]])
    nib.save(nib.Nifti1Image(np.zeros((30, 20, 1), dtype=np.uint8), affine), tmp_path / "i.nii")
    for path in sorted(tmp_path.iterdir()):
        assert_itk_agrees(path)


def test_itk_on_public_radiographs(public_radiographs):
    for path in public_radiographs:
        assert_itk_agrees(path)


def test_itk_on_simulated_radiographs(simulated):
    for case in simulated.cases:
        assert_itk_agrees(simulated.root / case.image)


def test_a_turned_picture_is_refused(tmp_path):
    exif = Image.Exif()
    exif[0x112] = 6
    Image.new("L", (30, 20)).save(tmp_path / "a.jpg", exif=exif)
    with pytest.raises(ReadError, match="turned by its orientation tag"):
        itk_grid(tmp_path / "a.jpg")


def test_states_and_coordinate_systems(load, pictures):
    Image.new("L", (30, 20)).save(pictures / "0003.jpg", dpi=(254, 127))  # 0.1 mm across, 0.2 mm down
    content = markups(
        point("b", [1.0, 2.0, 0.0]),
        point("a", "", "undefined"),
        point("c", "", "missing"),
        point("d", [0, 0, 0], "preview"),
    )
    for name in ("0003.mrk.json", "0003.json"):
        imported = load(content, name)
        (annotation,) = imported.dataset.cases[0].annotations
        assert imported.dataset.names == ("b", "a", "c", "d")
        assert annotation.points["b"] == pytest.approx((10.0, 10.0))
        assert annotation.absent == ["c"]
        assert set(annotation.points) == {"b"}
    ras = markups(
        point("b", [-1000.0, -2000.0, 0.0]), coordinateSystem="RAS", coordinateUnits=["um", "UCUM", "micrometer"]
    )
    assert load(ras, "0003.mrk.json").dataset.cases[0].annotations[0].points["b"] == pytest.approx((10.0, 10.0))
    line = markups(point("b", [1.0, 2.0, 0.0]))
    line["markups"].append({"type": "Line", "controlPoints": []})
    assert load(line, "0003.mrk.json").notes == ("1 markup(s) of the type 'Line' are no point lists and are left out",)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (markups(point("a", [1, 2])), "controlPoints[0].position: must hold three numbers, holds 2"),
        (markups(point("a", [1, "2", 3])), "controlPoints[0].position[1]: must be a number"),
        (markups(point("a", "")), "controlPoints[0].position: must be a list"),
        (markups(point("a", [1, 2, 3], "lost")), "positionStatus: 'lost' is unknown"),
        (markups(point("a", [1, 2, 0]), point("a", [1, 2, 0])), "landmark 'a' is labelled twice"),
        (markups(point("", [1, 2, 0])), "label: must be a text"),
        (markups(point("a", [1, 2, 0]), coordinateSystem="IJK"), "coordinateSystem: must be LPS or RAS, is 'IJK'"),
        (markups(point("a", [1, 2, 0]), coordinateUnits="inch"), "coordinateUnits: must be mm, is 'inch'"),
        ({"markups": [{"controlPoints": []}]}, "key markups[0]: 'type' is missing"),
    ],
)
def test_malformed_files(faults_of, content, fault):
    assert fault in faults_of(content, "0001.mrk.json")[0]


def test_the_files_name_must_be_the_images(faults_of):
    (fault,) = faults_of(markups(point("a", [1, 2, 0])), "F.mrk.json")
    assert "no image 'F'" in fault
    assert "name the markups after their image" in fault


def test_every_landmark_is_written_with_its_status(simulated, tmp_path):
    paths = export_annotations(simulated, "slicer", tmp_path).files
    points = json.loads(paths[0].read_text())["markups"][0]["controlPoints"]
    first = simulated.cases[0].annotations[0]
    states = {p["label"]: p["positionStatus"] for p in points}
    expected = {
        n: "defined" if n in first.points else "missing" if n in first.absent else "undefined" for n in simulated.names
    }
    assert states == expected
    assert {"defined", "missing", "undefined"} <= set(states.values())


def test_missing_images_are_asked_for(tmp_path):
    case = Case(id="x", image="x.png", size=(3, 3), annotations=[Annotation(reader="r", points={"a": (1, 1)})])
    dataset = LandmarkDataset(scheme=Scheme(name="s", landmarks=(Landmark(name="a"),)), cases=[case], root=tmp_path)
    with pytest.raises(ConfigError, match="--images"):
        export_annotations(dataset, "slicer", tmp_path / "out")


def test_nothing_is_written_where_one_image_cannot_be_placed(pictures, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    for name in ("0002.png", "0003.png"):
        Image.new("L", (30, 40)).save(pictures / name, exif=exif)
    cases = [
        Case(id=name, image=f"{name}.png", size=(40, 30), annotations=[Annotation(reader="r", points={"a": (1, 2)})])
        for name in ("0001", "0002", "0003")
    ]
    dataset = LandmarkDataset(scheme=Scheme(name="s", landmarks=(Landmark(name="a"),)), cases=cases, root=pictures)
    with pytest.raises(ReadError, match=r"(?s)0002.png: is turned.*0003.png: is turned"):
        export_annotations(dataset, "slicer", tmp_path / "out")
    assert not (tmp_path / "out").exists()
