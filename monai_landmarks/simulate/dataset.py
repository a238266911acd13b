"""Simulating a whole data set: images in parallel, one data set file, the same result for the same seed."""

from __future__ import annotations

import multiprocessing
import os
import zlib
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from monai_landmarks.cores import available_cores
from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset, Split, load_dataset
from monai_landmarks.errors import ConfigError, DatasetError
from monai_landmarks.simulate.dicom import write_dicom
from monai_landmarks.simulate.presets import get_preset, get_site
from monai_landmarks.simulate.radiograph import HOME, Preset
from monai_landmarks.simulate.shape_model import package_folder

READER = "simulator"
# Raised whenever a seed would give other images: an older data set is never mistaken for a new one.
REVISION = 1
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
SPLITS: tuple[Split, ...] = ("training", "validation", "test")
Shares = tuple[float, float, float]
HOME_SHARES: Shares = (0.7, 0.15, 0.15)
# Another site's images are for external validation: no model is trained or chosen on them.
OTHER_SHARES: Shares = (0.0, 0.0, 1.0)


def simulate_dataset(
    out: Path,
    preset: str = "pelvis-radiograph",
    count: int = 200,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = True,
    split: Shares | None = None,
    site: str = HOME,
) -> Path:
    """Write `out`/dataset.json and `out`/images/*.dcm and return the data set file's path.

    Image i of a seed is the same, byte for byte, whatever the count and the number of workers. Every image is
    of a patient of its own; no two sites share one. If `out` holds this very data set already, nothing is done.

    Args:
        out: folder to write to; made if missing.
        preset: name of the preset.
        count: number of images.
        seed: of all random numbers.
        workers: processes; None for one a core, 1 for none but this one.
        progress: show a progress bar on standard error.
        split: shares of training, validation and test; None for 0.7, 0.15, 0.15 at the site "home" and all in
            the test split at any other, which is for external validation only.
        site: the hospital; "home" or "external" for every preset.

    Raises:
        ConfigError: unknown preset or site, impossible count, workers or shares, no shape model package, or a folder
            that cannot be written to.
        DatasetError: `out` holds another data set.
    """
    chosen = get_preset(preset)
    get_site(chosen, site)
    shares = split or (HOME_SHARES if site == HOME else OTHER_SHARES)
    _check_arguments(count, seed, workers, shares)
    target = Path(out) / "dataset.json"
    splits = assign_splits(count, seed, shares)
    if target.exists():
        _check_same(target, chosen, site, seed, splits)
        return target
    package_folder()
    scope = {"modality": [chosen.view.modality], "body_part": [chosen.view.body_part], "view": [chosen.view.position]}
    try:
        images = Path(out) / "images"
        images.mkdir(parents=True, exist_ok=True)
        cases = _simulate_all(images, chosen, site, seed, count, workers, progress)
        for case, part in zip(cases, splits):
            case.split = part
        LandmarkDataset(scope=scope, scheme=chosen.scheme, cases=cases).save(target)
    except OSError as error:
        raise ConfigError(f"{out}: cannot write the data set: {error}; choose a folder you can write to") from None
    return target


def simulate_case(images: Path, preset: str, seed: int, index: int, site: str = HOME) -> Case:
    """Simulate one image, write it into the folder `images` and return its case, without a split.

    Names, UIDs, patients and random numbers of home carry no site; every other site adds its name to each.
    """
    chosen = get_preset(preset)
    place = () if site == HOME else (site,)
    # The name's checksum is not 0: a seed sequence takes missing numbers for zeros.
    stream = [seed, index, *(zlib.crc32(name.encode()) for name in place)]
    radiograph = get_site(chosen, site)(np.random.default_rng(stream))
    name, patient = "_".join((preset, *place, f"{index + 1:04d}")), "-".join((*place, f"P{index + 1:04d}"))
    write_dicom(images / f"{name}.dcm", radiograph, chosen.view, patient, (preset, REVISION, seed, index, *place))
    # A hundredth of a pixel is a few thousandths of a millimetre.
    points = {key: (round(float(point[1]), 2), round(float(point[0]), 2)) for key, point in radiograph.points.items()}
    return Case(
        id=name,
        image=f"{images.name}/{name}.dcm",
        size=(radiograph.pixels.shape[0], radiograph.pixels.shape[1]),
        patient=patient,
        side=radiograph.side,
        attributes=_origin(preset, site, seed) | dict(radiograph.attributes),
        annotations=[Annotation(reader=READER, points=points, absent=list(radiograph.absent))],
    )


def assign_splits(count: int, seed: int, shares: Shares) -> list[Split]:
    """The split of each image: exact shares by largest remainder.

    Each split with a share gets at least one image if there are enough.
    """
    exact = np.array(shares) / sum(shares) * count
    sizes = np.floor(exact).astype(int)
    for k in np.argsort(sizes - exact, kind="stable")[: count - sizes.sum()]:
        sizes[k] += 1
    if count >= sum(share > 0 for share in shares):
        for k in range(3):
            if shares[k] > 0 and sizes[k] == 0:
                sizes[int(np.argmax(sizes))] -= 1
                sizes[k] = 1
    ordered = [name for name, size in zip(SPLITS, sizes) for _ in range(size)]
    places = np.random.default_rng([seed, count]).permutation(count)
    return [ordered[place] for place in places]


def _origin(preset: str, site: str, seed: int) -> dict[str, Any]:
    return {"simulator": preset, "site": site, "revision": REVISION, "seed": seed}


def _check_arguments(count: int, seed: int, workers: int | None, split: Shares) -> None:
    if count < 1:
        raise ConfigError(f"count must be at least 1, not {count}")
    if seed < 0:
        raise ConfigError(f"seed must not be negative, but is {seed}")
    if workers is not None and workers < 1:
        raise ConfigError(f"workers must be at least 1, not {workers}; leave it out for one a core")
    if len(split) != 3 or min(split) < 0 or sum(split) <= 0:
        raise ConfigError(f"split must be three shares of training, validation and test, none negative, not {split}")


def _check_same(target: Path, preset: Preset, site: str, seed: int, splits: list[Split]) -> None:
    """Accept a data set file that is exactly the one asked for."""
    found, origin = load_dataset(target), _origin(preset.name, site, seed)
    same = (
        # What is measured may have been added since or changed by the user; it makes no image another.
        found.scheme.model_copy(update={"measurements": ()}) == preset.scheme.model_copy(update={"measurements": ()})
        and [case.split for case in found.cases] == splits
        # Data sets from before there were sites name none; they are home's.
        and all(origin.items() <= {"site": HOME, **case.attributes}.items() for case in found.cases)
    )
    if not same:
        raise DatasetError(
            target,
            [
                f"this folder holds another data set ({found.scheme.name}, {len(found.cases)} cases); "
                "choose another folder or delete this one"
            ],
        )


def _simulate_all(
    images: Path, preset: Preset, site: str, seed: int, count: int, workers: int | None, progress: bool
) -> list[Case]:
    """Every case in order."""
    number = min(workers or available_cores(), count)
    cases: dict[int, Case] = {}
    with _bar(f"simulating {preset.name} ({site})", count, progress) as advance:
        if number == 1:
            for index in range(count):
                cases[index] = simulate_case(images, preset.name, seed, index, site)
                advance()
        else:
            with _pool(number) as pool:
                tasks: dict[Future[Case], int] = {
                    pool.submit(simulate_case, images, preset.name, seed, index, site): index for index in range(count)
                }
                for task in as_completed(tasks):
                    cases[tasks[task]] = task.result()
                    advance()
    return [cases[index] for index in range(count)]


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Processes of one thread each, started afresh (a forked child of a process with threads may hang)."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"))
    try:
        yield pool
    except BrokenProcessPool:
        raise ConfigError("a worker process died, perhaps for want of memory; try again with one worker") from None
    finally:
        pool.shutdown(cancel_futures=True)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _bar(title: str, total: int, shown: bool) -> Iterator[Any]:
    """A function to call once an image is done."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not shown) as bar:
        task = bar.add_task(title, total=total)
        yield lambda: bar.advance(task)
