"""What needs no network: floors for every table."""

from monai_landmarks.baselines.evaluate import Baseline, evaluate_baselines
from monai_landmarks.baselines.shapes import MeanShape, ShapeRegression
from monai_landmarks.baselines.views import RegionViewer, View, WholeViewer

__all__ = [
    "Baseline",
    "MeanShape",
    "RegionViewer",
    "ShapeRegression",
    "View",
    "WholeViewer",
    "evaluate_baselines",
]
