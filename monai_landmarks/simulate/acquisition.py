"""How a hospital takes its radiographs: tube, table, detector, collimation, marker and processing."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from monai_landmarks.simulate.anatomy import Range
from monai_landmarks.simulate.film import Field, FilmRanges, develop, expose
from monai_landmarks.simulate.marker import MarkerStyle, draw_marker


@dataclass(frozen=True)
class Acquisition:
    """Ranges one hospital's images are taken with, each drawn uniformly.

    Attributes:
        detectors: (rows, columns, pixel in mm) of each detector.
        source_detector: distance in mm.
        object_detector: distance in mm from the landmarks' plane to the detector.
        open_share: share of images without visible collimation.
        tightest: largest cut of (top and bottom, left and right), as fractions of rows and columns.
        monochrome1: share of files stored inverted.
        kvp: tube voltage in kV, whole numbers, the upper bound excluded.
        exposure: tube load in mAs, likewise.
        film: the imaging chain.
        marker: the lead letter.
    """

    detectors: tuple[tuple[int, int, float], ...]
    source_detector: Range
    object_detector: Range
    open_share: float
    tightest: Range
    monochrome1: float
    kvp: tuple[int, int]
    exposure: tuple[int, int]
    film: FilmRanges = field(default_factory=FilmRanges)
    marker: MarkerStyle = field(default_factory=MarkerStyle)

    def image(
        self,
        attenuation: np.ndarray,
        body: np.ndarray,
        area: Field,
        spacing: float,
        rng: np.random.Generator,
        letters: str = "LR",
    ) -> np.ndarray:
        """Stored values (rows, columns) uint16 in 0..4095, bone bright, of a patient with a lead letter beside.

        Args:
            attenuation: (rows, columns) line integrals of the patient.
            body: thickness of the body in mm; exposure and grey scale follow what is above 30.
            area: the collimated field.
            spacing: pixel in mm.
            rng: random numbers.
            letters: the lead letters there are.
        """
        shape = attenuation.shape[0], attenuation.shape[1]
        total = (attenuation + draw_marker(area, shape, spacing, rng, self.marker, letters)).astype(np.float32)
        edge = area.depth(np.arange(shape[0])[:, None], np.arange(shape[1])[None, :])
        opening = np.clip(edge / 2.5 + 0.5, 0, 1).astype(np.float32)
        density = expose(total, body, opening, spacing, self.film, rng)
        # The border starts a little inside the penumbra.
        return develop(density, body, edge > 2.0, spacing, self.film, rng)
