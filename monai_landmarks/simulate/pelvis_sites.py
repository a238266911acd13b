"""The hospitals of the preset `pelvis-radiograph`: what tells their images and patients apart."""

from __future__ import annotations

from dataclasses import dataclass, replace

from monai_landmarks.simulate.acquisition import Acquisition
from monai_landmarks.simulate.anatomy import PoseRanges, Range
from monai_landmarks.simulate.film import FilmRanges
from monai_landmarks.simulate.marker import MarkerStyle


@dataclass(frozen=True)
class PelvisSite:
    """A hospital: how it takes pelvis radiographs, and the patients it takes them of.

    Attributes:
        acquisition: tube, detector and processing.
        pose: anatomy and position of the patients.
        build: scale of the trunk.
        centring: mm the ray stands above the symphysis on average, and its spread; a tenth is off by 4.7 times that.
    """

    acquisition: Acquisition
    pose: PoseRanges
    build: Range = (0.90, 1.16)
    centring: tuple[float, float] = (42.0, 9.0)


HOME_SITE = PelvisSite(
    Acquisition(
        detectors=((864, 1024, 0.42), (840, 1000, 0.43), (900, 1050, 0.40)),
        source_detector=(1080.0, 1200.0),
        object_detector=(125.0, 185.0),
        open_share=0.35,
        tightest=(0.15, 0.19),
        monochrome1=0.3,
        kvp=(70, 86),
        exposure=(8, 41),
    ),
    PoseRanges(),
)
EXTERNAL_SITE = PelvisSite(
    Acquisition(
        detectors=((1000, 1200, 0.36), (1024, 1024, 0.42), (780, 960, 0.45)),
        source_detector=(980.0, 1100.0),
        object_detector=(150.0, 220.0),
        open_share=0.15,
        tightest=(0.20, 0.24),
        monochrome1=0.6,
        kvp=(80, 96),
        exposure=(4, 16),
        film=FilmRanges(
            quanta=(500.0, 3000.0),
            scatter=(0.6, 1.3),
            blur=(0.9, 1.6),
            base_gain=(0.65, 0.95),
            detail_gain=(0.9, 1.3),
            sharpening=(0.0, 2.0),
            contrast=(1.6, 2.6),
            toe=(0.30, 0.55),
            black_border=0.3,
        ),
        marker=MarkerStyle(height=(16.0, 24.0), stroke=(0.14, 0.19), plate=0.25, along=(0.2, 0.7)),
    ),
    PoseRanges(
        tilt=(-16.0, 16.0),
        axial_rotation=(-8.0, 8.0),
        obliquity=(-6.0, 6.0),
        hip_rotation=(-25.0, 20.0),
        hip_adduction=(-12.0, 6.0),
    ),
    build=(0.94, 1.26),
    centring=(36.0, 8.5),
)
# A small hospital with an old cassette reader: soft, noisy images, hardly ever collimated. For federated training.
CLINIC_SITE = PelvisSite(
    replace(
        HOME_SITE.acquisition,
        detectors=((880, 1060, 0.40),),
        source_detector=(1000.0, 1050.0),
        open_share=0.7,
        monochrome1=0.0,
        film=FilmRanges(quanta=(800.0, 2000.0), blur=(1.2, 1.8), contrast=(1.4, 2.0)),
        marker=MarkerStyle(height=(10.0, 14.0)),
    ),
    PoseRanges(obliquity=(-5.0, 5.0)),
    build=(0.86, 1.08),
    centring=(46.0, 10.0),
)
