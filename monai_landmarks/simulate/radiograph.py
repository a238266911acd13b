"""What a preset is and what it makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from monai_landmarks.data.dataset import Side
from monai_landmarks.scheme import Scheme

HOME = "home"
EXTERNAL = "external"


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
        side: the side of the patient that is shown; the case's `side` and the file's laterality follow from it.
        bone_dark: whether the file stores what the detector saw, much radiation as a high value, as fluoroscopy does.
        circle: (row, column, radius) in pixels of an image intensifier's field; outside it pixels are 0, inside
            they are not.
        attributes: what is known of the case beside its landmarks.
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
    side: Side = "both"
    bone_dark: bool = False
    circle: tuple[float, float, float] | None = None
    attributes: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class View:
    """How a preset's images are labelled in DICOM.

    Attributes:
        body_part: BodyPartExamined.
        region: (code, scheme, meaning) of the anatomic region.
        position: ViewPosition.
        view: (code, scheme, meaning) of the view.
        orientation: PatientOrientation of rows and columns.
        modality: DX, or RF for radiofluoroscopy.
    """

    body_part: str
    region: tuple[str, str, str]
    position: str
    view: tuple[str, str, str]
    orientation: tuple[str, str]
    modality: str = "DX"


@dataclass(frozen=True)
class Preset:
    """A kind of radiograph the simulator can make.

    Attributes:
        name: as given on the command line.
        summary: one line for the list of presets.
        scheme: the landmarks.
        view: DICOM labels.
        sites: site -> function that draws one radiograph of that site from random numbers. "home" is the
            hospital models are trained for, "external" another one, for external validation only.
    """

    name: str
    summary: str
    scheme: Scheme
    view: View
    sites: Mapping[str, Callable[[np.random.Generator], Radiograph]]
