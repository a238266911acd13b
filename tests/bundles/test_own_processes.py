"""Each run id of each shipped bundle in a process of its own: no config lives on what another one has imported."""

import pytest
from bundle_checks import read_metrics, read_rows

pytestmark = pytest.mark.slow


def check_alone(runner, folder, images, **options):
    runner.alone("evaluate", ("train", "evaluate"), output_dir=folder)
    assert read_metrics(folder)["cases"] > 0
    runner.alone("inference", ("inference",), dataset_dir=images, output_dir=folder, **options)
    assert read_rows(folder / "predictions.csv")


def test_label_augmentation(trained, blobs, tmp_path):
    check_alone(trained, tmp_path, blobs.parent / "images")


def test_one_shot(one_shot, blobs, tmp_path):
    one_shot.alone("training", ckpt_dir=tmp_path / "models", output_dir=tmp_path)
    check_alone(one_shot, tmp_path, blobs.parent / "images")


@pytest.mark.parametrize("bundle", ["kneel_roi", "kneel_landmarks"])
def test_kneel(stages, knees, bundle, tmp_path):
    stages[bundle].alone("training", ckpt_dir=tmp_path / "models", output_dir=tmp_path)
    check_alone(stages[bundle], tmp_path, knees.parent / "images", spacing_mm="[1.0,1.0]", side="both")
