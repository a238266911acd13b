"""Contrast and size give MONAI's numbers."""

import numpy as np
import pytest
import torch
from monai.data import MetaTensor
from monai.transforms import Resized, ScaleIntensityRangePercentilesd

from monai_landmarks.transforms.geometry import NoteGeometryd
from monai_landmarks.transforms.prepare import ResizeSmoothedd, ScalePercentilesd, tail_percentiles


def radiograph(*size, spacing=0.2):
    """Noise with a few grey steps, as a reader hands it out."""
    generator = np.random.default_rng(sum(size))
    pixels = np.floor(4096 * generator.random((1, *size), dtype=np.float32))
    affine = torch.diag(torch.tensor([spacing, 2 * spacing, 1.0, 1.0], dtype=torch.float64))
    return MetaTensor(torch.from_numpy(pixels), affine=affine, meta={"original_affine": affine.numpy(), "note": "kept"})


# Shrunk along both axes, along one, grown, the same, to fewer pixels than the smoothing reaches over, a single line.
SIZES = [((301, 270), (64, 96)), ((90, 40), (32, 64)), ((20, 30), (64, 64)), ((64, 64), (64, 64)), ((33, 70), (3, 2))]


@pytest.mark.parametrize(("old", "new"), [*SIZES, ((1, 90), (32, 32))])
def test_resizing_is_monais(old, new):
    item = {"image": radiograph(*old)}
    ours = ResizeSmoothedd("image", new)(item)["image"]
    theirs = Resized("image", new, mode="bilinear", anti_aliasing=True)(item)["image"]
    assert ours.shape == (1, *new)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours.as_tensor(), theirs.as_tensor(), rtol=1e-5, atol=4096 * 1e-6)
    torch.testing.assert_close(ours.affine, theirs.affine)
    assert ours.meta["note"] == "kept"
    noted = [NoteGeometryd("image")({"image": image})["to_original"] for image in (ours, theirs)]
    torch.testing.assert_close(*noted)


# MONAI changes its way of finding percentiles at a million pixels.
@pytest.mark.parametrize("size", [(40, 50), (1024, 1000)])
def test_scaling_is_monais(size):
    item = {"image": radiograph(*size)}
    ours = ScalePercentilesd("image")(item)["image"]
    theirs = ScaleIntensityRangePercentilesd("image", 0.5, 99.5, 0.0, 1.0, clip=True)(item)["image"]
    torch.testing.assert_close(ours.as_tensor(), theirs.as_tensor(), rtol=0, atol=1e-6)
    assert ours.meta["note"] == "kept"
    assert item["image"].max() > 1, "the item's own image was changed"


def test_one_grey_value_becomes_0():
    assert ScalePercentilesd("image")({"image": torch.full((1, 4, 4), 7.0)})["image"].unique().tolist() == [0.0]


def test_channels_are_resized_one_by_one():
    pixels = torch.rand(3, 50, 60)
    together = ResizeSmoothedd("image", (16, 20))({"image": MetaTensor(pixels)})["image"]
    alone = [ResizeSmoothedd("image", (16, 20))({"image": MetaTensor(one[None])})["image"][0] for one in pixels]
    torch.testing.assert_close(together.as_tensor(), torch.stack(alone).as_tensor())


@pytest.mark.parametrize("size", [1, 2, 7, 1000, 300_000])
@pytest.mark.parametrize(("lower", "upper"), [(0.5, 99.5), (0.0, 100.0), (20.0, 60.0), (50.0, 50.0)])
def test_percentiles_are_numpys(size, lower, upper):
    generator = np.random.default_rng(size)
    flat = generator.random(size, dtype=np.float32)
    # Half of them one value, as in padding; sorted, so that a regular sample misleads nobody; the sample's all large.
    padded, ordered, misleading = np.where(flat < 0.5, np.float32(0), flat), np.sort(flat), flat.copy()
    misleading[:: max(1, size // 2**15)] += 10
    for values in (flat, padded, ordered, misleading):
        assert tail_percentiles(values, lower, upper) == pytest.approx(np.percentile(values, [lower, upper]), rel=1e-6)
