"""Anatomical landmark detection in radiographs on MONAI."""

from monai_landmarks.plain_errors import tell_bundle_errors_plainly

__version__ = "0.1.0"

tell_bundle_errors_plainly()
