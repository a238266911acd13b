"""Results of small DICOM images."""

import pytest
from dicom_samples import MODEL, make_image, predicted

from monai_landmarks.export.device import Device
from monai_landmarks.export.dicom import ResultWriter
from monai_landmarks.export.kinds import DicomResult


@pytest.fixture
def image_file(tmp_path):
    def make(name="image.dcm", **changes):
        return make_image(tmp_path / name, **changes)

    return make


@pytest.fixture
def device():
    return Device.of(MODEL, "pelvis")


@pytest.fixture
def write(tmp_path):
    """Write every kind of result of an image; gives the paths by kind, and the notes."""

    def write_results(path, kinds=tuple(DicomResult), **arguments):
        folder = tmp_path / "dicom"
        notes = ResultWriter(folder, kinds, MODEL, "pelvis").write(predicted(path, **arguments), path.stem)
        return {kind: folder / f"{path.stem}.{kind}.dcm" for kind in kinds}, notes

    return write_results
