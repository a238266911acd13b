"""Point errors: statistics, results, metrics.json and the MONAI metric."""

from monai_landmarks.metrics.ignite import LandmarkErrors, results_from_arrays
from monai_landmarks.metrics.results import Results
from monai_landmarks.metrics.summary import summarise, write_metrics
from monai_landmarks.metrics.tables import rich_table

__all__ = ["LandmarkErrors", "Results", "results_from_arrays", "rich_table", "summarise", "write_metrics"]
