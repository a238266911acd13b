"""Random disturbances of an image that leave every point where it is."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import torch
from monai.config import KeysCollection
from monai.transforms import MapTransform, RandomizableTransform
from torch import Tensor

from monai_landmarks.errors import ConfigError


class RandSaltAndPepperd(RandomizableTransform, MapTransform):
    """Set a random share of the pixels to black or white, each with even chances.

    Args:
        keys: images (1, rows, columns) in [0, 1].
        share: the largest share of pixels; what is used is uniform below it.
        prob: probability of any.
        values: black and white.

    Raises:
        ConfigError: a share outside 0 to 1.
    """

    def __init__(
        self,
        keys: KeysCollection,
        share: float = 0.01,
        prob: float = 0.5,
        values: tuple[float, float] = (0.0, 1.0),
        allow_missing_keys: bool = False,
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        if not 0 <= share <= 1:
            raise ConfigError(f"salt and pepper: share {share} must be between 0 and 1")
        self.share = share
        self.values = values

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Disturb or leave as it is."""
        self.randomize(None)
        item = dict(data)
        if self._do_transform:
            for key in self.key_iterator(item):
                item[key] = self._disturb(item[key])
        return item

    def _disturb(self, image: Tensor) -> Tensor:
        share = self.R.uniform(0, self.share)
        draw = torch.as_tensor(self.R.uniform(size=image.shape), dtype=torch.float64)
        black, white = self.values
        return torch.where(draw < share / 2, black, torch.where(draw < share, white, image))


class RandCutOutd(RandomizableTransform, MapTransform):
    """Set a square at a random place to 0 (DeVries and Taylor, Cutout, 2017); its centre is uniform over the image.

    A square at the border is cut there. Points in it keep their place: the network must infer them from the rest.

    Args:
        keys: images (1, rows, columns).
        side: the square's, as a share of the image's longer side. KNEEL compares 0.05, 0.1 and 0.25.
        prob: probability of a square.

    Raises:
        ConfigError: a side outside 0 to 1.
    """

    def __init__(
        self, keys: KeysCollection, side: float = 0.1, prob: float = 0.5, allow_missing_keys: bool = False
    ) -> None:
        MapTransform.__init__(self, keys, allow_missing_keys)
        RandomizableTransform.__init__(self, prob)
        if not 0 <= side <= 1:
            raise ConfigError(f"CutOut: side {side} must be between 0 and 1, a share of the image's longer side")
        self.side = side

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Cut or leave as it is."""
        self.randomize(None)
        item = dict(data)
        if self._do_transform:
            for key in self.key_iterator(item):
                image = item[key].clone()
                side = round(self.side * max(image.shape[-2:]))
                starts = [int(self.R.randint(length)) - side // 2 for length in image.shape[-2:]]
                (top, left), (bottom, right) = ([max(0, at) for at in starts], [at + side for at in starts])
                image[..., top : max(0, bottom), left : max(0, right)] = 0
                item[key] = image
        return item
