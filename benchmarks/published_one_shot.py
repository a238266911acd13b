"""What the one-shot papers printed for ISBI 2015: 250 test images (test 1 and 2), original pixels, mm and per cent."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Published:
    """One row.

    Attributes:
        models: how many networks it takes.
        mre: mm.
        sdr: per cent closer than 2, 2.5, 3 and 4 mm.
    """

    models: int
    mre: float
    sdr: tuple[float, float, float, float]


ROWS: dict[str, Published] = {
    "SAM": Published(1, 2.56, (54.11, 63.66, 70.25, 80.84)),
    "UOD": Published(1, 2.43, (51.14, 62.37, 74.40, 86.49)),
    "CC2D": Published(1, 2.04, (62.46, 71.62, 80.00, 89.45)),
    "FM-OSD coarse": Published(1, 1.93, (63.60, 75.43, 83.03, 91.94)),
    "FM-OSD fine": Published(2, 1.82, (67.35, 77.92, 84.59, 91.92)),
    "CC2D-SLA": Published(19, 1.82, (69.73, 76.69, 84.04, 92.17)),
    "C-ATD": Published(19, 1.79, (72.02, 78.02, 84.72, 92.00)),
    "C-Adapter": Published(1, 1.96, (67.83, 75.33, 81.89, 90.82)),
    "C-F2": Published(3, 1.83, (70.48, 77.35, 83.96, 91.43)),
}

# fmt: off
# MRE in mm of the landmarks 1 to 19.
LANDMARKS: dict[str, tuple[float, ...]] = {
    "CC2D": (1.35, 1.60, 1.58, 1.93, 1.86, 2.50, 1.42, 1.46, 1.08, 4.19,
             2.58, 2.60, 1.63, 1.69, 1.73, 3.54, 1.73, 1.77, 2.44),
    "FM-OSD": (1.55, 1.49, 1.66, 2.28, 1.72, 2.41, 1.05, 0.99, 0.83, 3.23,
               2.44, 1.91, 1.60, 1.43, 1.69, 2.61, 1.55, 1.67, 2.49),
    "C-ATD": (0.98, 1.51, 1.37, 1.80, 1.54, 2.47, 0.96, 1.10, 0.84, 3.59,
              2.85, 1.43, 1.56, 1.54, 2.50, 2.52, 1.24, 2.00, 2.25),
    "C-F2": (1.26, 1.54, 1.46, 2.00, 1.61, 2.43, 0.94, 1.93, 0.84, 3.17,
             2.66, 1.50, 1.52, 1.47, 1.89, 2.56, 1.51, 1.82, 2.75),
}
# fmt: on
