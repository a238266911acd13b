"""The first transform of every pipeline: from a data list's path to an image with its spacing."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.transforms import MapTransform

from monai_landmarks.data.reader import meta_of, read_radiograph

# What an item may say about its own image, and what holds if it does not.
SETTINGS = {"frame": 1, "polarity": "auto", "spacing_mm": None, "magnification": None}


class LoadRadiographd(MapTransform):
    """Replace a path by its radiograph, read as the item itself asks.

    The item's `frame`, `polarity`, `spacing_mm` and `magnification`, where present and not None, go to
    `monai_landmarks.data.reader.read_radiograph`; those that are None are removed, since they do not collate.

    The item then holds a float32 MetaTensor (1, rows, columns), bone bright, whose affine maps (row, column) to mm
    and whose meta holds what the reader knows; and
        spacing: float64 tensor (2,), mm (row, column), NaN where unknown;
        spacing_plane: one of `monai_landmarks.data.spacing.PLANES`;
        size: int64 tensor (2,), rows and columns of the file.

    Args:
        keys: the key of the path; with several, spacing and size are the last one's.
        allow_missing_keys: leave items without the key as they are.
        voi: apply a DICOM image's own VOI LUT or window.

    Raises:
        ReadError: when called on a file that cannot be read. Inside `Compose` it is the `__cause__` of MONAI's
            RuntimeError.
    """

    def __init__(self, keys: KeysCollection = "image", allow_missing_keys: bool = False, voi: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.voi = voi

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Load `data[key]` for every key; `data` itself is not changed."""
        item = dict(data)
        settings = {name: item.get(name, default) for name, default in SETTINGS.items()}
        settings = {name: SETTINGS[name] if value is None else value for name, value in settings.items()}
        for name in [name for name in SETTINGS if name in item and item[name] is None]:
            del item[name]
        for key in self.key_iterator(item):
            path = str(item[key])
            radiograph = read_radiograph(path, voi=self.voi, **settings)
            meta = meta_of(radiograph) | {"filename_or_obj": path}
            item[key] = MetaTensor(torch.from_numpy(radiograph.pixels), meta=meta)
            item["spacing"] = torch.tensor(meta["spacing"], dtype=torch.float64)
            item["spacing_plane"] = radiograph.spacing.plane
            item["size"] = torch.as_tensor(radiograph.pixels.shape[1:])
        return item
