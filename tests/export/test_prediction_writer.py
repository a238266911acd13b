"""Files of a run over several images: names that do not collide, what is told, and no folders above the inputs."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from monai.data import MetaTensor

from monai_landmarks.export.predictions import file_stem
from monai_landmarks.export.writer import PredictionWriter
from monai_landmarks.scheme import Landmark, Scheme

SCHEME = Scheme(name="one", landmarks=(Landmark(name="a"),))
MODEL = {"bundle": "b", "version": "1"}


@pytest.fixture
def run(tmp_path):
    """run({name: frames}) writes predictions of such images and gives the document."""

    def predict(images, failed=(), skipped=()):
        root = tmp_path / "Doe^Jane"
        root.mkdir()
        stream = SimpleNamespace(
            roots=[root],
            name_of=lambda path: path.relative_to(root).as_posix(),
            failed=[(root / name, reason.format(root=root)) for name, reason in failed],
            skipped=[(root / name, reason.format(root=root)) for name, reason in skipped],
        )
        writer = PredictionWriter(tmp_path / "out", stream, SCHEME, MODEL, overlays=False)
        engine = SimpleNamespace(state=SimpleNamespace())
        engine.state.batch = [
            {
                "case_id": name,
                "size": (40, 30),
                "spacing": (np.nan, np.nan),
                "spacing_plane": "unknown",
                "file": str(root / name),
                "image": MetaTensor(torch.zeros(1, 4, 4), meta={"frames": frames}),
            }
            for name, frames in images.items()
        ]
        engine.state.output = [{"pred": np.array([[1.0, 2.0, 0.5, 0.9]])}] * len(images)
        writer.iteration_completed(engine)
        writer.completed(engine)
        return json.loads((tmp_path / "out" / "predictions.json").read_text())

    return predict


def test_frames_that_are_not_predicted_are_told(run):
    document = run({"a.dcm": 1, "b.dcm": 30})
    assert document["notes"] == [{"image": "b.dcm", "note": "has 30 frames; only the first is predicted"}]


def test_no_folder_above_the_inputs_is_written(run):
    failed = [("x/a.dcm", "{root}/x/a.dcm: the file is empty; copy it again")]
    document = run({}, failed, skipped=[("b.dcm", "the same image as {root}/x/a.dcm")])
    assert document["failed"] == [{"image": "x/a.dcm", "reason": "x/a.dcm: the file is empty; copy it again"}]
    assert document["skipped"] == [{"image": "b.dcm", "reason": "the same image as x/a.dcm"}]


def test_no_two_images_share_files(tmp_path):
    writer = PredictionWriter(tmp_path, SimpleNamespace(), SCHEME, MODEL)
    names = ["a b.dcm", "a_b.dcm", "a_b.dcm-2", "A b.dcm"]
    stems = [writer.free_stem(name) for name in names]
    assert stems == ["a_b.dcm", "a_b.dcm-2", "a_b.dcm-2-2", "A_b.dcm-3"]


def test_names_of_files_keep_letters_and_are_not_too_long():
    assert file_stem("hüfte/日本.dcm") == "hüfte_日本.dcm"
    assert file_stem("???") == "image"
    path = "/".join(["1.2.840." + 56 * "9"] * 5) + "/日本.dcm"
    assert len(f"{file_stem(path)}-2.gsps.dcm".encode()) < 255
    assert file_stem(path).endswith("_日本.dcm")
