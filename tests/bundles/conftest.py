import numpy as np
import pytest
from bundle_runner import ONE_SHOT, STAGES, Runner
from painted_knees import write_knees
from PIL import Image

from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset
from monai_landmarks.scheme import Landmark, Scheme
from monai_landmarks.sharing.bundles import copy_bundle

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


@pytest.fixture(scope="session", autouse=True)
def _quick_tracking(quick_tracking):
    pass


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


@pytest.fixture(scope="session")
def one_shot(tmp_path_factory, blobs):
    """The one-shot bundle, trained without annotations for two epochs."""
    runner = Runner(copy_bundle("one_shot", tmp_path_factory.mktemp("one_shot") / "bundle"), blobs, ONE_SHOT)
    runner.output = runner("training")
    return runner


@pytest.fixture
def again(tmp_path, blobs):
    """The one-shot bundle, untrained."""
    return Runner(copy_bundle("one_shot", tmp_path / "bundle"), blobs, ONE_SHOT)


@pytest.fixture(scope="session")
def knees(tmp_path_factory):
    """Path of a data set file of both knees."""
    return write_knees(tmp_path_factory.mktemp("knees") / "data")


@pytest.fixture(scope="session")
def stages(tmp_path_factory, knees):
    """Both bundles of KNEEL beside each other, trained for two epochs."""
    folder = tmp_path_factory.mktemp("kneel")
    runners = {}
    for name, small in STAGES.items():
        runners[name] = Runner(copy_bundle(name, folder / name), knees, small)
        runners[name].output = runners[name]("training")
    return runners
