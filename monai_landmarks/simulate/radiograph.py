"""What a preset is and what it makes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from monai_landmarks.data.dataset import Side
from monai_landmarks.scheme import Scheme


@dataclass(frozen=True)
class Radiograph:
    """A simulated radiograph with its truth.

    Attributes:
        pixels: (rows, columns) uint16 in 0..4095, bone bright.
        points: landmark -> (row, column), pixel centres at integers, for every landmark that is present and
            annotated.
        absent: landmarks outside the exposed field.
        spacing: detector pixel in mm.
        source_detector, source_patient: distances in mm; their ratio is the magnification of the landmarks'
            plane.
        monochrome1: whether the file stores it inverted.
        kvp, exposure: tube voltage in kV and tube load in mAs.
    """

    pixels: np.ndarray
    points: dict[str, np.ndarray]
    absent: tuple[str, ...]
    spacing: float
    source_detector: float
    source_patient: float
    monochrome1: bool
    kvp: float
    exposure: float


@dataclass(frozen=True)
class View:
    """How a preset's images are labelled in DICOM.

    Attributes:
        body_part: BodyPartExamined.
        region: (code, scheme, meaning) of the anatomic region.
        position: ViewPosition.
        view: (code, scheme, meaning) of the view.
        orientation: PatientOrientation of rows and columns.
        laterality: ImageLaterality (L, R, B or U).
    """

    body_part: str
    region: tuple[str, str, str]
    position: str
    view: tuple[str, str, str]
    orientation: tuple[str, str]
    laterality: str


@dataclass(frozen=True)
class Preset:
    """A kind of radiograph the simulator can make.

    Attributes:
        name: as given on the command line.
        summary: one line for the list of presets.
        scheme: the landmarks.
        view: DICOM labels.
        side: the data set file's `side` of a case.
        render: draws one radiograph from random numbers.
    """

    name: str
    summary: str
    scheme: Scheme
    view: View
    side: Side
    render: Callable[[np.random.Generator], Radiograph]
