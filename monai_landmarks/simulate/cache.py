"""The embedded data set, made once and kept."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from monai_landmarks.errors import ConfigError
from monai_landmarks.simulate.dataset import simulate_dataset
from monai_landmarks.simulate.presets import get_preset, get_site
from monai_landmarks.simulate.radiograph import HOME

logger = logging.getLogger(__name__)
CACHE_VARIABLE = "MONAI_LANDMARKS_CACHE"


def cache_folder() -> Path:
    """Where simulated data sets are kept: $MONAI_LANDMARKS_CACHE, else the user's cache folder."""
    if folder := os.environ.get(CACHE_VARIABLE):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "monai_landmarks"


def cached_dataset(preset: str, count: int, seed: int, site: str = HOME) -> Path:
    """The data set file of a simulated data set; simulated now if it is not in the cache yet.

    Raises:
        ConfigError: unknown preset or site; the cache holds one of an older simulator: the message says what to delete.
        ValueError: `count` or `seed` is no whole number.

    Args:
        preset: as for `simulate_dataset`.
        count: number of radiographs.
        seed: of the simulation.
        site: as for `simulate_dataset`; all images of "external" are in the test split.
    """
    # A stranger's config may call this: nothing but known names and numbers becomes part of a path.
    get_site(get_preset(preset), site)
    place = () if site == HOME else (site,)
    folder = cache_folder() / "-".join((preset, *place, f"{count:d}", f"seed{seed:d}"))
    with _alone(folder):
        if not (folder / "dataset.json").is_file():
            logger.info(f"Simulating {count} radiographs ({preset}, {site}, seed {seed}) into {folder}, once.")
        return simulate_dataset(folder, preset=preset, count=count, seed=seed, site=site)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process simulates, the others wait and find the data set; a complete one needs no lock, nor a writable cache.

    Raises:
        ConfigError: the cache cannot be written to.
    """
    if (folder / "dataset.json").is_file():
        yield
        return
    lock = FileLock(folder.with_name(folder.name + ".lock"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be written: {error}; set {CACHE_VARIABLE} to a folder of yours") from None
    try:
        yield
    finally:
        lock.release()
