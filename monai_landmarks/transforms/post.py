"""After the network: logits to points of the original image."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform
from torch import Tensor

from monai_landmarks.codecs.decode import Codec
from monai_landmarks.transforms.geometry import move_points
from monai_landmarks.transforms.regions import squeeze_points


class DecodeLandmarksd(MapTransform):
    """Decode one image's logits and take the points back to the original image's pixels.

    Args:
        keys: logits (K, rows, columns); replaced by a float64 tensor (K, 4): row, column in the original image,
            confidence, presence.
        codec: decodes.
        geometry_key: what `NoteGeometryd` left.
    """

    def __init__(self, keys: KeysCollection, codec: Codec, geometry_key: str = "to_original") -> None:
        super().__init__(keys)
        self.codec = codec
        self.geometry_key = geometry_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Replace the logits."""
        item = dict(data)
        to_original = torch.as_tensor(item[self.geometry_key]).cpu()
        for key in self.key_iterator(item):
            decoded = self.codec.decode(torch.as_tensor(item[key]))
            points = move_points(decoded.points.cpu().double(), to_original)
            rest = torch.stack((decoded.confidence, decoded.presence), -1).cpu().double()
            item[key] = torch.cat((points, rest), -1)
        return item


class CollectTruthd(MapTransform):
    """Gather what a metric must know of one image into one tensor (K, 8), float64.

    Columns: row, column (original pixels, NaN unless present), state, spacing of rows and of columns in mm (NaN
    unknown), network pixels per original pixel along rows and along columns, the case's number in its split.

    Args:
        keys: the points, (1, K, 2).
        output_key: where the tensor goes.
        geometry_key: what `NoteGeometryd` left.
    """

    def __init__(self, keys: KeysCollection, output_key: str = "label", geometry_key: str = "to_original") -> None:
        super().__init__(keys)
        self.output_key = output_key
        self.geometry_key = geometry_key

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Add the tensor."""
        item = dict(data)
        points = squeeze_points(torch.as_tensor(np.asarray(item[self.first_key(item)]), dtype=torch.float64))
        constants = torch.cat(
            (
                torch.as_tensor(item["spacing"], dtype=torch.float64).cpu(),
                self.network_scale(item),
                torch.tensor([float(item["index"])]),
            )
        )
        state = torch.as_tensor(item["state"], dtype=torch.float64).cpu()[:, None]
        item[self.output_key] = torch.cat((points, state, constants.expand(len(points), -1)), 1)
        return item

    def network_scale(self, item: Mapping[Hashable, Any]) -> Tensor:
        """Network pixels per original pixel, (2,) float64."""
        return torch.diagonal(torch.linalg.inv(torch.as_tensor(item[self.geometry_key]).cpu()))[:2]


class SidedTruthd(CollectTruthd):
    """`CollectTruthd` for radiographs that are looked at limb by limb, (2K, 8) in the channels of `sides.both_sides`.

    Args:
        keys: the points, (1, 2K, 2), of items from `radiograph_items`.
        spacing_mm: of the last network's pixels: views of any size have it.
        output_key: where the tensor goes.
    """

    def __init__(self, keys: KeysCollection, spacing_mm: float, output_key: str = "label") -> None:
        super().__init__(keys, output_key)
        self.spacing_mm = float(spacing_mm)

    def network_scale(self, item: Mapping[Hashable, Any]) -> Tensor:
        """Network pixels per original pixel, (2,) float64."""
        return torch.as_tensor(item["spacing"], dtype=torch.float64).cpu() / self.spacing_mm
