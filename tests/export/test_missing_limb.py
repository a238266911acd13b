"""A limb that the model did not find: no places in any file, and the other limb unharmed."""

import csv
import json
from types import SimpleNamespace

import numpy as np
import pydicom
import pytest
import torch
from dicom_samples import make_image, predicted
from monai.data import MetaTensor
from PIL import Image

from monai_landmarks.data.dataset import find_faults
from monai_landmarks.export.as_dataset import predicted_dataset
from monai_landmarks.export.predictions import PredictedPoint
from monai_landmarks.export.writer import PredictionWriter
from monai_landmarks.measure.library.build import build, distance
from monai_landmarks.scheme import Landmark, Scheme
from monai_landmarks.sides import both_sides

SCHEME = both_sides(
    Scheme(
        name="knee",
        landmarks=(Landmark(name="tibia"), Landmark(name="femur")),
        measurements=build(distance("gap", "tibia", "femur")),
    )
)
MODEL = {"bundle": "kneel_landmarks", "version": "1"}
PRED = np.array([[20.0, 5.0, 0.9, 0.9], [10.0, 5.0, 0.9, 0.9], [np.nan, np.nan, 0, 0.1], [np.nan, np.nan, 0, 0.1]])


@pytest.fixture
def written(tmp_path):
    """The folder of a run over one image whose left knee is missing."""
    return predict(tmp_path, PRED)


@pytest.fixture
def unsought(tmp_path):
    """The same of a one-shot model whose template lacks that knee: nothing is known of it."""
    return predict(tmp_path, np.where(np.isnan(PRED[:, :1]), [np.nan, np.nan, 0, np.nan], PRED))


def predict(tmp_path, pred):
    path = tmp_path / "in" / "a.png"
    path.parent.mkdir()
    Image.fromarray(np.arange(1200, dtype=np.uint16).reshape(40, 30)).save(path)
    stream = SimpleNamespace(roots=[path.parent], name_of=lambda p: p.name, failed=[], skipped=[])
    writer = PredictionWriter(tmp_path / "out", stream, SCHEME, MODEL)
    item = {
        "case_id": "a.png",
        "size": (40, 30),
        "spacing": (0.5, 0.5),
        "spacing_plane": "user",
        "file": str(path),
        "image": MetaTensor(torch.zeros(1, 4, 4), meta={"frames": 1}),
    }
    engine = SimpleNamespace(state=SimpleNamespace(batch=[item], output=[{"pred": torch.as_tensor(pred)}]))
    writer.iteration_completed(engine)
    writer.completed(engine)
    return tmp_path / "out"


def table(path):
    return csv.DictReader(path.read_text(encoding="utf-8").splitlines())


def test_its_rows_have_no_places(written):
    rows = {row["landmark"]: row for row in table(written / "predictions.csv")}
    assert list(rows) == list(SCHEME.names)
    for name in ("tibia_left", "femur_left"):
        assert [rows[name][field] for field in ("x", "y", "x_mm", "y_mm")] == [""] * 4
        assert (rows[name]["present"], rows[name]["presence"]) == ("no", "0.1")
    assert [rows["tibia_right"][field] for field in ("x", "y", "x_mm", "present")] == ["5.0", "20.0", "2.5", "yes"]


def test_the_json_is_strict(written):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    document = json.loads((written / "predictions.json").read_text(), parse_constant=refuse)
    points = document["images"][0]["points"]
    assert points["femur_left"] | {"presence": 0} == {
        "xy": None,
        "xy_mm": None,
        "confidence": 0.0,
        "presence": 0,
        "present": False,
    }
    assert points["femur_right"]["xy"] == [5.0, 10.0]


def test_its_measurements_say_why_they_have_no_value(written):
    rows = {row["measurement"]: row for row in table(written / "measurements.csv")}
    assert rows["gap_right"]["value"] == "5.0"
    assert rows["gap_left"]["value"] == ""
    assert rows["gap_left"]["reason"] == "tibia_left, femur_left are absent"
    assert rows["gap_left"]["label"] == "Gap, left"


def test_the_overlay_shows_the_other(written):
    picture = np.asarray(Image.open(written / "overlays" / "a.png.png").convert("RGB")).astype(int)
    red = np.argwhere(picture[..., 0] - picture[..., 1] > 80)
    assert len(red)
    assert np.abs(red.mean(0) - [15, 5]).max() < 6


def test_as_a_data_set_it_is_absent(written, tmp_path):
    dataset = predicted_dataset(written / "predictions.json", tmp_path / "in")
    (annotation,) = dataset.cases[0].annotations
    assert set(annotation.points) == {"tibia_right", "femur_right"}
    assert set(annotation.absent) == {"tibia_left", "femur_left"}
    assert not find_faults(dataset)


def test_what_was_not_looked_for_is_not_called_absent(unsought, tmp_path):
    row = next(row for row in table(unsought / "predictions.csv") if row["landmark"] == "tibia_left")
    assert (row["x"], row["presence"], row["present"]) == ("", "", "no")
    document = json.loads((unsought / "predictions.json").read_text())
    assert document["images"][0]["points"]["tibia_left"]["presence"] is None
    rows = {row["measurement"]: row for row in table(unsought / "measurements.csv")}
    assert rows["gap_left"]["reason"] == "tibia_left, femur_left are unlabelled"
    (annotation,) = predicted_dataset(unsought / "predictions.json", tmp_path / "in").cases[0].annotations
    assert set(annotation.points) == {"tibia_right", "femur_right"}
    assert not annotation.absent


def test_dicom_results_leave_it_out(tmp_path, write, dicom_errors):
    path = make_image(tmp_path / "knees.dcm")
    points = [PredictedPoint(name, *row) for name, row in zip(SCHEME.names, PRED.tolist())]
    assert [p.name for p in predicted(path, points).shown] == ["tibia_right", "femur_right"]
    assert not predicted(path, points).outside
    files, notes = write(path, points=points)
    assert not notes
    for kind, file in files.items():
        assert not dicom_errors(file)
        text = str(pydicom.dcmread(file))
        assert "nan" not in text.lower().replace("nanometer", "")
        if kind != "sc":
            assert "tibia_right" in text
