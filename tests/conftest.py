"""A tiny data set that trains in seconds: bright blobs on noise, PNG files with a known spacing."""

import subprocess
from shutil import which

import numpy as np
import pytest
import torch
from PIL import Image

from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset
from monai_landmarks.scheme import Landmark, Scheme

SCHEME = Scheme(
    name="blobs",
    landmarks=(
        Landmark(name="bright_left", pair="bright_right"),
        Landmark(name="bright_right", pair="bright_left"),
        Landmark(name="middle"),
    ),
    groups={"bright": ("bright_left", "bright_right")},
)


def blob_image(generator, size):
    points = np.array([[0.3, 0.75], [0.3, 0.25], [0.7, 0.5]]) * size + generator.uniform(-6, 6, (3, 2))
    rows, columns = np.mgrid[: size[0], : size[1]]
    image = generator.normal(40, 5, size)
    for (row, column), height, width in zip(points, (180, 120, 150), (3, 3, 6)):
        image += height * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * width**2))
    return np.clip(image, 0, 255).astype(np.uint8), points


def write_blobs(folder, counts=(8, 3, 3), size=(80, 64), spacing=(0.5, 0.5)):
    generator = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True, exist_ok=True)
    cases = []
    splits = [split for split, count in zip(("training", "validation", "test"), counts) for _ in range(count)]
    for number, split in enumerate(splits):
        image, points = blob_image(generator, size)
        Image.fromarray(image).save(folder / "images" / f"{number:02}.png")
        named = {name: (float(c), float(r)) for name, (r, c) in zip(SCHEME.names, points)}
        if number % 5 == 4:
            del named["middle"]
        annotation = Annotation(reader="maker", points=named, absent=["middle"] if number % 10 == 9 else [])
        cases.append(
            Case(
                id=f"case{number:02}",
                image=f"images/{number:02}.png",
                size=size,
                patient=f"P{number:04}",
                split=split,
                spacing_mm=spacing,
                annotations=[annotation],
            )
        )
    dataset = LandmarkDataset(scheme=SCHEME, cases=cases)
    dataset.save(folder / "dataset.json")
    return folder / "dataset.json"


@pytest.fixture(scope="session")
def blobs(tmp_path_factory):
    """Path of the data set file."""
    return write_blobs(tmp_path_factory.mktemp("blobs"))


@pytest.fixture(scope="session")
def make_blobs():
    """The function that writes such a data set."""
    return write_blobs


@pytest.fixture(autouse=True)
def _one_seed():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def quick_tracking():
    """MLflow makes a file's tables in dozens of migrations, which take seconds: here once, then they are copied."""
    import sqlalchemy
    from mlflow.store.db import utils

    migrate = utils._initialize_tables
    template = sqlalchemy.create_engine("sqlite://", poolclass=sqlalchemy.StaticPool)

    def copy_tables(engine):
        if not utils._all_tables_exist(template):
            migrate(template)
        with template.connect() as tables, engine.connect() as copy:
            tables.connection.driver_connection.backup(copy.connection.driver_connection)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "_initialize_tables", copy_tables)
        yield
    template.dispose()


@pytest.fixture(scope="session")
def dicom_errors():
    """A function: the lines in which dciodvfy calls something in a DICOM file an error, each once."""
    if which("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian: dicom3tools) is not here")

    def errors(path):
        done = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, errors="replace", check=False)
        return {line.strip() for line in (done.stdout + done.stderr).splitlines() if "Error" in line}

    return errors
