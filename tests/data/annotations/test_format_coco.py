import json

import pytest

from monai_landmarks.data.annotations import export_annotations


def coco(keypoints=(10, 20, 2, 0, 0, 0, 12, 30, 1), **changes):
    """As https://cocodataset.org/#format-data describes keypoint annotations."""
    return {
        "info": {"description": "made by hand"},
        "images": [{"id": 7, "file_name": "0001.png", "width": 30, "height": 40},
                   {"id": 8, "file_name": "0002.png", "width": 30, "height": 40}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 1, "iscrowd": 0, "area": 20, "bbox": [10, 20, 2, 10],
                         "num_keypoints": 2, "keypoints": list(keypoints)}],
        "categories": [{"id": 1, "name": "knee", "supercategory": "bone", "keypoints": ["a", "b", "c"],
                        "skeleton": [[1, 2]]}],
    } | changes  # fmt: skip


def test_visibility_and_pixel_indices(load):
    imported = load(coco(), "c.json")
    first, second = imported.dataset.cases
    assert imported.dataset.names == ("a", "b", "c")
    assert first.annotations[0].points == {"a": (10, 20), "c": (12, 30)}
    assert first.annotations[0].absent == []
    assert second.annotations == []
    assert imported.notes == ("1 point(s) are labelled but not visible (v = 1) and are taken as present",)


def test_what_is_written(simulated, tmp_path):
    (path,) = export_annotations(simulated, "coco", tmp_path).files
    document = json.loads(path.read_text())
    first = document["annotations"][0]
    keypoints = first["keypoints"]
    assert (
        first["num_keypoints"] == sum(v == 2 for v in keypoints[2::3]) == len(simulated.cases[0].annotations[0].points)
    )
    assert keypoints[:6].count(0) >= 3
    # A box counts from the corner, half a pixel further than a keypoint.
    xs = [x for x, v in zip(keypoints[::3], keypoints[2::3]) if v]
    assert first["bbox"][0] == pytest.approx(min(xs) + 0.5, abs=1e-3)
    assert document["images"][0]["height"] == simulated.cases[0].size[0]


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (coco(keypoints=(1, 2, 2)), "annotations[0].keypoints: holds 3 numbers, 3 landmarks need 9"),
        (coco(keypoints=(1, 2, 3, 0, 0, 0, 0, 0, 0)), "keypoints[2]: v of 'a' must be 0, 1 or 2, is 3"),
        (coco(keypoints=("1", 2, 2, 0, 0, 0, 0, 0, 0)), 'keypoints[0]: must be a number, is "1"'),
        (coco(annotations=coco()["annotations"] * 2), "landmark 'a' is labelled twice"),
        (coco(categories=[{"id": 1, "name": "knee"}]), "key categories: no category has keypoints"),
        (coco(images=[{"id": 7, "file_name": "0001.png", "width": 60, "height": 80}]), "40 x 30 pixels"),
        (coco(images=[{"id": 7, "width": 30, "height": 40}]), "key images[0]: 'file_name' is missing"),
        ({"images": [], "categories": coco()["categories"]}, "file: 'annotations' is missing"),
    ],
)
def test_malformed_files(faults_of, content, fault):
    assert fault in faults_of(content, "c.json", format="coco")[0]


def test_an_annotation_of_no_image(faults_of):
    content = coco()
    content["annotations"][0]["image_id"] = 99
    assert faults_of(content, "c.json") == ["key annotations[0].image_id: there is no image 99"]
