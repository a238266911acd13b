"""Point errors: statistics, results, metrics.json and the MONAI metric."""

from monai_landmarks.metrics.ignite import LandmarkErrors, results_from_arrays
from monai_landmarks.metrics.measurements import measurement_errors, summarise_measurements, write_measurements
from monai_landmarks.metrics.results import Results
from monai_landmarks.metrics.summary import summarise, write_metrics
from monai_landmarks.metrics.tables import measurement_table, rich_table

__all__ = [
    "LandmarkErrors",
    "Results",
    "measurement_errors",
    "measurement_table",
    "results_from_arrays",
    "rich_table",
    "summarise",
    "summarise_measurements",
    "write_measurements",
    "write_metrics",
]
