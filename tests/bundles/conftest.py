import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset
from monai_landmarks.scheme import Landmark, Scheme
from monai_landmarks.sharing.bundles import copy_bundle

SMALL = {"longer_side": 64, "decoder_channels": "[16,16,8,8,8]", "progress": False, "max_epochs": 2}
# Five blobs: (row, column) in a frame of size 1, height, width.
FIGURE = {
    "top_left": (-0.5, 0.5, 180, 3),
    "top_right": (-0.5, -0.5, 120, 3),
    "bottom_left": (0.5, 0.4, 180, 6),
    "bottom_right": (0.5, -0.4, 120, 6),
    "middle": (0.0, 0.0, 90, 2),
}


def write_figures(folder, counts=(24, 2, 2), size=(80, 64)):
    """Enough training images and landmarks for a shape prior: one figure, turned, scaled, moved and a little bent."""
    generator = np.random.default_rng(0)
    pairs = {name: name.replace("left", "RIGHT").replace("right", "left").lower() for name in FIGURE}
    scheme = Scheme(
        name="figures",
        landmarks=tuple(Landmark(name=name, pair=pair if pair != name else None) for name, pair in pairs.items()),
    )
    (folder / "images").mkdir(parents=True)
    rows, columns = np.mgrid[: size[0], : size[1]]
    cases = []
    splits = [split for split, count in zip(("training", "validation", "test"), counts) for _ in range(count)]
    for number, split in enumerate(splits):
        angle, scale = generator.normal(0, 0.05), generator.normal(36, 1.5)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        points = np.array([blob[:2] for blob in FIGURE.values()]) @ turn + np.array(size) / 2
        points = points + generator.normal(0, 2, 2) + generator.normal(0, 0.6, points.shape)
        image = generator.normal(40, 5, size)
        for (row, column), (_, _, height, width) in zip(points, FIGURE.values()):
            image += height * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / (2 * width**2))
        Image.fromarray(np.clip(image, 0, 255).astype(np.uint8)).save(folder / "images" / f"{number:02}.png")
        named = {name: (float(column), float(row)) for name, (row, column) in zip(FIGURE, points)}
        annotation = Annotation(reader="maker", points=named)
        path = f"images/{number:02}.png"
        cases.append(Case(id=path, image=path, size=size, patient=path, split=split, annotations=[annotation]))
    LandmarkDataset(scheme=scheme, cases=cases).save(folder / "dataset.json")
    return folder / "dataset.json"


class Runner:
    """Runs a bundle as a user does, in a process of its own."""

    def __init__(self, root, dataset):
        self.root = Path(root)
        self.dataset = dataset

    def command(self, run_id, configs=("train",), folder=None, **options):
        base = self.root / "configs" if folder is None else folder
        files = [f"{base}/{name}.yaml" for name in configs]
        given = {**SMALL, "dataset_file": str(self.dataset), **options} if "inference" not in configs else options
        arguments = [part for key, value in given.items() for part in (f"--{key}", str(value))]
        listed = files[0] if len(files) == 1 else str(files).replace(" ", "")
        return [sys.executable, "-m", "monai.bundle", "run", run_id, "--config_file", listed, *arguments]

    def environment(self):
        return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}

    def __call__(self, run_id, configs=("train",), cwd=None, folder=None, **options):
        done = subprocess.run(
            self.command(run_id, configs, folder, **options),
            cwd=cwd or self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def kill_during(self, epoch, **options):
        """Start a training and SIGKILL it after it has said that `epoch` is over."""
        process = subprocess.Popen(
            self.command("training", **options),
            cwd=self.root,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in process.stdout:
            if f"epoch {epoch}/" in line:
                time.sleep(0.3)
                process.send_signal(signal.SIGKILL)
                break
        else:
            pytest.fail("the training ended before it could be killed")
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL


@pytest.fixture
def runner(tmp_path, blobs):
    return Runner(copy_bundle("label_augmentation", tmp_path / "bundle"), blobs)


@pytest.fixture(scope="session")
def figures(tmp_path_factory):
    """Path of a data set file large enough for a shape prior."""
    return write_figures(tmp_path_factory.mktemp("figures") / "data")


@pytest.fixture(scope="session")
def trained(tmp_path_factory, blobs):
    """A bundle trained for two epochs."""
    runner = Runner(copy_bundle("label_augmentation", tmp_path_factory.mktemp("trained") / "bundle"), blobs)
    runner.output = runner("training")
    return runner
