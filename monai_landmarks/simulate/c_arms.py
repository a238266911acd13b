"""The C-arms of the two hospitals, with a wide field for the pelvis and a narrow one for a hip."""

from __future__ import annotations

from dataclasses import replace

from monai_landmarks.simulate.film import FilmRanges
from monai_landmarks.simulate.fluoroscope import CArm, ScreenRanges

HOME_WIDE = CArm(
    matrices=(576, 640, 704),
    intensifiers=(310.0, 320.0),
    source_detector=(970.0, 1030.0),
    object_detector=(210.0, 270.0),
    fill=(0.95, 0.985),
    blades=0.15,
    bone_dark=1.0,
    kvp=(66, 84),
    exposure=(0.2, 0.6),
    chain=FilmRanges(quanta=(220.0, 900.0), scatter=(0.25, 0.6), blur=(0.8, 1.3)),
    screen=ScreenRanges(),
    stray=7.0,
)
EXTERNAL_WIDE = CArm(
    matrices=(512, 768),
    intensifiers=(290.0, 340.0),
    source_detector=(900.0, 980.0),
    object_detector=(190.0, 300.0),
    fill=(0.88, 0.96),
    blades=0.4,
    bone_dark=0.0,
    kvp=(74, 96),
    exposure=(0.1, 0.3),
    chain=FilmRanges(quanta=(120.0, 450.0), scatter=(0.5, 1.0), blur=(1.0, 1.8)),
    screen=ScreenRanges(
        brightness=(0.36, 0.66),
        gamma=(0.65, 0.90),
        falloff=(0.25, 0.42),
        mottle=(0.5, 1.1),
        sharpening=(0.0, 2.4),
        pedestal=(0.05, 0.14),
    ),
    stray=9.0,
)
HOME_NARROW = replace(HOME_WIDE, intensifiers=(230.0, 240.0), stray=8.0)
EXTERNAL_NARROW = replace(EXTERNAL_WIDE, intensifiers=(215.0, 255.0), stray=8.0)
