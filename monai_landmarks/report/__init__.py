"""The HTML report of a run."""

from monai_landmarks.report.document import write_report

__all__ = ["write_report"]
