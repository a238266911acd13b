"""`monai-landmarks export`, and `import` of what other tools write, as a user types them."""

import json

import numpy as np
import pytest
from PIL import Image

from monai_landmarks.cli import export, import_
from monai_landmarks.data.annotations import FORMATS
from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.errors import ConfigError, DatasetError
from monai_landmarks.export.as_dataset import predicted_dataset


@pytest.fixture
def run(caller):
    return caller(import_, export)


def predictions(**changes):
    def point(x, y, presence):
        return {"xy": [x, y], "xy_mm": None, "confidence": 0.5, "presence": presence, "present": presence >= 0.5}

    image = {
        "image": "sub/0001.png",
        "size": [20, 30],
        "frame": 1,
        "spacing_mm": None,
        "spacing_plane": "unknown",
        "points": {"hip_left": point(3.25, 4.5, 0.9), "hip_right": point(5.0, 6.0, 0.2)},
    }
    return {
        "format": "monai_landmarks.predictions",
        "version": 1,
        "coordinates": "xy_pixel_centre",
        "model": {"bundle": "hips", "version": "0.1.0", "trained_on": {}},
        "images": [image],
    } | changes


def other_landmarks():
    (image,) = predictions()["images"]
    points = image["points"]
    return image | {"image": "0002.png", "points": {"hip_left": points["hip_left"], "knee": points["hip_right"]}}


@pytest.fixture
def predicted(tmp_path):
    (tmp_path / "images" / "sub").mkdir(parents=True)
    Image.fromarray(np.zeros((20, 30), dtype=np.uint8)).save(tmp_path / "images" / "sub" / "0001.png")
    path = tmp_path / "predictions.json"
    path.write_text(json.dumps(predictions()))
    return path


@pytest.mark.parametrize("name", [name for name, fmt in FORMATS.items() if fmt.write and not fmt.every_point])
def test_out_and_in_again(run, blobs, tmp_path, name):
    out = tmp_path / "out"
    result = run("export", blobs, "--format", name, "--output", out)
    assert f"of the format {name}, 14 case(s)" in result.output
    assert "note: " in result.output
    assert ("splits" in result.output) == (name != "csv")
    options = [] if name == "csv" else ["--reader", "maker"]
    source = out / "landmarks.csv" if name == "csv" else out
    run(
        "import", source, "--images", blobs.parent / "images", "-o", tmp_path / "d.json", *options, "--landmarks", blobs
    )
    before, after = load_dataset(blobs), load_dataset(tmp_path / "d.json")
    assert after.scheme == before.scheme
    for one, other in zip(before.cases, after.cases):
        (first,), (second,) = one.annotations, other.annotations
        assert set(first.points) == set(second.points)
        assert second.reader == "maker"
        for landmark, point in first.points.items():
            assert second.points[landmark] == pytest.approx(point, abs=1e-3)


def test_predictions_become_a_reader_of_their_own(run, predicted, tmp_path):
    run("export", predicted, "--format", "slicer", "-o", tmp_path / "none", error=ConfigError)
    images = tmp_path / "images"
    run("export", predicted, "--format", "slicer", "-o", tmp_path / "slicer", "--images", images)
    (path,) = (tmp_path / "slicer").iterdir()
    points = json.loads(path.read_text())["markups"][0]["controlPoints"]
    assert [(p["label"], p["positionStatus"]) for p in points] == [("hip_left", "defined"), ("hip_right", "missing")]
    assert points[0]["position"] == [3.25, 4.5, 0.0]
    run("export", predicted, "--format", "csv", "-o", tmp_path / "csv")
    assert (tmp_path / "csv" / "landmarks.csv").read_text().splitlines() == [
        "image,reader,hip_left_x,hip_left_y,hip_right_x,hip_right_y",
        "0001.png,hips 0.1.0,3.25,4.5,absent,absent",
    ]
    dataset = predicted_dataset(predicted, images)
    assert dataset.readers == ["hips 0.1.0"]
    assert dataset.cases[0].annotations[0].confidence == {"hip_left": 0.5}
    assert (dataset.root / dataset.cases[0].image).is_file()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"version": 2}, "written by another version"),
        ({"images": []}, "nothing was predicted"),
        ({"images": predictions()["images"] * 2}, "is predicted twice"),
        ({"images": [{"image": "x.png", "size": [1, 2]}]}, "key images[0]: 'points' is missing"),
        (
            {"images": [*predictions()["images"], other_landmarks()]},
            "key images[1].points: differs from the first image in hip_right, knee",
        ),
        ({"model": {}}, "key model: 'bundle' is missing"),
    ],
)
def test_damaged_predictions(predicted, changes, fault):
    predicted.write_text(json.dumps(predictions(**changes)))
    with pytest.raises(DatasetError, match=r"predictions.json") as caught:
        predicted_dataset(predicted)
    assert fault in str(caught.value)


def test_mistakes_of_export(run, blobs, predicted, tmp_path):
    assert "no annotation format is called" in str(
        run("export", blobs, "--format", "yolo", "-o", tmp_path / "x", error=ConfigError).exception
    )
    run("export", blobs, "--format", "coco", "-o", tmp_path / "x", "--images", tmp_path, error=ConfigError)
    run("export", predicted, "--format", "coco", "-o", tmp_path / "x", "--images", tmp_path / "9", error=ConfigError)
    run("export", tmp_path / "none.json", "--format", "coco", "-o", tmp_path / "x", error=DatasetError)
    run("export", blobs, "--format", "coco", "-o", tmp_path / "x")
    run("export", blobs, "--format", "coco", "-o", tmp_path / "x", error=ConfigError)
    run("export", blobs, "--format", "coco", "-o", tmp_path / "x", "--force")


def coco(folder, name, x):
    document = {
        "images": [{"id": 1, "file_name": "sub/0001.png"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "keypoints": [x, 2, 2, 3, 4, 2]}],
        "categories": [{"id": 1, "name": "hips", "keypoints": ["hip_left", "hip_right"]}],
    }
    path = folder / name
    path.write_text(json.dumps(document))
    return path


def test_several_readers_at_once_or_one_after_the_other(run, predicted, tmp_path):
    senior, junior = coco(tmp_path, "a.json", 1), coco(tmp_path, "b.json", 2)
    images, both, added = tmp_path / "images", tmp_path / "both.json", tmp_path / "added" / "d.json"
    result = run("import", senior, "--reader", "senior", junior, "--reader", "junior", "--images", images, "-o", both)
    assert "readers: senior, junior" in result.output
    run("import", senior, "--reader", "senior", "--images", images, "-o", added)
    run("import", junior, "--reader", "junior", "--merge", added, "-o", added, "--force")
    first, second = load_dataset(both), load_dataset(added)
    assert first.cases[0].annotations == second.cases[0].annotations
    assert second.readers == ["senior", "junior"]
    assert second.scheme == first.scheme
    assert second.cases[0].image == "../images/sub/0001.png"
    again = run("import", junior, "--reader", "junior", "--merge", added, "-o", tmp_path / "x.json", error=DatasetError)
    assert "junior has annotated it already" in str(again.exception)
    run("export", both, "--format", "coco", "-o", tmp_path / "all", "--reader", "all")
    assert sorted(path.name for path in (tmp_path / "all").iterdir()) == ["junior", "senior"]


def test_mistakes_of_import(run, predicted, tmp_path):
    senior, out = coco(tmp_path, "a.json", 1), tmp_path / "d.json"
    images = ["--images", tmp_path / "images"]
    assert "--images" in str(run("import", senior, "-o", out, error=ConfigError).exception)
    run("import", senior, *images, "-o", out, "--format", "yolo", error=ConfigError)
    run("import", senior, *images, "-o", out, "--reader", "a", "--reader", "b", error=ConfigError)
    run("import", senior, *images, "-o", out, "--patient-map", tmp_path / "m.csv", error=ConfigError)
    result = run("import", senior, *images, "-o", out, "--landmarks", "hip_left,knee", error=DatasetError)
    assert "unknown landmark 'hip_right'" in str(result.exception)
    result = run("import", senior, *images, "-o", out, "--reader", "mean", error=DatasetError)
    assert "the name is reserved" in str(result.exception)
    assert not out.exists()
    run("import", senior, *images, "-o", out)
    run("import", senior, "--merge", out, "--copy-images", "-o", tmp_path / "x.json", error=ConfigError)


def test_corner_or_centre(run, predicted, tmp_path):
    source, images = coco(tmp_path, "a.json", 1), tmp_path / "images"
    run("import", source, "--images", images, "-o", tmp_path / "corner.json", "--origin", "corner")
    points = load_dataset(tmp_path / "corner.json").cases[0].annotations[0].points
    assert points == {"hip_left": (0.5, 1.5), "hip_right": (2.5, 3.5)}


def test_the_order_of_points_without_names_is_told(run, predicted, tmp_path):
    base, images, text = tmp_path / "d.json", tmp_path / "images", tmp_path / "0001.txt"
    run("import", coco(tmp_path, "a.json", 1), "--reader", "senior", "--images", images, "-o", base)
    text.write_text("1,2\n3,4\n")
    result = run("import", text, "--reader", "junior", "--merge", base, "-o", tmp_path / "x.json")
    assert (
        "note: 1 file(s) do not name their points; they are taken in the order given: 2 landmarks from 'hip_left' to "
        "'hip_right'"
    ) in result.output


def test_an_export_for_copies_is_taken_back_to_the_images(run, blobs, tmp_path):
    run("export", blobs, "--format", "coco", "-o", tmp_path / "out", "--png")
    run("export", blobs, "--format", "slicer", "-o", tmp_path / "no", "--png", error=ConfigError)
    images = blobs.parent / "images"
    run("import", tmp_path / "out", "--images", images, "-o", tmp_path / "d.json", "--landmarks", blobs)
    assert len(load_dataset(tmp_path / "d.json").cases) == 14
