"""Small DICOM files made to order."""

from pathlib import Path
from types import SimpleNamespace

import imagecodecs
import numpy as np
import pytest
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, RLELossless

COMPUTED_RADIOGRAPHY = "1.2.840.10008.5.1.4.1.1.1"
NEWER_THAN_PYDICOM = ("1.2.840.10008.1.2.4.110",)
STAND_IN = UID("1.2.840.10008.1.2.4.203")
# Found in no output of ours: see the privacy test.
SECRETS = {
    "PatientName": "Secret^Person",
    "PatientID": "SECRET-4711",
    "PatientBirthDate": "19010203",
    "StudyDate": "20010203",
    "InstitutionName": "Secret Hospital",
    "AccessionNumber": "SECRET-ACC",
    "StudyInstanceUID": "1.2.3.44.55.66",
}


def picture(rows=24, columns=18, bits=12):
    """A ramp with a bright disk: no symmetry, every value below 2**bits."""
    row, column = np.mgrid[:rows, :columns]
    disk = np.hypot(row - rows * 0.4, column - columns * 0.6) < min(rows, columns) / 4
    return ((row * 3 + column * 2 + 1800 * disk) % 2**bits).astype(np.uint16)


def dataset(pixels, bits_stored=12, syntax=ExplicitVRLittleEndian, instance="1.2.3.4.5", **tags):
    """A CR image of `pixels` (rows, columns), (frames, rows, columns) or, uint8, (rows, columns, 3)."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UID(COMPUTED_RADIOGRAPHY)
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID(instance)
    ds.Modality, ds.PhotometricInterpretation, ds.SamplesPerPixel = "CR", "MONOCHROME2", 1
    for keyword, value in SECRETS.items():
        setattr(ds, keyword, value)
    colour = pixels.ndim == 3 and pixels.shape[-1] == 3
    ds.Rows, ds.Columns = pixels.shape[:2] if colour else pixels.shape[-2:]
    if colour:
        ds.SamplesPerPixel, ds.PlanarConfiguration, ds.PhotometricInterpretation = 3, 0, "RGB"
    elif pixels.ndim == 3:
        ds.NumberOfFrames = len(pixels)
    ds.BitsAllocated = pixels.dtype.itemsize * 8
    ds.BitsStored = min(bits_stored, ds.BitsAllocated)
    ds.HighBit = ds.BitsStored - 1
    ds.PixelRepresentation = int(pixels.dtype.kind == "i")
    ds.PixelData = pixels.tobytes()
    ds["PixelData"].VR = "OB" if ds.BitsAllocated == 8 else "OW"
    for keyword, value in tags.items():
        setattr(ds, keyword, value)
    return ds


def compress(ds, syntax, encode):
    """Replace native pixel data by one stream per frame."""
    frames = ds.pixel_array if "NumberOfFrames" in ds else [ds.pixel_array]
    if syntax == RLELossless:
        ds.compress(RLELossless, generate_instance_uid=False)
        return ds
    ds.PixelData = encapsulate([bytes(encode(np.ascontiguousarray(frame))) for frame in frames])
    ds["PixelData"].VR = "OB"
    ds.file_meta.TransferSyntaxUID = UID(syntax)
    return ds


@pytest.fixture(scope="session")
def dicom():
    """The helpers of this file: picture, dataset, compress, STREAMS, SECRETS."""
    return SimpleNamespace(picture=picture, dataset=dataset, compress=compress, streams=STREAMS, secrets=SECRETS)


@pytest.fixture
def make_dicom(tmp_path):
    """Write a CR file: make_dicom(pixels, name="x.dcm", change=function(ds), **tags) -> path."""

    def make(pixels=None, name="image.dcm", change=None, **tags):
        ds = dataset(picture() if pixels is None else pixels, **tags)
        ds = (change(ds) or ds) if change else ds
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        syntax = ds.file_meta.TransferSyntaxUID
        if syntax in NEWER_THAN_PYDICOM:
            # pydicom writes only what it knows; the stand-in is as long.
            ds.file_meta.TransferSyntaxUID = STAND_IN
        ds.save_as(path, enforce_file_format=True)
        path.write_bytes(path.read_bytes().replace(STAND_IN.encode(), syntax.encode()))
        return path

    return make


@pytest.fixture(scope="session")
def radiograph_folder():
    folder = Path(__file__).parents[2].parent / "shared" / "data" / "dicom"
    if not folder.is_dir():
        pytest.skip(f"the public radiographs are not beside the repository ({folder.name})")
    return folder


STREAMS = {
    "1.2.840.10008.1.2.4.50": lambda a: imagecodecs.jpeg8_encode(a, level=95),
    "1.2.840.10008.1.2.4.51": lambda a: imagecodecs.jpeg8_encode(a, level=98, bitspersample=12),
    "1.2.840.10008.1.2.4.57": lambda a: imagecodecs.jpeg8_encode(a, lossless=True, predictor=4, bitspersample=12),
    "1.2.840.10008.1.2.4.70": lambda a: imagecodecs.ljpeg_encode(a, bitspersample=12),
    "1.2.840.10008.1.2.4.80": imagecodecs.jpegls_encode,
    "1.2.840.10008.1.2.4.81": lambda a: imagecodecs.jpegls_encode(a, level=2),
    "1.2.840.10008.1.2.4.90": lambda a: imagecodecs.jpeg2k_encode(
        a, codecformat="J2K", reversible=True, bitspersample=12
    ),
    "1.2.840.10008.1.2.4.91": lambda a: imagecodecs.jpeg2k_encode(a, codecformat="J2K", level=80),
    "1.2.840.10008.1.2.4.201": imagecodecs.htj2k_encode,
    "1.2.840.10008.1.2.4.110": lambda a: imagecodecs.jpegxl_encode(a, lossless=True),
    "1.2.840.10008.1.2.5": None,
}
