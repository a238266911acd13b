from pathlib import Path

import numpy as np
import pytest

from monai_landmarks.data.dataset import find_faults
from monai_landmarks.data.pseudonyms import pseudonyms, write_pseudonyms
from monai_landmarks.data.table_file import read_table
from monai_landmarks.data.tables import import_table, scheme_of, unused_images
from monai_landmarks.errors import ConfigError, DatasetError

ISBI = Path(__file__).parents[2].parent / "shared" / "data" / "isbi2015"


@pytest.fixture
def folder(tmp_path):
    for name in ("001.png", "002.png", "sub/003.jpg", "sub/001.txt", "IM7", ".hidden"):
        (tmp_path / "images" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "images" / name).touch()
    return tmp_path


def load(folder, text, **options):
    table = folder / "points.csv"
    table.write_text(text, encoding="utf-8")
    return import_table(table, folder / "images", **options)


def faults_of(folder, text, **options):
    with pytest.raises(DatasetError) as caught:
        load(folder, text, **options)
    return caught.value.faults


def test_wide_table(folder):
    text = (
        "\ufeffFile,Set,Annotator,hip_left_x,hip_left_y,hip_right_x,hip_right_y,mid_x,mid_y,patient_id,side,grade,site,w\n"
        "001,train,senior,10,20,30.5,20,absent,absent,Smith,left,2,north,1.5\n"
        "001,train,junior,11,21,,,,absent,Smith,L,2,north,2\n"
        "\n"
        "002.png,test1,senior,1,2,3,4,5,6,Jones,,,south,\n"
        "003,,senior,,,,,,,,,3,,\n"
    )
    dataset = load(folder, text, scheme_name="hips", spacing_mm=0.3, split_names={"test1": "test"}, ignore=["w"])
    assert dataset.scheme.name == "hips"
    assert dataset.names == ("hip_left", "hip_right", "mid")
    assert dataset.scheme.mirror == (1, 0, 2)
    assert dataset.root == folder / "images"
    one, two, three = dataset.cases
    assert [c.image for c in dataset.cases] == ["001.png", "002.png", "sub/003.jpg"]
    assert [c.split for c in dataset.cases] == ["training", "test", None]
    assert [c.patient for c in dataset.cases] == ["P0001", "P0002", None]
    assert (one.side, one.spacing_mm, one.attributes) == ("L", (0.3, 0.3), {"grade": 2, "site": "north"})
    senior, junior = one.annotations
    assert senior.points == {"hip_left": (10, 20), "hip_right": (30.5, 20)}
    assert senior.absent == ["mid"]
    assert junior.points == {"hip_left": (11, 21)}
    assert junior.absent == ["mid"]
    assert two.attributes == {"site": "south"}
    assert three.annotations == []
    assert find_faults(dataset) == []
    assert unused_images(dataset) == ["IM7"]


def test_long_table_with_semicolons_frames_and_a_corner_origin(folder):
    text = (
        "image;frame;landmark;x;y;spacing_mm;magnification\n"
        "IM7;1;KNEE_L;1,5;2;0,2 0,3;1,1\n"
        "IM7;1;KNEE_R;4;5,25;;\n"
        "IM7;2;KNEE_R;absent;;;\n"
        "001;;KNEE_L;;;;\n"
    )
    dataset = load(folder, text, origin="corner", spacing_mm=(0.4, 0.5))
    assert [c.id for c in dataset.cases] == ["IM7_frame1", "IM7_frame2", "001_frame1"]
    assert [c.spacing_mm for c in dataset.cases] == [(0.2, 0.3), (0.4, 0.5), (0.4, 0.5)]
    assert [c.magnification for c in dataset.cases] == [1.1, None, None]
    assert dataset.scheme.mirror == (1, 0)
    (annotation,) = dataset.cases[0].annotations
    assert annotation.reader == "reader"
    assert annotation.points == {"KNEE_L": (1.0, 1.5), "KNEE_R": (3.5, 4.75)}
    assert dataset.cases[1].annotations[0].absent == ["KNEE_R"]
    assert dataset.scheme.name == "points"


def test_every_fault_of_the_lines_with_its_number(folder):
    text = (
        "image,split,reader,a_x,a_y,patient,side,frame,grade,spacing_mm\n"
        "1,train,r,1,2,p,L,1,1,0.1\n"  # 2: spreadsheet dropped the zeros
        "001,training,r,1,2,p,L,1,1,0.1\n"
        "001,training,r,1,2,p,L,1,1,0.1\n"  # 4: twice
        "001,test,s,1,,q,middle,1,2,0\n"  # 5: split, point, patient, side, grade, spacing
        "002,tarin,r,1_0,2,p,L,1,1,1 2 3\n"  # 6: split, point, spacing
        "002,train,r,1\n"  # 7: too short
        ",train,r,1,2,p,L,1,1,\n"  # 8: no image
        "002,train,u,nan,2,p,L,0,1,\n"  # 9: frame
    )
    faults = faults_of(folder, text)
    expected = [
        "line 7: has 4 cells, the headings are 10",
        "line 2: no image '1'",
        "there is '001'",
        "line 4: 001.png, reader r is already in line 3",
        "line 5: split 'test' contradicts line 3",
        "line 5, a: ('1', '') is no point",
        "line 5: patient contradicts line 3",
        "line 5: side 'middle' must be",
        "line 5: attribute grade '2' contradicts line 3",
        "line 5: '0' must be a positive number",
        "line 6: split 'tarin' is unknown",
        "line 6, a: ('1_0', '2') is no point",
        "line 6: spacing_mm '1 2 3' must be one number or two",
        "line 8: the image is not named",
        "line 9: frame '0' must be",
    ]
    for part in expected:
        assert sum(part in fault for fault in faults) == 1, (part, faults)
    assert len(faults) == 14  # two parts of one fault above
    assert not any("'q'" in fault or " p " in fault for fault in faults), "patients are not printed"


@pytest.mark.parametrize(
    ("header", "parts"),
    [
        ("image,split", ["no points"]),
        ("name2,a_x,a_y", ["no column names the image"]),
        ("image,file,a_x,a_y", ["columns image and file both give the image"]),
        ("image,a_x,a_y,b_x,c_y", ["'b_x' has no partner", "'c_y' has no partner"]),
        ("image,a_x,a_x,a_y", ["two columns are called 'a_x'"]),
    ],
)
def test_columns_that_cannot_be_told_apart(folder, header, parts):
    faults = faults_of(folder, header + "\n" + ",".join("1" for _ in header.split(",")) + "\n")
    assert len(faults) == len(parts)
    for part, fault in zip(parts, faults):
        assert part in fault


def test_columns_that_identify_patients_are_refused_unless_ignored(folder):
    text = "image,a_x,a_y,Birth Date,patient_name\n001,1,2,1950,Smith\n"
    faults = faults_of(folder, text)
    assert len(faults) == 2
    assert "'Birth Date' may identify patients" in faults[0]
    assert not any("Smith" in fault for fault in faults)
    assert load(folder, text, ignore=["Birth Date", "patient_name"]).cases[0].attributes == {}
    assert "no column 'age' to leave out" in faults_of(folder, text, ignore=["age"])[0]


def test_long_table_faults(folder):
    text = "image,landmark,x,y\n001,,1,2\n001,a,1,2\n001,a,1,2\n001,b,1,absent\n"
    faults = faults_of(folder, text)
    assert [f.split(":")[0] for f in faults] == ["line 2", "line 4", "line 5, b"]


def test_names_of_images(folder):
    for name in ("a/x.png", "b/x.png", "x.jpg", "1.2.3.dcm"):
        (folder / "images" / name).parent.mkdir(exist_ok=True)
        (folder / "images" / name).touch()
    table = "image,p_x,p_y\n{},1,2\n"
    assert load(folder, table.format("a/x")).cases[0].image == "a/x.png"
    assert load(folder, table.format("b\\x.png")).cases[0].image == "b/x.png"
    assert load(folder, table.format("1.2.3")).cases[0].image == "1.2.3.dcm"
    assert load(folder, table.format("x")).cases[0].image == "x.jpg"
    assert "can mean a/x.png, b/x.png" in faults_of(folder, table.format("x.png"))[0]
    assert "can mean a/x.png, b/x.png" in faults_of(folder, table.format("x"), extension="png")[0]
    both = load(folder, "image,p_x,p_y\na/x.png,1,2\nb/x.png,1,2\n")
    assert [c.id for c in both.cases] == ["a/x", "b/x"]


def test_leaving_cases_out(folder):
    text = "image,a_x,a_y\n001,1,2\n002,1,2\n"
    assert [c.id for c in load(folder, text, leave_out=["001"]).cases] == ["002"]
    assert faults_of(folder, text, leave_out=["9"]) == ["there is no case '9' to leave out"]


def test_files_that_are_no_tables(folder):
    table = folder / "points.csv"
    with pytest.raises(DatasetError, match="does not exist"):
        import_table(table, folder / "images")
    assert "at least one line below" in faults_of(folder, "image,a_x,a_y\n")[0]
    assert "not a readable CSV" in faults_of(folder, 'image,a_x,a_y\n"001,1,2\n')[0]
    table.write_bytes("image,höhe_x,höhe_y\n001,1,2\n".encode("latin-1"))
    with pytest.raises(DatasetError, match="not UTF-8"):
        import_table(table, folder / "images")
    table.write_text("image,a_x,a_y\n001,1,2\n")
    with pytest.raises(DatasetError, match="is no folder"):
        import_table(table, folder / "nowhere")


@pytest.mark.parametrize("options", [{"spacing_mm": 0}, {"spacing_mm": (0.1, -1)}, {"split_names": {"a": "train"}}])
def test_settings_that_cannot_work(folder, options):
    with pytest.raises(ConfigError):
        load(folder, "image,a_x,a_y\n001,1,2\n", **options)


def test_pairs_are_guessed_only_where_names_are_clear(folder):
    text = "image,a_left_x,a_left_y,b_l_x,b_l_y,B_R_x,B_R_y,c_right_x,c_right_y\n001" + ",1,2" * 4 + "\n"
    assert load(folder, text).scheme.mirror == (0, 2, 1, 3)
    text = "image,a_l_x,a_l_y,A_L_x,A_L_y,a_r_x,a_r_y\n001" + ",1,2" * 3 + "\n"
    assert load(folder, text).scheme.mirror == (0, 1, 2)


def test_pseudonyms_stay_or_are_given_in_the_tables_order(folder):
    path = folder / "p.csv"
    path.write_text("image,patient,a_x,a_y\n001,Z,1,2\n002,A,1,2\n003,Z,1,2\nIM7,,1,2\n")
    table = read_table(path)
    assert pseudonyms(table) == {"Z": "P0001", "A": "P0002"}
    write_pseudonyms(table, folder / "deep" / "map.csv")
    assert (folder / "deep" / "map.csv").read_text().split() == ["patient,pseudonym", "Z,P0001", "A,P0002"]
    path.write_text("image,patient,a_x,a_y\n001,P0009,1,2\n002,P0003,1,2\n")
    assert pseudonyms(read_table(path)) == {"P0009": "P0009", "P0003": "P0003"}


def test_isbi_2015_imports():
    if not ISBI.is_dir():
        pytest.skip("needs ../shared/data/isbi2015")
    names = {"train": "training", "test1": "test"}
    dataset = import_table(ISBI / "landmarks.csv", ISBI / "images", spacing_mm=0.3, split_names=names)
    assert dataset.readers == ["senior", "junior"]
    assert len(dataset.names) == 19
    assert [len(dataset.select(s)) for s in ("training", "validation", "test")] == [150, 0, 150]
    points, _ = dataset.cases[0].points(dataset.scheme, "senior")
    np.testing.assert_array_equal(points[0], [331.667, 278.0])
    assert find_faults(dataset) == []


@pytest.mark.parametrize(("name", "landmarks"), [("points", ["a", "=1"]), ("@points", ["a"]), ("points", ["a\nb"])])
def test_a_name_that_would_be_a_formula_or_two_lines_is_one_clear_error(name, landmarks):
    with pytest.raises(ConfigError, match=r"a formula; choose another|holds a line break"):
        scheme_of(name, landmarks)
