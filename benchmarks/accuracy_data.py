"""The two data sets, and nested subsets of their training images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from isbi2015 import make_dataset

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.simulate import simulate_dataset

ISBI, PELVIS = "isbi2015", "pelvis"


def isbi(data: Path, folder: Path) -> Path | None:
    """ISBI 2015 with a fifth of its training images held out for validation; None, and a line, where it is missing."""
    if not (data / "landmarks.csv").is_file():
        print(f"{data}/landmarks.csv is missing: the rows on ISBI 2015 are left out (--isbi names its folder)")
        return None
    return make_dataset(data, folder / ISBI, 0.2)


def pelvis(folder: Path, shares: tuple[float, float, float]) -> Path:
    """Simulated pelvis radiographs, so many for training, validation and test."""
    count = round(sum(shares))
    return simulate_dataset(folder / PELVIS / "data", "pelvis-radiograph", count=count, split=shares, progress=False)


def subset(file: Path, count: int, folder: Path) -> Path:
    """The data set with `count` training images; a larger subset holds a smaller one. Validation and test stay.

    Raises:
        SystemExit: there are not so many training images.
    """
    dataset = load_dataset(file)
    training = [case.id for case in dataset.select("training")]
    if count > len(training):
        raise SystemExit(f"{file} has {len(training)} training images, not {count}")
    chosen = {training[number] for number in np.random.default_rng(0).permutation(len(training))[:count]}
    cases = [case for case in dataset.cases if case.split != "training" or case.id in chosen]
    target = folder / "dataset.json"
    if not target.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        dataset.model_copy(update={"cases": cases}).relocated(folder).save(target)
    return target
