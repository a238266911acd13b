"""Which DICOM results there are. Imports nothing heavy: the command line lists them."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from monai_landmarks.errors import ConfigError


class DicomResult(StrEnum):
    """A kind of DICOM result; its value is what a user writes and the file's suffix."""

    SR = "sr"
    GSPS = "gsps"
    SC = "sc"


def result_kinds(values: Sequence[str]) -> list[DicomResult]:
    """The kinds a user named, each once.

    Raises:
        ConfigError: one does not exist.
    """
    unknown = [value for value in values if value not in list(DicomResult)]
    if unknown:
        raise ConfigError(f"dicom: there is no result {unknown[0]!r}; choose from {', '.join(DicomResult)}")
    return list(dict.fromkeys(DicomResult(value) for value in values))
