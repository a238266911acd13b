"""Radiographs for the page, read from the data set."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from monai_landmarks.data.dataset import Case, LandmarkDataset, State
from monai_landmarks.errors import ReadError
from monai_landmarks.metrics import Results
from monai_landmarks.metrics.summary import PRESENCE_THRESHOLD
from monai_landmarks.report.figures import data_uri

JPEG_QUALITY = 88


def read_pixels(dataset: LandmarkDataset, case_id: str) -> np.ndarray:
    """(1, H, W) of a case.

    Raises:
        LandmarksError: the data set has no such case, or its image cannot be read.
    """
    case = next((case for case in dataset.cases if case.id == case_id), None)
    if case is None:
        raise ReadError("the data set file has no such case")
    return read_case(dataset, case)


def read_case(dataset: LandmarkDataset, case: Case) -> np.ndarray:
    """(1, H, W) of a case.

    Raises:
        ReadError: its image cannot be read.
    """
    from monai_landmarks.data.reader import read_radiograph

    radiograph = read_radiograph(
        dataset.root / case.image,
        frame=case.frame,
        polarity=case.polarity,
        spacing_mm=case.spacing_mm,
        magnification=case.magnification,
    )
    return radiograph.pixels


def claimed_points(results: Results, i: int) -> np.ndarray:
    """(K, 2) predictions of image `i`, NaN for what the model calls absent and is not annotated.

    What the model calls absent it does not claim to have found; where there is truth, its point is scored.
    """
    claimed = (results.presence[i] >= PRESENCE_THRESHOLD) | (results.state[i] == State.PRESENT)
    return np.where(claimed[:, None], results.predicted[i], np.nan)


def jpeg_uri(picture: Image.Image) -> str:
    """A picture as the address of a JPEG image."""
    stream = io.BytesIO()
    picture.convert("RGB").save(stream, format="JPEG", quality=JPEG_QUALITY, optimize=True)
    return data_uri(stream.getvalue(), "image/jpeg")
