"""A tiny simulated data set, and a folder of pictures for hand-made files."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_landmarks.data.annotations import ImportOptions, import_annotations
from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.errors import DatasetError
from monai_landmarks.simulate import simulate_dataset

SIZE = (40, 30)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    """Two radiographs with points of fractions of a pixel; the first lacks landmarks, absent and unlabelled ones."""
    out = tmp_path_factory.mktemp("simulated")
    dataset = load_dataset(simulate_dataset(out, count=2, seed=4, workers=1, progress=False))
    for case in dataset.cases:
        (annotation,) = case.annotations
        annotation.points = {name: (x + 0.12345, y + 0.98765) for name, (x, y) in annotation.points.items()}
    second = dataset.cases[1].annotations[0]
    second.points |= {name: (5.5, 6.25) for name in dataset.names if name not in second.points}
    second.absent = []
    first = dataset.cases[0].annotations[0]
    unlabelled, absent = list(first.points)[:2]
    del first.points[unlabelled], first.points[absent]
    first.absent.append(absent)
    return dataset


@pytest.fixture
def pictures(tmp_path):
    """A folder with 0001.png and 0002.png, 40 rows of 30 pixels."""
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("0001.png", "0002.png"):
        Image.fromarray(np.zeros(SIZE, dtype=np.uint8)).save(folder / name)
    return folder


@pytest.fixture
def load(tmp_path, pictures):
    """load(content, "file.json", **options) writes the file beside the pictures' folder and imports it."""

    def run(content, name, **options):
        path = tmp_path / "in" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return import_annotations(path, ImportOptions(images=pictures, **options))

    return run


@pytest.fixture
def faults_of(load):
    """The faults that stop such an import."""

    def run(content, name, **options):
        with pytest.raises(DatasetError) as caught:
            load(content, name, **options)
        assert "Traceback" not in str(caught.value)
        return caught.value.faults

    return run


@pytest.fixture(scope="session")
def public_radiographs():
    folder = Path(__file__).parents[3].parent / "shared" / "data" / "dicom"
    if not folder.is_dir():
        pytest.skip("the public radiographs are not beside the repository (../shared/data/dicom)")
    return sorted(folder.glob("*.dcm"))
