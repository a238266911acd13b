"""Images that do not say which side they show, or how large their pixels are: refused one by one, naming the option."""

import numpy as np
import pydicom
import pytest
from monai.transforms import Compose
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from monai_landmarks.data.stream import RadiographStream
from monai_landmarks.transforms.limb_views import KnowSided
from monai_landmarks.transforms.load import LoadRadiographd


def write_dicom(path, **header):
    ds = pydicom.Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.SOPInstanceUID = DigitalXRayImageStorageForPresentation, generate_uid()
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation = 20, 20, 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = np.arange(400, dtype="<u2").tobytes()
    ds.update(header)
    ds.save_as(path, enforce_file_format=True)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    write_dicom(folder / "left.dcm", ImageLaterality="L", ImagerPixelSpacing=[0.2, 0.2])
    write_dicom(folder / "both.dcm", Laterality="B", PixelSpacing=[0.2, 0.2], PatientOrientation=["R", "F"])
    write_dicom(folder / "large.dcm", ImageLaterality="R")
    Image.fromarray(np.arange(400, dtype=np.uint16).reshape(20, 20)).save(folder / "plain.png")
    return folder


def run(folder, side=None, **kwargs):
    chain = Compose([LoadRadiographd("image"), KnowSided("image", side)])
    stream = RadiographStream([folder], chain, needs_spacing=True, **kwargs)
    sides = {item["case_id"]: (item["sides"], item["swapped"]) for item in stream}
    assert not stream.skipped
    return sides, {path.name: reason for path, reason in stream.failed}


def test_without_options(folder):
    sides, failed = run(folder)
    assert sides == {"left.dcm": ("L", False), "both.dcm": ("both", True)}
    assert "--side L, --side R or --side both" in failed["plain.png"]
    assert "--spacing" in failed["large.dcm"]


def test_with_both_options_every_image_is_used(folder):
    sides, failed = run(folder, "both", spacing_mm=(0.3, 0.3))
    assert sides == {
        "left.dcm": ("L", False),
        "both.dcm": ("both", True),
        "large.dcm": ("R", False),
        "plain.png": ("both", False),
    }
    assert not failed


def test_the_side_alone_leaves_the_spacing_to_ask_for(folder):
    assert set(run(folder, "R")[1]) == {"large.dcm", "plain.png"}


def test_a_spacing_that_makes_an_image_longer_than_any_is_refused(folder):
    assert "6.0 m long; check --spacing" in run(folder, "R", spacing_mm=(99.0, 300.0))[1]["large.dcm"]


def test_a_bundle_of_whole_images_refuses_the_option(folder, tmp_path):
    from typer.testing import CliRunner

    from monai_landmarks.cli.main import build_app
    from monai_landmarks.sharing.bundles import shipped_bundles

    bundle = str(shipped_bundles()["label_augmentation"])
    arguments = ["predict", bundle, str(folder), "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(build_app(), [*arguments, "--side", "L"])
    assert done.exit_code
    said = done.output + str(done.exception or "")
    assert "--side L: this model looks at whole images; leave it out" in " ".join(said.split())
    assert CliRunner().invoke(build_app(), [*arguments, "--side", "left"]).exit_code == 2
