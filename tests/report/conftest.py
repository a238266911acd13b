"""A small data set on disk, an evaluation of it, and the run folder it leaves."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset, load_dataset
from monai_landmarks.metrics import Results, summarise, write_metrics
from monai_landmarks.scheme import Landmark, Scheme

NAMES = ("head_left", "head_right", "tip", "notch")
SIZE = (96, 72)


@pytest.fixture
def dataset(tmp_path: Path) -> LandmarkDataset:
    """Twelve PNG images of noise, six patients; `notch` is absent in one, `tip` unlabelled in another."""
    rng = np.random.default_rng(0)
    scheme = Scheme(name="toy", landmarks=tuple(Landmark(name=n) for n in NAMES), groups={"heads": NAMES[:2]})
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    cases = []
    for i in range(12):
        Image.fromarray(rng.integers(0, 255, SIZE, dtype=np.uint8)).save(folder / "images" / f"{i:02d}.png")
        points = {name: tuple(rng.uniform(10, 60, 2)) for name in NAMES}
        absent = ["notch"] if i == 3 else []
        missing = [*absent, "tip"] if i == 5 else absent
        annotation = Annotation(reader="r", points={n: p for n, p in points.items() if n not in missing}, absent=absent)
        cases.append(
            Case(
                id=f"image {i:02d}",
                image=f"images/{i:02d}.png",
                patient=f"P{i // 2:04d}",
                split="test",
                spacing_mm=(0.2, 0.2),
                annotations=[annotation],
            )
        )
    LandmarkDataset(scheme=scheme, cases=cases).save(folder / "dataset.json")
    return load_dataset(folder / "dataset.json")


@pytest.fixture
def evaluate(dataset: LandmarkDataset) -> Callable[..., Results]:
    """A function that makes Results of every case, with errors that grow from case to case."""

    def make(spread: float = 3.0, seed: int = 1) -> Results:
        rng = np.random.default_rng(seed)
        points, states = zip(*(case.points(dataset.scheme) for case in dataset.cases))
        truth, state = np.stack(points), np.stack(states)
        n, k = state.shape
        offset = rng.uniform(-1, 1, size=truth.shape) * spread * np.linspace(0.2, 3, n)[:, None, None]
        return Results(
            names=dataset.names,
            groups=dataset.scheme.group_indices(),
            case_ids=[case.id for case in dataset.cases],
            patients=[case.patient_key for case in dataset.cases],
            images=[str(dataset.root / case.image) for case in dataset.cases],
            truth=truth,
            state=state,
            predicted=np.where(np.isnan(truth), 40.0, truth) + offset,
            confidence=rng.random((n, k)),
            presence=np.where(state == 2, 0.2, 0.9),
            spacing=np.full((n, 2), 0.2),
            planes=["patient_plane"] * n,
            network_scale=np.full((n, 2), 0.5),
        )

    return make


@pytest.fixture
def run_folder(evaluate: Callable[..., Results], tmp_path: Path) -> Path:
    """metrics.json, cases.csv, history.csv and a worse model in `baseline`."""
    run = tmp_path / "runs" / "toy"
    for folder, spread in ((run, 3.0), (run / "baseline", 20.0)):
        results = evaluate(spread)
        write_metrics(summarise(results, "test", bootstrap=100), folder / "metrics.json")
        results.write_csv(folder / "cases.csv")
    with (run / "history.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["epoch", "loss", "radius", "learning_rate", "val_mre", "seconds"])
        writer.writerows([[e, 3 / e, 40 - 4 * e, 1e-3, 9 / e if e % 2 else "nan", 1.5] for e in range(1, 9)])
    return run
