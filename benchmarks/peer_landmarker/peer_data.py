"""Images and points for the peer: its own rules for reading, resizing and augmenting, without torchvision.

`landmarker.data` cannot be imported where torchvision does not load; what it does with an image is little: read by
MONAI, pad both sides alike to the input's aspect ratio, resize bilinearly with antialiasing, points multiplied by the
same factors. The points' arithmetic and the affine of the augmentation are the package's own functions.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from landmarker.transforms.landmarks import affine_landmarks, resize_landmarks
from landmarker.utils import pixel_to_unit
from monai.data import MetaTensor
from monai.transforms import (
    Compose,
    LoadImage,
    RandAdjustContrastd,
    RandAffined,
    RandGaussianNoised,
    RandHistogramShiftd,
    RandScaleIntensityd,
    ScaleIntensityd,
)
from pydicom import dcmread
from pydicom.misc import is_dicom
from torch import Tensor

IMAGE = "image"
# The augmentation of the authors' ISBI 2015 notebook; pixels of shift are at 512.
AT = 512
# Pixels: the heat-map of a point there is 0 everywhere, and so is its gradient.
FAR = -1e4


@dataclass
class Split:
    """One split, at the input's size.

    Attributes:
        ids: of the cases.
        images: (N, 1, rows, columns).
        landmarks: (N, K, 2) row and column in the input, NaN where there is no point.
        original: (N, 2) rows and columns of the files.
        padding: (N, 2) rows and columns added on each side, in pixels of the file.
    """

    ids: list[str]
    images: Tensor
    landmarks: Tensor
    original: Tensor
    padding: Tensor

    def to_original(self, points: Tensor, size: tuple[int, int]) -> Tensor:
        """Points (N, K, 2) of the input in pixels of the files."""
        one = torch.ones(len(points), 2)
        return pixel_to_unit(points, pixel_spacing=one, dim=size, dim_orig=self.original, padding=self.padding)


def read_split(file: Path, split: str, size: tuple[int, int]) -> Split:
    """The cases of one split of our data set file; a point is the mean of its readers."""
    document = json.loads(file.read_text(encoding="utf-8"))
    names = [landmark["name"] for landmark in document["scheme"]["landmarks"]]
    cases = [case for case in document["cases"] if case["split"] == split]
    load = LoadImage(image_only=True, ensure_channel_first=True)
    rows: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    for case in cases:
        # MONAI gives columns first.
        image = torch.as_tensor(np.asarray(load(file.parent / case["image"]))).float()[:1].transpose(1, 2)
        if inverted(file.parent / case["image"]):
            image = image.amax() - image
        original = torch.tensor(image.shape[-2:]).float()
        fitted, padding = resized(image, size)
        points = resize_landmarks(torch.tensor(points_of(case, names)), original, size, padding)
        rows.append((fitted, points, original, padding))
    images, landmarks, original, padding = (torch.stack(values) for values in zip(*rows))
    return Split([case["id"] for case in cases], images, landmarks.float(), original, padding)


def inverted(path: Path) -> bool:
    """Whether a DICOM file is MONOCHROME1, which our reader turns round and MONAI's does not: both get the same."""
    if not is_dicom(path):
        return False
    header = dcmread(path, stop_before_pixels=True, specific_tags=["PhotometricInterpretation"])
    return bool(header.PhotometricInterpretation == "MONOCHROME1")


def points_of(case: dict[str, Any], names: list[str]) -> np.ndarray:
    """(K, 2) row and column, NaN where no reader placed the point."""
    points = np.full((len(names), 2), np.nan)
    for number, name in enumerate(names):
        placed = [annotation["points"][name] for annotation in case["annotations"] if name in annotation["points"]]
        if placed:
            points[number] = np.mean(placed, axis=0)[::-1]
    return points


def resized(image: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The image (1, rows, columns) padded and resized, and the pixels added on each side of rows and of columns."""
    rows, columns = image.shape[-2:]
    ratio = size[0] / size[1]
    padding = [0, 0]
    if round(rows / columns, 2) != round(ratio, 2):
        wider, taller = int(rows / ratio - columns), int(ratio * columns - rows)
        padding = [max(taller, 0) // 2, max(wider, 0) // 2]
    padded = F.pad(image, (padding[1], padding[1], padding[0], padding[0]))
    fitted = F.interpolate(padded[None], size, mode="bilinear", antialias=True)[0]
    return fitted, torch.tensor(padding).float()


def augmentation(size: tuple[int, int]) -> Compose:
    """The notebook's training transforms."""
    shift = 10 * max(size) / AT
    return Compose(
        [
            ScaleIntensityd(IMAGE),
            RandGaussianNoised(IMAGE, prob=0.2, mean=0, std=0.1),
            RandScaleIntensityd(IMAGE, factors=0.25, prob=0.2),
            RandAdjustContrastd(IMAGE, prob=0.2, gamma=(0.5, 4.5)),
            RandHistogramShiftd(IMAGE, prob=0.2),
            ScaleIntensityd(IMAGE),
            RandAffined(
                IMAGE,
                prob=1,
                rotate_range=(-np.pi / 12, np.pi / 12),
                translate_range=(-shift, shift),
                scale_range=(-0.1, 0.1),
                shear_range=(-0.1, 0.1),
            ),
        ]
    )


def augmented(image: Tensor, landmarks: Tensor, transform: Callable[[Any], Any]) -> tuple[Tensor, Tensor]:
    """A training sample: the points follow the affine that MONAI has tracked; those that lack lie far outside."""
    moved = transform({IMAGE: MetaTensor(image, affine=torch.eye(4))})[IMAGE]
    push = torch.linalg.inv(moved.affine.float())
    return moved.as_tensor(), affine_landmarks(landmarks, push).nan_to_num(FAR)


def plain(images: Tensor) -> Tensor:
    """Images as prediction sees them: each scaled to 0..1."""
    low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
    return (images - low) / (high - low).clamp(min=1e-6)
