"""Anatomical landmark detection in radiographs on MONAI."""

__version__ = "0.1.0"
