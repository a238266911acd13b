import numpy as np
import pytest
from PIL import Image

from monai_landmarks.data.contact_sheet import CAPTION, GAP, WARNING, choose_cases, contact_sheet, save_contact_sheet
from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset
from monai_landmarks.draw import TRUTH


@pytest.fixture
def data(tmp_path):
    cases = []
    for number in range(5):
        Image.fromarray(np.full((40, 80), 50 * number, np.uint8)).save(tmp_path / f"{number}.png")
        annotation = Annotation(reader="r", points={"a": (60, 10)})
        name = f"case{number}" + "_with_a_name_that_fits_on_no_tile" * (number == 2)
        cases.append(Case(id=name, image=f"{number}.png", annotations=[annotation]))
    (tmp_path / "3.png").write_text("damaged")
    scheme = {"name": "s", "landmarks": [{"name": "a"}, {"name": "b"}]}
    return LandmarkDataset(scheme=scheme, cases=cases, root=tmp_path)


def test_suspects_come_first_then_evenly_spaced_cases():
    cases = [Case(id=str(i), image="x") for i in range(20)]
    assert [c.id for c in choose_cases(cases, {"7", "3"}, 5)] == ["3", "7", "0", "8", "14"]
    assert [c.id for c in choose_cases(cases, {"7", "3", "1"}, 2)] == ["1", "3"]
    assert [c.id for c in choose_cases(cases[:3], (), 10)] == ["0", "1", "2"]


def test_points_lie_where_they_should_on_every_tile(data):
    size = 160
    sheet = contact_sheet(data, first={"case4"}, columns=3, size=size)
    assert sheet.size == (3 * (size + GAP) + GAP, 2 * (size + CAPTION + GAP) + GAP)
    pixels = np.asarray(sheet).astype(int)
    order = ["case4", "case0", "case1", "case2", "case3"]
    for number, name in enumerate(order):
        row, column = divmod(number, 3)
        top, left = GAP + row * (size + CAPTION + GAP), GAP + column * (size + GAP)
        tile = pixels[top : top + size, left : left + size]
        blue = np.argwhere(np.abs(tile - TRUTH).sum(-1) < 30)
        if name == "case3":
            assert len(blue) == 0, "the damaged file has a note instead"
            continue
        # twice as large, centred: 40 rows become 80, with 40 above; (60, 10) -> (120.5, 20.5) + (0, 40)
        np.testing.assert_allclose(blue.mean(axis=0), [60.5, 120.5], atol=0.5)
        framed = (tile[0, 10:-10] == WARNING).all()
        assert framed == (name == "case4")


def test_saved_where_asked(data, tmp_path):
    save_contact_sheet(contact_sheet(data, limit=2, size=64), tmp_path / "new" / "sheet.png")
    with Image.open(tmp_path / "new" / "sheet.png") as sheet:
        assert sheet.size == (2 * (64 + GAP) + GAP, 64 + CAPTION + 2 * GAP)
