import pydicom
import pytest
from PIL import Image

from monai_landmarks.data.annotations import export_annotations, landmark_list
from monai_landmarks.errors import ConfigError

# As BoneFinder writes it.
PTS = "version: 1\nn_points: 3\n{\n10.5 20\n1e1 21.25\n12 22\n}\n"


def test_pixels(load):
    imported = load(PTS, "0001.pts")
    assert imported.dataset.names == ("point_01", "point_02", "point_03")
    assert imported.dataset.cases[0].annotations[0].points["point_02"] == (10.0, 21.25)
    assert "add --units mm" in imported.notes[0]
    named = load(PTS, "0001.pts", scheme=landmark_list("a,b,c")).dataset
    assert named.names == ("a", "b", "c")


def test_millimetres(load, faults_of, pictures, simulated):
    points = load(PTS, "0001.pts", units="mm", spacing_mm=(0.5, 0.25)).dataset.cases[0].annotations[0].points
    assert points["point_01"] == (42.0, 40.0)
    assert "states no spacing; give that of the .pts files with --spacing" in faults_of(PTS, "0001.pts", units="mm")[0]
    source = simulated.root / simulated.cases[0].image
    (pictures / "0003.dcm").write_bytes(source.read_bytes())
    row, column = pydicom.dcmread(source).ImagerPixelSpacing
    points = load(PTS, "0003.pts", units="mm").dataset.cases[0].annotations[0].points
    assert points["point_03"] == pytest.approx((12 / column, 22 / row))
    text = str(row).encode()
    (pictures / "0003.dcm").write_bytes(source.read_bytes().replace(text, b"x" * len(text)))
    assert "0003.dcm states no spacing" in faults_of(PTS, "0003.pts", units="mm")[0]


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("n_points: 3", "n_points: 4", "line 7: n_points is 4, but there are 3 points"),
        ("n_points: 3", "n_points: x", "line 2: n_points: 'x' is no whole number"),
        ("n_points: 3", "n_points: ²", "line 2: n_points: '²' is no whole number"),
        ("n_points: 3\n", "", "key n_points is missing"),
        ("}", "", "line 6: the points must stand between lines '{' and '}'"),
        ("12 22", "12 abc", "line 6: point_03: 'abc' is no number"),
        ("12 22", "1_2 22", "line 6: point_03: '1_2' is no number"),
        ("12 22", "12 22 1", "line 6: point_03: '12 22 1' must be two numbers: x y"),
    ],
)
def test_malformed_files(faults_of, old, new, fault):
    assert faults_of(PTS.replace(old, new), "0001.pts") == [fault]


def test_number_of_names(faults_of):
    assert faults_of(PTS, "0001.pts", scheme=landmark_list("a,b")) == ["has 3 points, but 2 landmarks are named"]


def test_it_is_only_read(simulated, tmp_path):
    Image.new("L", (3, 3)).save(tmp_path / "x.png")
    with pytest.raises(ConfigError, match="can only be imported"):
        export_annotations(simulated, "pts", tmp_path / "out")
