"""Files of a run over several images: names that do not collide, what is told, and no folders above the inputs."""

import errno
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ignite.engine import Engine
from monai.data import MetaTensor
from PIL import Image

from monai_landmarks.errors import WriteError
from monai_landmarks.export.predictions import file_stem
from monai_landmarks.export.writer import PredictionWriter
from monai_landmarks.scheme import Landmark, Scheme

SCHEME = Scheme(name="one", landmarks=(Landmark(name="a"),))
MODEL = {"bundle": "b", "version": "1"}


def stream_below(root, failed=(), skipped=()):
    return SimpleNamespace(
        roots=[root],
        name_of=lambda path: path.relative_to(root).as_posix(),
        failed=[(root / name, reason.format(root=root)) for name, reason in failed],
        skipped=[(root / name, reason.format(root=root)) for name, reason in skipped],
    )


def item(root, name, frames=1):
    return {
        "case_id": name,
        "size": (40, 30),
        "spacing": (np.nan, np.nan),
        "spacing_plane": "unknown",
        "file": str(root / name),
        "image": MetaTensor(torch.zeros(1, 4, 4), meta={"frames": frames}),
    }


def output(count=1):
    return [{"pred": np.array([[1.0, 2.0, 0.5, 0.9]])}] * count


@pytest.fixture
def run(tmp_path):
    """run({name: frames}) writes predictions of such images and gives the document."""

    def predict(images, failed=(), skipped=()):
        root = tmp_path / "Doe^Jane"
        root.mkdir()
        stream = stream_below(root, failed, skipped)
        writer = PredictionWriter(tmp_path / "out", stream, SCHEME, MODEL, overlays=False)
        engine = SimpleNamespace(state=SimpleNamespace())
        engine.state.batch = [item(root, name, frames) for name, frames in images.items()]
        engine.state.output = output(len(images))
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


@pytest.fixture
def stopped(tmp_path):
    """stopped(step, names, **options) runs an engine over images, `step(name)` before each; gives what it raises."""

    def run(step, names, **options):
        root = tmp_path / "Doe^Jane"
        root.mkdir()

        def process(engine, batch):
            step(batch[0]["case_id"])
            return output()

        engine = Engine(process)
        PredictionWriter(tmp_path / "out", stream_below(root), SCHEME, MODEL, **options).attach(engine)
        for name in names:
            Image.fromarray(np.zeros((40, 30), dtype=np.uint8)).save(root / name)
        with pytest.raises(Exception) as caught:
            engine.run([[item(root, name)] for name in names])
        return caught.value

    return run


def written(folder):
    document = json.loads((folder / "predictions.json").read_text())
    return [image["image"] for image in document["images"]], document["stopped"]


def test_what_was_predicted_before_an_error_is_kept(stopped, tmp_path):
    def step(name):
        if name == "b.png":
            raise RuntimeError("out of memory, Doe^Jane")

    error = stopped(step, ["a.png", "b.png"], overlays=False)
    assert str(error) == "out of memory, Doe^Jane"
    assert written(tmp_path / "out") == (["a.png"], "RuntimeError")
    assert (tmp_path / "out" / "predictions.csv").read_text().count("a.png") == 1


def test_a_full_disk_is_said_clearly(stopped, tmp_path, monkeypatch):
    save = Image.Image.save

    def fill(self, target, *arguments):
        if str(target).endswith("b.png.png"):
            raise OSError(errno.ENOSPC, "No space left on device")
        save(self, target, *arguments)

    monkeypatch.setattr(Image.Image, "save", fill)
    error = stopped(lambda name: None, ["a.png", "b.png"])
    assert isinstance(error, WriteError)
    assert "b.png.png: cannot be written (No space left on device); free space" in str(error)
    names, why = written(tmp_path / "out")
    assert names == ["a.png", "b.png"]
    assert "No space left on device" in why


def test_tables_that_cannot_be_written_do_not_hide_the_error(stopped, tmp_path):
    def step(name):
        if name == "b.png":
            (tmp_path / "out" / "predictions.csv").mkdir(parents=True)
            raise RuntimeError

    error = stopped(step, ["a.png", "b.png"], overlays=False)
    assert isinstance(error, WriteError)
    assert str(error).startswith("RuntimeError; the tables are incomplete, too: ")
    assert str(error).count("predictions.csv: cannot be written") == 1
    assert isinstance(error.__cause__, RuntimeError)


def test_dicom_results_that_cannot_be_written_are_said_clearly(image_file, write, tmp_path):
    path = image_file()
    (tmp_path / "dicom").write_text("in the way")
    with pytest.raises(WriteError, match=r"dicom: cannot be written \(File exists\); free space"):
        write(path)
