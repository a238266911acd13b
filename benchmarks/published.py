"""What arXiv 2309.16066 printed, and the other work it compares itself with.

Private clinical data, the validation set that also chose the models; pixels at 512. RMSE is the paper's:
distance / sqrt(2), mean over images, then over landmarks. SDR in per cent, probably of the distance / sqrt(2) too.
"""

from __future__ import annotations

from dataclasses import dataclass, field

NOTE = "published, private clinical data, other images, validation set"

BASELINE = "baseline"
BASELINE_AUGMENTED = "baseline + training augmentation"
PROPOSED_AUGMENTED = "proposed + training augmentation"
PROPOSED = "proposed"


@dataclass(frozen=True)
class PublishedSet:
    """One data set of table 1.

    Attributes:
        title: as in the paper.
        images, landmarks: how many.
        rmse: by row.
        sdr: by row, in per cent by threshold, as far as known here.
    """

    title: str
    images: int
    landmarks: int
    rmse: dict[str, float]
    sdr: dict[str, dict[str, float]] = field(default_factory=dict)


def _published(title: str, images: int, landmarks: int, rmse: tuple[float, ...], *sdr: float) -> PublishedSet:
    """RMSE of the rows in the paper's order, then SDR < 2, 2.5, 3, 4 of "proposed" and < 2 of "proposed + ..."."""
    rows = (BASELINE, BASELINE_AUGMENTED, PROPOSED_AUGMENTED, PROPOSED)
    shares = {PROPOSED: dict(zip(("2.0", "2.5", "3.0", "4.0"), sdr)), PROPOSED_AUGMENTED: {"2.0": sdr[4]}}
    return PublishedSet(title, images, landmarks, dict(zip(rows, rmse, strict=True)), shares)


# fmt: off
TABLE_1: dict[str, PublishedSet] = {
    "knee-radiograph": _published(
        "knee radiograph", 216, 8, (124.82, 137.08, 5.26, 1.79), 63.08, 78.49, 88.37, 95.64, 39.53),
    "pelvis-radiograph": _published(
        "pelvis radiograph", 329, 20, (175.03, 180.77, 8.75, 3.98), 38.15, 52.08, 63.38, 74.15, 17.54),
    "pelvis-fluoroscopy": _published(
        "pelvis fluoroscopy", 286, 8, (129.70, 135.50, 8.74, 3.09), 41.67, 55.92, 65.13, 74.78, 15.27),
    "pelvis-radiograph-implant": _published(
        "pelvis radiograph, implant", 210, 4, (81.08, 151.79, 5.88, 1.82), 64.35, 80.10, 86.65, 93.52, 24.04),
    "pelvis-fluoroscopy-implant": _published(
        "pelvis fluoroscopy, implant", 84, 5, (154.86, 150.35, 5.46, 2.08), 47.06, 70.59, 81.18, 95.29, 24.14),
    "pelvis-fluoroscopy-trochanter": _published(
        "pelvis fluoroscopy, trochanter", 159, 6, (151.89, 166.79, 6.46, 3.55), 34.90, 43.75, 54.17, 66.67, 17.45),
}
# fmt: on

# Mean error in mm of five points of the pelvis radiograph and their mean, left and right pooled.
POINTS = ("teardrop", "inferior ischium", "lesser trochanter", "greater trochanter", "sacrococcygeal junction")
TABLE_2: dict[str, tuple[float, ...]] = {
    f"the paper ({NOTE})": (2.19, 3.43, 2.13, 2.06, 8.17, 3.60),
    "Mulford et al. (published, 1,000 other images)": (2.7, 3.1, 2.1, 3.0, 5.6, 3.3),
}
# Our names of these points in the preset pelvis-radiograph.
POINT_NAMES: dict[str, tuple[str, ...]] = {
    "teardrop": ("teardrop_left", "teardrop_right"),
    "inferior ischium": ("ischium_inferior_left", "ischium_inferior_right"),
    "lesser trochanter": ("lesser_trochanter_medial_left", "lesser_trochanter_medial_right"),
    "greater trochanter": ("greater_trochanter_superior_left", "greater_trochanter_superior_right"),
    "sacrococcygeal junction": ("sacrococcygeal_junction",),
}
