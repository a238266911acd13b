import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image
from pydicom.dataset import FileMetaDataset
from pydicom.uid import DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian, generate_uid

from monai_landmarks.data import image_size as module
from monai_landmarks.data.image_size import image_size
from monai_landmarks.data.reader import read_radiograph
from monai_landmarks.data.tables import import_table

GREY = np.arange(30 * 20, dtype=np.uint8).reshape(30, 20)


def write_dicom(path):
    ds = pydicom.Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.Modality, ds.PhotometricInterpretation = "DX", "MONOCHROME2"
    ds.Rows, ds.Columns, ds.SamplesPerPixel = 30, 20, 1
    ds.BitsAllocated = ds.BitsStored = 8
    ds.HighBit, ds.PixelRepresentation = 7, 0
    ds.PixelData = GREY.tobytes()
    ds.save_as(path, enforce_file_format=True)


def write_jpeg(path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(GREY).save(path, exif=exif)


WRITERS = {
    "a.png": lambda path: Image.fromarray(GREY).save(path),
    "straight.jpg": lambda path: write_jpeg(path, 3),
    "turned.jpg": lambda path: write_jpeg(path, 6),
    "a.tif": lambda path: tifffile.imwrite(path, GREY, photometric="minisblack"),
    "a.dcm": write_dicom,
}


@pytest.mark.parametrize("name", WRITERS)
def test_the_header_says_what_the_reader_gives(tmp_path, name):
    WRITERS[name](tmp_path / name)
    size = read_radiograph(tmp_path / name).pixels.shape[1:]
    assert image_size(tmp_path / name) == size
    assert size == ((20, 30) if name == "turned.jpg" else (30, 20))


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n", b"II*\x00", b"\0" * 128 + b"DICM", None])
def test_what_tells_nothing_has_no_size(tmp_path, content):
    if content is not None:
        (tmp_path / "x").write_bytes(content)
    assert image_size(tmp_path / "x") is None


def test_pages_have_sizes_of_their_own(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.tif") as tiff:
        tiff.write(GREY, photometric="minisblack")
        tiff.write(GREY[:10], photometric="minisblack")
    assert [image_size(tmp_path / "a.tif", frame) for frame in (1, 2, 3)] == [(30, 20), (10, 20), None]


def test_an_import_records_the_size_without_decoding(tmp_path, monkeypatch):
    (tmp_path / "images").mkdir()
    WRITERS["a.png"](tmp_path / "images" / "a.png")
    (tmp_path / "images" / "b.png").write_bytes(b"damaged")
    (tmp_path / "t.csv").write_text("image,p_x,p_y\na,1,2\nb,3,4\n")
    monkeypatch.setattr(module.Image.Image, "load", lambda self: pytest.fail("decoded"))
    assert [case.size for case in import_table(tmp_path / "t.csv", tmp_path / "images").cases] == [(30, 20), None]
