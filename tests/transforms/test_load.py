import math

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor, list_data_collate
from monai.transforms import Compose, Resized
from PIL import Image
from pydicom import Dataset as Header
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from monai_landmarks.errors import ReadError
from monai_landmarks.transforms.load import LoadRadiographd

PIXELS = np.arange(2 * 10 * 8, dtype=np.uint16).reshape(2, 10, 8)


@pytest.fixture
def film(tmp_path):
    """Two frames, 10 x 8, bone dark, 0.2 x 0.3 mm on the detector."""
    ds = Header()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.1")
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3.4")
    ds.Modality, ds.PhotometricInterpretation, ds.SamplesPerPixel = "CR", "MONOCHROME1", 1
    ds.NumberOfFrames, ds.Rows, ds.Columns = PIXELS.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 16, 15, 0
    ds.ImagerPixelSpacing = [0.2, 0.3]
    ds.WindowCenter, ds.WindowWidth = 40, 80
    ds.PixelData = PIXELS.tobytes()
    ds["PixelData"].VR = "OW"
    ds.save_as(tmp_path / "film.dcm", enforce_file_format=True)
    return str(tmp_path / "film.dcm")


@pytest.fixture
def photo(tmp_path):
    Image.fromarray(PIXELS[0].astype(np.uint8)).save(tmp_path / "photo.png")
    return str(tmp_path / "photo.png")


def test_path_becomes_image(film):
    data = {"image": film, "case_id": "a", "points": np.zeros((1, 2, 2))}
    item = LoadRadiographd("image")(data)
    image = item["image"]
    assert isinstance(image, MetaTensor)
    assert image.dtype == torch.float32
    assert np.array_equal(image.numpy(), 79 - PIXELS[:1].astype(np.float32))
    assert torch.equal(image.affine, torch.diag(torch.tensor([0.2, 0.3, 1, 1], dtype=torch.float64)))
    assert torch.equal(item["spacing"], torch.tensor([0.2, 0.3], dtype=torch.float64))
    assert item["spacing_plane"] == "detector_plane"
    assert item["size"].tolist() == [10, 8]
    assert image.meta["filename_or_obj"] == film
    assert np.array_equal(image.meta["original_affine"], np.diag([0.2, 0.3, 1, 1]))
    assert (image.meta["spatial_shape"] == (10, 8)).all()
    assert (image.meta["modality"], image.meta["polarity"]) == ("CR", "inverted")
    assert item["case_id"] == "a"
    assert item["points"] is data["points"]
    assert data["image"] == film


def test_the_item_decides(film):
    item = LoadRadiographd()(
        {"image": film, "frame": 2, "polarity": "keep", "spacing_mm": (0.4, 0.8), "magnification": 2.0}
    )
    assert np.array_equal(item["image"].numpy(), PIXELS[1:].astype(np.float32))
    assert item["spacing"].tolist() == [0.2, 0.4]
    assert (item["spacing_plane"], item["frame"]) == ("user", 2)
    magnified = LoadRadiographd()({"image": film, "magnification": 2.0})
    assert magnified["spacing"].tolist() == [0.1, 0.15]


def test_none_is_removed_and_means_the_default(film):
    item = LoadRadiographd()(
        {"image": film, "frame": None, "polarity": None, "spacing_mm": None, "magnification": None, "patient": "P1"}
    )
    assert item.keys() == {"image", "patient", "spacing", "spacing_plane", "size"}
    assert item["spacing"].tolist() == [0.2, 0.3]


def test_unknown_spacing_is_not_a_number(photo):
    item = LoadRadiographd()({"image": photo})
    assert all(math.isnan(value) for value in item["spacing"].tolist())
    assert item["spacing_plane"] == "unknown"
    assert torch.equal(item["image"].affine, torch.eye(4, dtype=torch.float64))


def test_voi(film):
    image = LoadRadiographd(voi=True)({"image": film, "polarity": "keep"})["image"].numpy()
    assert np.allclose(image[0], np.clip((PIXELS[0] - 39.5) / 79 + 0.5, 0, 1))


@pytest.mark.parametrize("workers", [0, 1])
def test_batches(film, photo, workers):
    data = [
        {"image": film, "case_id": "a", "frame": 1, "polarity": "auto", "spacing_mm": None, "magnification": None},
        {"image": photo, "case_id": "b", "frame": 1, "polarity": "auto", "spacing_mm": None, "magnification": None},
    ]
    pipeline = Compose([LoadRadiographd("image"), Resized("image", (5, 4))])
    batch = next(iter(DataLoader(Dataset(data, pipeline), batch_size=2, num_workers=workers)))
    assert batch["image"].shape == (2, 1, 5, 4)
    assert batch["spacing"].shape == (2, 2)
    assert batch["spacing"].dtype == torch.float64
    assert torch.isnan(batch["spacing"][1]).all()
    assert batch["size"].tolist() == [[10, 8], [10, 8]]
    assert batch["spacing_plane"] == ["detector_plane", "unknown"]
    assert batch["case_id"] == ["a", "b"]
    # Twice as large a pixel after halving the image, in the tracked affine.
    assert torch.allclose(batch["image"].affine[0].diagonal()[:2], torch.tensor([0.4, 0.6], dtype=torch.float64))


def test_dicom_and_png_collate_with_all_their_meta(film, photo):
    items = [LoadRadiographd()({"image": path}) for path in (film, photo)]
    assert items[0]["image"].meta.keys() == items[1]["image"].meta.keys()
    assert not any(value is None for item in items for value in item["image"].meta.values())
    batch = list_data_collate(items)
    assert batch["image"].meta["format"] == ["DICOM", "PNG"]


def test_missing_keys(photo):
    with pytest.raises(KeyError):
        LoadRadiographd("image")({"case_id": "a"})
    assert LoadRadiographd("image", allow_missing_keys=True)({"case_id": "a"}) == {"case_id": "a"}


def test_errors_name_the_file_also_inside_compose(tmp_path):
    broken = tmp_path / "broken.dcm"
    broken.write_text("text")
    with pytest.raises(ReadError, match=r"broken\.dcm"):
        LoadRadiographd()({"image": str(broken)})
    with pytest.raises(RuntimeError) as caught:
        Compose([LoadRadiographd()])({"image": str(broken)})
    assert isinstance(caught.value.__cause__, ReadError)
