"""What holds for every format: telling them apart, finding images, landmarks, several readers."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_landmarks.data.annotations import (
    FORMATS,
    ImportOptions,
    export_annotations,
    get_format,
    import_annotations,
    import_several,
    landmark_list,
    merge_datasets,
)
from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.errors import ConfigError, DatasetError


def labelme(image, **points):
    shapes = [{"label": name, "points": [list(xy)], "shape_type": "point"} for name, xy in points.items()]
    return {"version": "5.4.1", "shapes": shapes, "imagePath": image}


@pytest.fixture
def reader_files(tmp_path):
    """reader_files(name, image={landmark: (x, y)}) writes a folder of LabelMe files and returns its path."""

    def make(name, **images):
        folder = tmp_path / name
        folder.mkdir()
        for image, points in images.items():
            (folder / f"{image}.json").write_text(json.dumps(labelme(f"{image[1:]}.png", **points)))
        return folder

    return make


def test_formats_are_told_apart_by_content(simulated, tmp_path):
    for name, fmt in FORMATS.items():
        if fmt.write:
            path = export_annotations(simulated, name, tmp_path / name).files[0]
            assert (
                import_annotations(path, ImportOptions(simulated.root / "images", scheme=simulated.scheme)).format
                == name
            )


def test_what_is_no_annotation_file(load, faults_of, pictures, tmp_path):
    assert "is no annotation file of a known format" in faults_of({"a": 1}, "a.json")[0]
    assert "is no coco file: these end in .json" in faults_of("1,2\n", "a.txt", format="coco")[0]
    assert (
        "a data set or a predictions file of ours already"
        in faults_of({"format": "monai_landmarks.dataset"}, "a.json")[0]
    )
    assert "line 1, column 1: no JSON" in faults_of("", "a.json")[0]
    assert "no XML" in faults_of("", "a.xml")[0]
    with pytest.raises(DatasetError, match="the file does not exist"):
        import_annotations(tmp_path / "none.json", ImportOptions(pictures))
    with pytest.raises(DatasetError, match="no annotation file in this folder"):
        import_annotations(pictures, ImportOptions(pictures))
    (tmp_path / "latin.txt").write_bytes("höhe".encode("latin-1"))
    with pytest.raises(DatasetError, match="not UTF-8"):
        import_annotations(tmp_path / "latin.txt", ImportOptions(pictures))
    assert "nested too deeply" in faults_of("[" * 100_000, "deep.json")[0]
    assert "nested too deeply" in faults_of("<annotations>" * 1000, "deep.xml")[0]
    assert "absurd numbers" in faults_of("1" * 5000, "long.json")[0]
    with pytest.raises(ConfigError, match="no annotation format is called 'yolo'"):
        get_format("yolo")


def test_a_folder_of_several_formats_is_refused(tmp_path, pictures):
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps(labelme("0001.png", a=(1, 2))))
    (folder / "b.txt").write_text("1,2\n")
    with pytest.raises(DatasetError, match="files of several formats"):
        import_annotations(folder, ImportOptions(pictures))
    assert import_annotations(folder, ImportOptions(pictures, format="labelme")).format == "labelme"


def test_what_is_left_out_beside_a_table_is_told(tmp_path, pictures):
    folder = tmp_path / "mixed"
    folder.mkdir()
    (folder / "a.csv").write_text("image,a_x,a_y\n0001,1,2\n")
    (folder / "b.json").write_text('{"mine": 1}')
    (note,) = import_annotations(folder, ImportOptions(pictures)).notes
    assert "b.json is no annotation file of that format and is left out" in note


def test_copies_in_another_format_are_matched_by_name(load, pictures, simulated):
    """No annotation tool in a browser opens DICOM; points of PNG copies of the same size belong to the DICOM file."""
    case = simulated.cases[0]
    (pictures / "0003.dcm").write_bytes((simulated.root / case.image).read_bytes())
    imported = load(labelme("somewhere/0003.png", a=(10, 20)), "x.json")
    assert imported.dataset.cases[0].image == "0003.dcm"
    assert "1 image(s) have another extension than the annotations say" in imported.notes[0]


def test_names_with_dots_are_not_cut(faults_of, load, pictures):
    (pictures / "1.2.dcm").write_bytes(b"")
    assert "no image '1.2.840'" in faults_of("image,a_x,a_y\n1.2.840,1,2\n", "x.csv")[0]
    assert "no image '1.2.840'" in faults_of(labelme("1.2.840", a=(1, 2)), "x.json")[0]
    assert "1 image(s) were found by their name alone" in load(labelme("site/0001.png", a=(1, 2)), "x.json").notes[0]


def test_one_image_annotated_twice(tmp_path, pictures):
    folder = tmp_path / "twice"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.json").write_text(json.dumps(labelme("0001.png", a=(1, 2))))
    with pytest.raises(DatasetError, match=r"annotated twice \(a.json and b.json\); import each reader's files apart"):
        import_annotations(folder, ImportOptions(pictures))


def test_landmarks_given_fix_order_and_refuse_others(load, faults_of):
    content = labelme("0001.png", b=(1, 2), a=(3, 4))
    assert load(content, "x.json").dataset.names == ("b", "a")
    assert load(content, "x.json", scheme=landmark_list("a,b,c")).dataset.names == ("a", "b", "c")
    assert "unknown landmark 'b'" in faults_of(content, "x.json", scheme=landmark_list("a,c"))[0]
    assert "unknown landmark 'b'" in faults_of("image,b_x,b_y\n0001,1,2\n", "x.csv", scheme=landmark_list("a,c"))[0]


def test_lists_of_landmarks(tmp_path, simulated):
    assert landmark_list("hip_left, hip_right").mirror == (1, 0)
    (tmp_path / "names.txt").write_text("a\n\nb\n")
    assert landmark_list(str(tmp_path / "names.txt")).names == ("a", "b")
    (tmp_path / "names.json").write_text('["a", "b"]')
    assert landmark_list(str(tmp_path / "names.json"), "pelvis").name == "pelvis"
    assert landmark_list(str(simulated.root / "dataset.json")) == simulated.scheme
    (tmp_path / "other.json").write_text('{"a": 1}')
    with pytest.raises(DatasetError, match="holds no landmarks"):
        landmark_list(str(tmp_path / "other.json"))
    # Longer than a file's name can be.
    assert len(landmark_list(",".join(f"a_rather_long_name_{number}" for number in range(30))).names) == 30
    with pytest.raises(ConfigError, match="a is named twice"):
        landmark_list("a,b,a")
    with pytest.raises(ConfigError, match=r"'none.txt' is no file"):
        landmark_list("none.txt")


def test_a_landmark_of_one_image_is_pointed_out(tmp_path, pictures):
    folder = tmp_path / "many"
    folder.mkdir()
    for number in range(4):
        Image.fromarray(np.zeros((40, 30), dtype=np.uint8)).save(pictures / f"{number}.png")
        points = {"teardrop_letf" if number == 2 else "teardrop_left": (1, 2)}
        (folder / f"{number}.json").write_text(json.dumps(labelme(f"{number}.png", **points)))
    (note,) = import_annotations(folder, ImportOptions(pictures)).notes
    assert "in one image only: teardrop_letf; if that is a typing error" in note


def test_several_readers(reader_files, pictures):
    senior = reader_files("s", i0001={"a": (1, 2), "b": (3, 4)}, i0002={"a": (5, 6)})
    junior = reader_files("j", i0001={"a": (2, 3), "c": (3, 4)})
    options = ImportOptions(pictures)
    dataset, parts = import_several([senior, junior], ["senior", "junior"], options)
    assert dataset.readers == ["senior", "junior"]
    assert dataset.names == ("a", "b", "c")
    assert [len(case.annotations) for case in dataset.cases] == [2, 1]
    assert len(parts) == 2
    with pytest.raises(DatasetError, match="case 0001: reader has annotated it already"):
        import_several([senior, junior], [], options)
    with pytest.raises(ConfigError, match="3 readers for 2 files"):
        import_several([senior, junior], ["a", "b", "c"], options)


def test_adding_to_a_data_set(reader_files, pictures, tmp_path):
    senior = reader_files("s", i0001={"a": (1, 2), "b": (3, 4)})
    junior = reader_files("j", i0001={"a": (2, 3)}, i0002={"b": (5, 6)})
    third = reader_files("t", i0001={"a": (2, 3), "c": (3, 4)})
    options = ImportOptions(pictures)
    import_several([senior], ["senior"], options)[0].relocated(tmp_path).save(tmp_path / "base.json")
    base = load_dataset(tmp_path / "base.json")
    dataset, _ = import_several([junior], ["junior"], options, base)
    assert [[a.reader for a in case.annotations] for case in dataset.cases] == [["senior", "junior"], ["junior"]]
    with pytest.raises(DatasetError, match="unknown landmark 'c'"):
        import_several([third], ["third"], ImportOptions(pictures, scheme=base.scheme), base)
    with pytest.raises(DatasetError, match="unknown landmark 'c'; first does not have it"):
        merge_datasets([base, import_several([third], ["third"], options)[0]], ["first", "second"])


def test_merging_wants_agreement(load):
    header = "image,reader,split,spacing_mm,a_x,a_y\n"
    first = load(header + "0001,senior,training,0.2,1,2\n", "a.csv").dataset
    second = load(header + "0001,junior,,,1,2\n0002,junior,test,,1,2\n", "b.csv").dataset
    merged = merge_datasets([first, second], ["a", "b"])
    assert [case.split for case in merged.cases] == ["training", "test"]
    assert merged.cases[0].spacing_mm == (0.2, 0.2)
    third = load(header + "0001,third,test,0.3,1,2\n", "c.csv").dataset
    with pytest.raises(DatasetError) as caught:
        merge_datasets([first, third], ["a", "c"])
    assert len(caught.value.faults) == 2


def test_attributes_that_differ_are_not_lost(load):
    first, same, other = (
        load(f"image,reader,kl_grade,a_x,a_y\n0001,r{n},{n // 2},1,2\n", f"{n}.csv").dataset for n in (2, 3, 4)
    )
    assert merge_datasets([first, same], ["a", "b"]).cases[0].attributes == {"kl_grade": 1}
    with pytest.raises(DatasetError, match="attribute kl_grade differs in b; make them equal"):
        merge_datasets([first, other], ["a", "b"])


def test_images_of_one_name_in_two_files(load, pictures):
    for folder in ("l", "r"):
        (pictures / folder).mkdir()
        (pictures / "0001.png").rename(pictures / folder / "x.png")
        Image.fromarray(np.zeros((40, 30), dtype=np.uint8)).save(pictures / "0001.png")
    parts = [load(f"image,a_x,a_y\n{folder}/x.png,1,2\n", f"{folder}.csv").dataset for folder in ("l", "r")]
    merged = merge_datasets(parts, ["l", "r"])
    assert [(case.id, case.image) for case in merged.cases] == [("x", "l/x.png"), ("r/x", "r/x.png")]


def test_patients_of_two_tables_are_not_confused(load, tmp_path, pictures):
    for name, patient in (("a", "Smith"), ("b", "Jones")):
        (tmp_path / f"{name}.csv").write_text(f"image,patient,p_x,p_y\n000{'ab'.index(name) + 1},{patient},1,2\n")
    paths = [tmp_path / "a.csv", tmp_path / "b.csv"]
    with pytest.raises(ConfigError, match="numbered apart"):
        import_several(paths, [], ImportOptions(pictures))
    for path, patient in zip(paths, ("P0001", "P0002")):
        path.write_text(path.read_text().replace("Smith", patient).replace("Jones", patient))
    dataset, _ = import_several(paths, [], ImportOptions(pictures))
    assert [case.patient for case in dataset.cases] == ["P0001", "P0002"]


def test_a_table_that_names_its_readers_needs_no_other(load):
    text = "image,reader,a_x,a_y\n0001,senior,1,2\n"
    with pytest.raises(ConfigError, match="names its readers"):
        load(text, "a.csv", reader="junior")
    assert load("image,a_x,a_y\n0001,1,2\n", "a.csv", reader="junior").dataset.readers == ["junior"]


@pytest.mark.parametrize(("content", "name"), [("image,a_x,a_y\n0001,1,2\n", "a.csv"), (labelme("0001.png"), "a.json")])
def test_units_only_where_a_format_leaves_them_open(load, content, name):
    with pytest.raises(ConfigError, match="leaves no unit open"):
        load(content, name, units="mm")


@pytest.mark.parametrize("image", ["a" * 5000, "a\0b"])
def test_names_no_file_can_have(faults_of, image):
    assert "no file can have that name" in faults_of(labelme(image, a=(1, 2)), "x.json")[0]


def test_options_for_tables_only(load):
    with pytest.raises(ConfigError, match="are for tables"):
        load(labelme("0001.png", a=(1, 2)), "a.json", ignore=("x",))


def test_leaving_out_and_spacing(tmp_path, pictures, reader_files):
    folder = reader_files("r", i0001={"a": (1, 2)}, i0002={"a": (1, 2)})
    dataset = import_annotations(folder, ImportOptions(pictures, leave_out=["0001"], spacing_mm=0.3)).dataset
    assert [(case.id, case.spacing_mm) for case in dataset.cases] == [("0002", (0.3, 0.3))]
    with pytest.raises(DatasetError, match="there is no case '9' to leave out"):
        import_annotations(folder, ImportOptions(pictures, leave_out=["9"]))
    dataset.relocated(tmp_path).save(tmp_path / "d.json")
    assert load_dataset(tmp_path / "d.json").names == ("a",)


def test_the_documentation_names_every_format_with_its_origin():
    page = (Path(__file__).parents[3] / "docs" / "reference" / "annotation_formats.md").read_text()
    lines = [line.split("|") for line in page.splitlines() if line.startswith("| `") and line.count("|") == 7]
    rows = {cells[1].strip(" `"): cells[4].strip() for cells in lines[1:]}
    assert set(rows) == set(FORMATS)
    for name, fmt in FORMATS.items():
        assert rows[name].startswith(fmt.origin or "fixed"), name
