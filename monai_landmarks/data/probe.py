"""What `check` needs to know of each image, gathered in one reading, in parallel."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from monai_landmarks.data.dataset import Case, LandmarkDataset
from monai_landmarks.data.reader import read_radiograph
from monai_landmarks.errors import ConfigError, LandmarksError

# Side of the miniature that the polarity check looks at.
MINIATURE = 64


@dataclass(frozen=True)
class Probe:
    """One image, as far as a data set check looks at it.

    Attributes:
        case_id: the case.
        error: why the image cannot be read; None if it can. All that follows is empty then.
        size: (rows, columns).
        spacing_mm: (row, column), None where unknown.
        plane: what plane the spacing holds in, see `monai_landmarks.data.spacing`.
        pixel_hash: SHA-256 of shape and pixels as read.
        miniature: (64, 64) float32, area means.
        view: body part and view as the file names them.
        laterality: L, R, B or "".
        burned_in: the file says that text is burned into the pixels.
    """

    case_id: str
    error: str | None = None
    size: tuple[int, int] | None = None
    spacing_mm: tuple[float, float] | None = None
    plane: str = "unknown"
    pixel_hash: str = ""
    miniature: np.ndarray | None = None
    view: str = ""
    laterality: str = ""
    burned_in: bool = False


def probe_cases(
    dataset: LandmarkDataset, workers: int = 0, progress: Callable[[int], None] | None = None
) -> list[Probe]:
    """Read every image once; one that cannot be read does not stop the others.

    Args:
        dataset: its cases, in their order.
        workers: processes; 0 or 1 for none but this one.
        progress: called with the number of images read so far.

    Raises:
        ConfigError: a process was killed, mostly for want of memory.
    """
    work = partial(probe_case, dataset.root)
    if workers < 2:
        return [_told(probe, i, progress) for i, probe in enumerate(map(work, dataset.cases))]
    # Not fork: the decoders and the caller may hold threads.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            results = pool.map(work, dataset.cases, chunksize=4)
            return [_told(probe, i, progress) for i, probe in enumerate(results)]
    except BrokenProcessPool:
        reason = "perhaps for want of memory; try again with one worker"
        raise ConfigError(f"a process that read images was killed, {reason}") from None


def _told(probe: Probe, index: int, progress: Callable[[int], None] | None) -> Probe:
    if progress is not None:
        progress(index + 1)
    return probe


def probe_case(root: Path, case: Case) -> Probe:
    """Read one case's image below `root`."""
    try:
        radiograph = read_radiograph(
            root / case.image,
            frame=case.frame,
            polarity=case.polarity,
            spacing_mm=case.spacing_mm,
            magnification=case.magnification,
        )
    except LandmarksError as error:
        return Probe(case.id, error=str(error))
    pixels = radiograph.pixels
    info = radiograph.info
    digest = hashlib.sha256(str(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes())
    small = Image.fromarray(pixels[0]).resize((MINIATURE, MINIATURE), Image.Resampling.BOX)
    return Probe(
        case.id,
        size=(pixels.shape[1], pixels.shape[2]),
        spacing_mm=radiograph.spacing.mm,
        plane=radiograph.spacing.plane,
        pixel_hash=digest.hexdigest(),
        miniature=np.asarray(small),
        view=" ".join(filter(None, (str(info.get("body_part", "")), str(info.get("view", ""))))),
        laterality=str(info.get("laterality", "")),
        burned_in=str(info.get("burned_in_annotation", "")).upper() == "YES",
    )
