import json

import jsonschema
import numpy as np
import pytest

from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset, State, load_dataset, parse_dataset
from monai_landmarks.data.schema import dataset_schema, main, schema_text
from monai_landmarks.errors import ConfigError, DatasetError

NAMES = ("hip_left", "hip_right", "middle")


def document(**case):
    """A valid file with one case, image one.png."""
    scheme = {
        "name": "hips",
        "landmarks": [
            {"name": "hip_left", "pair": "hip_right"},
            {"name": "hip_right", "pair": "hip_left"},
            {"name": "middle"},
        ],
    }
    return {
        "format": "monai_landmarks.dataset",
        "version": 1,
        "coordinates": "xy_pixel_centre",
        "scheme": scheme,
        "cases": [{"id": "one", "image": "one.png"} | case],
    }


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "one.png").write_bytes(b"not opened")
    return tmp_path


def write(folder, content):
    path = folder / "d.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def faults_of(folder, content):
    with pytest.raises(DatasetError) as caught:
        load_dataset(write(folder, content))
    assert "d.json" in str(caught.value)
    return caught.value.faults


def two_readers():
    first = {"reader": "a", "points": {"hip_left": [10, 20], "middle": [1, 2]}}
    second = {"reader": "b", "points": {"hip_left": [14, 21]}, "absent": ["middle", "hip_right"]}
    return [first, second]


def test_points_are_row_column_and_readers_are_averaged(folder):
    case = load_dataset(write(folder, document(annotations=two_readers()))).cases[0]
    scheme = parse_dataset(folder / "d.json").scheme
    points, states = case.points(scheme)
    np.testing.assert_array_equal(points, [[20.5, 12], [np.nan, np.nan], [2, 1]])
    assert states.tolist() == [State.PRESENT, State.ABSENT, State.PRESENT]
    points, states = case.points(scheme, "b")
    np.testing.assert_array_equal(points[0], [21, 14])
    assert states.tolist() == [State.PRESENT, State.ABSENT, State.ABSENT]
    points, states = case.points(scheme, "a")
    assert states.tolist() == [State.PRESENT, State.UNLABELLED, State.PRESENT]
    assert states.dtype == np.int64


def test_datalist_select_and_readers(folder):
    content = document(annotations=two_readers(), split="test", frame=2, spacing_mm=[0.1, 0.2], patient="P0007")
    dataset = load_dataset(write(folder, content))
    assert dataset.names == NAMES
    assert dataset.readers == ["a", "b"]
    assert dataset.datalist("training") == []
    (item,) = dataset.datalist(["test", "validation"], reader="a")
    assert item["image"] == str(folder / "one.png")
    assert item["points"].shape == (1, 3, 2)
    assert (item["frame"], item["spacing_mm"], item["patient"]) == (2, (0.1, 0.2), "P0007")
    assert (item["polarity"], item["magnification"], item["case_id"]) == ("auto", None, "one")


def test_typing_errors_do_not_select_nothing(folder):
    dataset = load_dataset(write(folder, document(annotations=two_readers())))
    with pytest.raises(ConfigError, match="no split is called train"):
        dataset.select("train")
    with pytest.raises(ConfigError, match="no reader is called c; choose mean, a, b"):
        dataset.datalist(reader="c")


def test_save_and_load_are_inverse_and_the_digest_follows_the_content(folder):
    dataset = load_dataset(write(folder, document(annotations=two_readers(), attributes={"kl": 2})))
    dataset.save(folder / "sub" / ".." / "copy.json")
    again = load_dataset(folder / "copy.json")
    assert again == dataset
    assert again.digest() == dataset.digest()
    assert not list(folder.glob("*.part"))
    again.cases[0].annotations[0].points["middle"] = (1.0, 2.001)
    assert again.digest() != dataset.digest()


def test_relocated_paths_lead_to_the_same_files(folder):
    (folder / "in" / "deep").mkdir(parents=True)
    (folder / "in" / "two.png").touch()
    content = document()
    content["cases"].append({"id": "two", "image": "in/two.png"})
    content["cases"].append({"id": "three", "image": str(folder / "in" / "two.png")})
    moved = load_dataset(write(folder, content)).relocated(folder / "in" / "deep")
    assert [case.image for case in moved.cases] == [
        "../../one.png",
        "../two.png",
        str(folder / "in" / "two.png"),
    ]
    moved.save(folder / "in" / "deep" / "d.json")
    assert len(load_dataset(folder / "in" / "deep" / "d.json").cases) == 3


def test_all_content_faults_are_reported_at_once(folder):
    content = document(
        size=[0, 4],
        spacing_mm=[0.1, -1],
        split="training",
        patient="P1",
        annotations=[
            {
                "reader": "mean",
                "points": {"hip": [1, 2], "middle": [float("nan"), 0]},
                "absent": ["middle", "knee", "hip_left", "hip_left"],
                "confidence": {"toe": 0.5, "middle": 1.5},
            },
            {"reader": "x"},
            {"reader": "x"},
        ],
    )
    content["scope"] = {"modalities": ["DX"]}
    content["cases"].append({"id": "one", "image": "gone.png", "split": "test", "patient": "P1"})
    content["cases"][1]["magnification"] = float("inf")
    faults = faults_of(folder, content)
    expected = [
        "scope: unknown key 'modalities'",
        "case one, field size: [0, 4]",
        "case one, field spacing_mm: [0.1, -1.0]",
        "case one, reader x: appears twice",
        "reader mean: the name is reserved",
        "case one, reader mean: unknown landmark 'hip' in points",
        "unknown landmark 'knee' in absent",
        "unknown landmark 'toe' in confidence",
        "'middle' has a point and is called absent",
        "'hip_left' is called absent twice",
        "point 'middle' is not finite",
        "confidence of 'middle' is 1.5",
        "case one: the id is used twice",
        "no file gone.png",
        "patient P1 is in training and in test",
        "field magnification: inf",
    ]
    for part in expected:
        assert sum(part in fault for fault in faults) == 1, part
    assert len(faults) == len(expected)


def test_wrong_types_name_the_case_and_the_field(folder):
    content = document(frame=0, split="train", sise=[1, 2])
    content["cases"].append({"image": "one.png"})
    content["cases"].append("nothing")
    content["cases"].append({"id": "four", "image": "one.png", "annotations": [{"points": {}}]})
    content["scheme"]["landmarks"][2]["pair"] = "middle"
    faults = faults_of(folder, content)
    for part in (
        "case one, field frame:",
        "case one, field split:",
        "case one, field sise:",
        "case number 2, field id:",
        "case number 3: ",
        "case four, field annotations.0.reader:",
        "field scheme: landmark 'middle' names itself",
    ):
        assert sum(part in fault for fault in faults) == 1, part
    assert len(faults) == 7


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"version": 2}, "field version: must be 1, is 2; written by a newer"),
        ({"version": True}, "field version: must be 1, is True"),
        ({"format": "coco"}, "field format: must be 'monai_landmarks.dataset', is 'coco'"),
        ({"coordinates": None}, "field coordinates"),
        ({"root": "/"}, "field root"),
    ],
)
def test_other_files_are_refused(folder, change, part):
    (fault,) = faults_of(folder, document() | change)
    assert part in fault


def test_broken_files(folder):
    assert "not a readable JSON file" in faults_of(folder, "{")[0]
    assert "holds a list" in faults_of(folder, "[]")[0]
    assert "cases: is empty" in faults_of(folder, document() | {"cases": []})[0]
    twice = json.dumps(document()).replace('"id": "one"', '"id": "one", "id": "two"')
    assert faults_of(folder, twice) == ["key 'id' is written twice in one object; keep one"]
    with pytest.raises(DatasetError, match="does not exist; create it"):
        load_dataset(folder / "none.json")


def test_published_schema_is_current(pytestconfig):
    published = pytestconfig.rootpath / "docs" / "reference" / "dataset.schema.json"
    hint = "run: python -m monai_landmarks.data.schema docs/reference/dataset.schema.json"
    assert published.read_text(encoding="utf-8") == schema_text(), hint


def test_schema_agrees_with_the_reader(tmp_path):
    main([str(tmp_path / "s.json")])
    schema = json.loads((tmp_path / "s.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    assert "root" not in dataset_schema()["properties"]
    validator = jsonschema.Draft202012Validator(schema)
    annotation = Annotation(reader="a", points={"middle": (1, 2)}, absent=["hip_left"])
    case = Case(id="x", image="x.png", annotations=[annotation], side="both", size=(3, 4))
    saved = LandmarkDataset(scheme=document()["scheme"], cases=[case]).model_dump(mode="json")
    assert list(validator.iter_errors(json.loads(json.dumps(saved)))) == []
    wrong = (
        {k: v for k, v in document().items() if k != "coordinates"},
        document() | {"version": 2},
        document(split="train"),
        document(annotations=[{"reader": "a", "points": {"middle": [1, 2, 3]}}]),
        document(extra=1),
        document() | {"root": "."},
    )
    for content in wrong:
        assert list(validator.iter_errors(content)), content
