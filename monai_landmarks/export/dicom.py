"""Writes the DICOM results of a prediction that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monai_landmarks.data.quiet import quiet
from monai_landmarks.errors import ConfigError, LandmarksError, writing
from monai_landmarks.export.device import Device
from monai_landmarks.export.kinds import DicomResult
from monai_landmarks.export.predictions import PredictedImage
from monai_landmarks.export.source import Source, read_source

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

Writer = Callable[[PredictedImage, Source, Device], "Dataset"]


def writers() -> dict[DicomResult, Writer]:
    """The function that builds each kind.

    Raises:
        ConfigError: highdicom is not installed.
    """
    try:
        from monai_landmarks.export import capture, presentation, structured
    except ModuleNotFoundError as error:
        raise ConfigError(f'DICOM results need {error.name}: pip install "monai_landmarks[sr]"') from None
    return {
        DicomResult.SR: structured.measurement_report,
        DicomResult.GSPS: presentation.presentation_state,
        DicomResult.SC: capture.secondary_capture,
    }


class ResultWriter:
    """Writes an image's DICOM results; one that cannot be written is told and never stops the rest.

    Args:
        directory: where to.
        kinds: what to write.
        model: what made the points: bundle, version, trained_on.
        scheme: name of the landmark scheme.

    Raises:
        ConfigError: highdicom is not installed.
    """

    def __init__(self, directory: Path, kinds: Sequence[DicomResult], model: dict[str, Any], scheme: str) -> None:
        self.directory = directory
        self.writers = {kind: writer for kind, writer in writers().items() if kind in kinds}
        self.device = Device.of(model, scheme)

    def write(self, image: PredictedImage, stem: str) -> list[str]:
        """Write STEM.sr.dcm, STEM.gsps.dcm, STEM.sc.dcm.

        Returns:
            What there is to know: results that were not written and why, landmarks and values left out.

        Raises:
            WriteError: the disk is full, or nothing may be written to the folder.
        """
        try:
            source = read_source(image.file, image.frame)
        except LandmarksError as error:
            return [str(error)]
        notes = list(source.notes)
        if image.outside:
            names = ", ".join(point.name for point in image.outside)
            notes.append(f"outside the image, left out of the DICOM results: {names}")
        with writing(self.directory):
            self.directory.mkdir(parents=True, exist_ok=True)
        for kind, writer in self.writers.items():
            try:
                # Libraries warn of what the source holds, in words that quote it.
                with quiet:
                    content = _encoded(writer(image, source, self.device), source)
            except LandmarksError as error:
                notes.append(f"no {kind}: {error}")
            except Exception as error:
                # highdicom and pydicom raise anything on an unusual header, and their words may quote it.
                notes.append(f"no {kind}: the image's header is damaged or of an unknown kind ({type(error).__name__})")
            else:
                path = self.directory / f"{stem}.{kind}.dcm"
                with writing(path):
                    path.write_bytes(content)
        return notes


def _encoded(result: Dataset, source: Source) -> bytes:
    """A DICOM file with patient and study of the source."""
    source.identify(result)
    buffer = BytesIO()
    result.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()
