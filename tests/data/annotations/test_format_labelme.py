import json

import pytest

from monai_landmarks.data.annotations import ImportOptions, import_annotations
from monai_landmarks.errors import DatasetError


def shape(label, points, kind="point"):
    return {"label": label, "points": points, "group_id": None, "description": "", "shape_type": kind, "flags": {}}


def labelme(*shapes, **changes):
    """As LabelMe 5 saves it."""
    return {
        "version": "5.4.1",
        "flags": {},
        "shapes": list(shapes),
        "imagePath": "0001.png",
        "imageData": None,
        "imageHeight": 40,
        "imageWidth": 30,
    } | changes


def test_points(load):
    imported = load(labelme(shape("a", [[11.25, 21.5]]), shape("b", [[1, 2], [3, 4]], "line")), "0001.json")
    (case,) = imported.dataset.cases
    assert case.annotations[0].points == {"a": (10.75, 21.0)}
    assert imported.notes == ("1 shape(s) of the type 'line' are no points and are left out",)


def test_a_folder_of_files_with_damaged_and_foreign_ones(pictures, tmp_path):
    folder = tmp_path / "labels"
    (folder / "sub").mkdir(parents=True)
    (folder / "0001.json").write_text(json.dumps(labelme(shape("a", [[1, 2]]))))
    second = labelme(shape("a", [[3, 4]]), shape("b", [[5, 6]]), imagePath="..\\..\\images\\0002.png")
    (folder / "sub" / "0002.json").write_text(json.dumps(second))
    (folder / "settings.json").write_text("{}")
    imported = import_annotations(folder, ImportOptions(images=pictures))
    assert [case.image for case in imported.dataset.cases] == ["0001.png", "0002.png"]
    assert imported.dataset.names == ("a", "b")
    assert any("settings.json is no annotation file" in note for note in imported.notes)
    (folder / "0001.json").write_text(json.dumps(labelme(shape("a", [["x", 2]]), shape(" ", [[1, 2]]))))
    second["imageWidth"] = 31
    (folder / "sub" / "0002.json").write_text(json.dumps(second))
    with pytest.raises(DatasetError) as caught:
        import_annotations(folder, ImportOptions(images=pictures))
    first, label, size = caught.value.faults
    assert first.startswith("0001.json: key shapes[0].points[0][0]: must be a number")
    assert label.startswith("0001.json: key shapes[1].label: must be a text")
    assert size.startswith(
        "image '0002.png' has 40 x 30 pixels (rows x columns), its annotations are of one with 40 x 31"
    )
    (folder / "0001.json").write_text("{")
    with pytest.raises(DatasetError, match=r"0001.json: 1 fault\n  - line 1, column 2: no JSON"):
        import_annotations(folder, ImportOptions(images=pictures))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (labelme(shape("a", [[1, 2], [3, 4]])), "key shapes[0].points: a point has one pair of numbers"),
        (labelme(shape("a", [[1, None]])), "key shapes[0].points[0][1]: must be a number, is null"),
        (labelme(shape("a", [[1, 2]]), shape("a", [[1, 2]])), "landmark 'a' is labelled twice"),
        (labelme(shape("a", [[1, 2]]), imagePath="9.png"), "no image '9.png'"),
        (labelme(shape("a", [[1, 2]]), imageHeight="40"), "key imageHeight: must be a whole number"),
        ({"shapes": []}, "file: 'imagePath' is missing"),
        (labelme(shapes={}), "key shapes: must be a list, is an object"),
        (labelme(), "holds no point with a label"),
    ],
)
def test_malformed_files(faults_of, content, fault):
    assert fault in faults_of(content, "0001.json", format="labelme")[0]
