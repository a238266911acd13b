"""The embedded data set, made once and kept."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from monai_landmarks.simulate.dataset import simulate_dataset

logger = logging.getLogger(__name__)
CACHE_VARIABLE = "MONAI_LANDMARKS_CACHE"


def cache_folder() -> Path:
    """Where simulated data sets are kept: $MONAI_LANDMARKS_CACHE, else the user's cache folder."""
    if folder := os.environ.get(CACHE_VARIABLE):
        return Path(folder)
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "monai_landmarks"


def cached_dataset(preset: str, count: int, seed: int) -> Path:
    """The data set file of a simulated data set; simulated now if it is not in the cache yet.

    Raises:
        ConfigError: the cache holds one of an older simulator; the message says what to delete.

    Args:
        preset: as for `simulate_dataset`.
        count: number of radiographs.
        seed: of the simulation.
    """
    folder = cache_folder() / f"{preset}-{count}-seed{seed}"
    if not (folder / "dataset.json").is_file():
        logger.info(f"Simulating {count} radiographs ({preset}, seed {seed}) into {folder}, once.")
    return simulate_dataset(folder, preset=preset, count=count, seed=seed)
