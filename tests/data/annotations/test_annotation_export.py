"""Which reader is written, and that what a format cannot hold is said."""

import pytest

from monai_landmarks.data.annotations import ImportOptions, export_annotations, import_annotations
from monai_landmarks.data.dataset import Annotation, load_dataset
from monai_landmarks.data.tables import import_table
from monai_landmarks.errors import ConfigError


@pytest.fixture
def two_readers(simulated):
    """Junior places every point of the second case two pixels further right, and calls the first one absent."""
    dataset = simulated.model_copy(deep=True)
    case = dataset.cases[1]
    points = {name: (x + 2, y) for name, (x, y) in case.annotations[0].points.items()}
    first = dataset.names[0]
    del points[first]
    case.annotations.append(
        Annotation(reader="junior", points=points, absent=[first], confidence={dataset.names[1]: 0.5})
    )
    return dataset


def points_of(path, dataset):
    imported = import_annotations(path, ImportOptions(dataset.root / "images", format="coco")).dataset
    case = next(case for case in imported.cases if case.id == dataset.cases[1].id)
    return case.annotations[0].points


def test_mean_one_or_all_readers(two_readers, tmp_path):
    senior = two_readers.cases[1].annotations[0]
    second, first = two_readers.names[1], two_readers.names[0]
    x, y = senior.points[second]
    mean = export_annotations(two_readers, "coco", tmp_path / "mean")
    assert points_of(tmp_path / "mean", two_readers)[second] == pytest.approx((x + 1, y), abs=1e-3)
    assert points_of(tmp_path / "mean", two_readers)[first] == pytest.approx(senior.points[first], abs=1e-3)
    assert any("the mean of simulator, junior is written" in note for note in mean.notes)
    # The cases that junior has not looked at are not written.
    assert export_annotations(two_readers, "coco", tmp_path / "one", reader="junior").cases == 1
    assert mean.cases == len(two_readers.cases)
    assert points_of(tmp_path / "one", two_readers)[second] == pytest.approx((x + 2, y), abs=1e-3)
    written = export_annotations(two_readers, "coco", tmp_path / "all", reader="all")
    assert sorted(path.parent.name for path in written.files) == ["junior", "simulator"]
    assert points_of(tmp_path / "all" / "junior", two_readers)[second] == pytest.approx((x + 2, y), abs=1e-3)
    with pytest.raises(ConfigError, match="no reader is called nobody; choose mean, all, simulator, junior"):
        export_annotations(two_readers, "coco", tmp_path, reader="nobody")


@pytest.mark.parametrize("format", ["coco", "cvat", "labelme"])
def test_one_readers_cases_keep_the_names_they_have_among_all(simulated, tmp_path, format):
    """Two folders with a file of one name, of which one is proposed: it must not come back as the other's points."""
    (tmp_path / "images" / "later").mkdir(parents=True)
    cases = []
    for case, image in zip(simulated.cases, ("images/1.dcm", "images/later/1.dcm")):
        (tmp_path / image).write_bytes((simulated.root / case.image).read_bytes())
        cases.append(case.model_copy(deep=True, update={"image": image}))
    cases[1].annotations[0].reader = "one_shot"
    simulated.model_copy(update={"cases": cases}).save(tmp_path / "both.json")
    written = export_annotations(load_dataset(tmp_path / "both.json"), format, tmp_path / "out", reader="one_shot")
    assert written.cases == 1
    assert any("one_shot has annotated nothing" in note for note in written.notes)
    imported = import_annotations(tmp_path / "out", ImportOptions(tmp_path / "images", format=format)).dataset
    assert [case.image for case in imported.cases if case.annotations] == ["later/1.dcm"]


def test_readers_whose_folders_would_be_one(two_readers, tmp_path):
    two_readers.cases[1].annotations[1].reader = "Simulator?"
    two_readers.cases[0].annotations[0].reader = "simulator_"
    with pytest.raises(ConfigError, match="several readers would be written to one folder, simulator_"):
        export_annotations(two_readers, "coco", tmp_path / "all", reader="all")
    assert not (tmp_path / "all").exists()


def test_mean_in_a_table_has_a_name_of_its_own(two_readers, tmp_path):
    path = export_annotations(two_readers, "csv", tmp_path).files[0]
    dataset = import_annotations(path, ImportOptions(two_readers.root / "images")).dataset
    assert dataset.readers == ["mean of simulator, junior"]


def test_what_is_lost_is_said(two_readers, tmp_path):
    two_readers.cases[0].spacing_mm = (0.2, 0.2)
    said = " ".join(export_annotations(two_readers, "via", tmp_path / "via").notes)
    for part in (
        "absent landmarks, which become unlabelled (2 case(s))",
        "confidence (1 case(s))",
        "splits (2 case(s))",
        "patients (2 case(s))",
        "spacing and magnification given by hand (1 case(s))",
        "left/right pairs",
        "does not show DICOM files",
    ):
        assert part in said, said
    said = " ".join(export_annotations(two_readers, "csv", tmp_path / "csv", reader="all").notes)
    assert "csv files do not hold confidence (1 case(s))" in said
    assert "splits" not in said


def test_frames_are_left_out_and_said(two_readers, tmp_path):
    two_readers.cases[0].frame = 2
    written = export_annotations(two_readers, "labelme", tmp_path / "l")
    assert len(written.files) == 1
    assert any(f"knows no frames: 1 case(s) ({two_readers.cases[0].id})" in note for note in written.notes)
    assert "frame" in export_annotations(two_readers, "csv", tmp_path / "c").files[0].read_text().splitlines()[0]


def test_a_case_that_lacks_a_point_is_not_written_as_text(two_readers, tmp_path):
    written = export_annotations(two_readers, "isbi", tmp_path)
    assert [path.stem for path in written.files] == [two_readers.cases[1].id]
    assert any("cannot leave out a landmark" in note for note in written.notes)
    with pytest.raises(ConfigError, match=r"nothing to write; .*cannot leave out a landmark"):
        export_annotations(two_readers, "isbi", tmp_path, reader="junior")


def test_images_of_one_name_in_two_folders(two_readers, tmp_path):
    source = two_readers.root / two_readers.cases[0].image
    for case, name in zip(two_readers.cases, ("a/x.dcm", "b/x.dcm")):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(source.read_bytes())
        case.image = name
        case.size = None
    dataset = two_readers.model_copy(update={"root": tmp_path})
    for name in ("labelme", "coco", "slicer"):
        out = tmp_path / "out" / name
        export_annotations(dataset, name, out, reader="simulator")
        back = import_annotations(out, ImportOptions(tmp_path, extension="dcm")).dataset
        assert [case.image for case in back.cases] == ["a/x.dcm", "b/x.dcm"], name
        assert [case.id for case in back.cases] == ["a/x", "b/x"]


@pytest.mark.parametrize(
    ("values", "told"),
    [(["007", "8"], True), ([7, "a"], True), ([7, 8.5], False), (["007", "a"], False), (["1_0", "a"], False)],
)
def test_attributes_a_table_takes_for_something_else(simulated, tmp_path, values, told):
    cases = [case.model_copy(update={"attributes": {"code": value}}) for case, value in zip(simulated.cases, values)]
    dataset = simulated.model_copy(update={"cases": cases})
    exported = export_annotations(dataset, "csv", tmp_path)
    assert any("of the attributes code, texts that look like numbers" in note for note in exported.notes) == told
    again = import_table(tmp_path / "landmarks.csv", simulated.root)
    changed = [case.attributes["code"] for case in again.cases] != values
    assert changed == told
