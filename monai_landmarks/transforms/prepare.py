"""From a radiograph to the network's input: MONAI's contrast and size transforms, computed where the result needs it.

`ScaleIntensityRangePercentilesd` sorts the pixels once for each percentile and goes over them four times more;
`Resized` smooths every pixel of the radiograph and then looks at one in fifty. On a 2000 x 2000 image that takes about
as long as decoding JPEG 2000. These give the same numbers, up to float32's rounding, in a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from monai.config import KeysCollection
from monai.data import MetaTensor
from monai.data.utils import to_affine_nd
from monai.transforms import MapTransform
from monai.transforms.utils import scale_affine
from scipy import sparse
from scipy.special import erf

# A Gaussian is cut off at so many of its standard deviations, as MONAI does.
REACH = 4.0
# Pixels that are looked at first.
SAMPLE = 2**15


class ScalePercentilesd(MapTransform):
    """Two percentiles of the pixels become 0 and 1; what lies beyond is cut off.

    Equal to MONAI's `ScaleIntensityRangePercentilesd(keys, lower, upper, 0, 1, clip=True)`. An image of one grey value
    becomes 0.

    Args:
        keys: images (C, rows, columns).
        lower, upper: percentiles, 0 to 100.
    """

    def __init__(
        self, keys: KeysCollection, lower: float = 0.5, upper: float = 99.5, allow_missing_keys: bool = False
    ) -> None:
        super().__init__(keys, allow_missing_keys)
        self.percentiles = (lower, upper)

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Scale each image; float32."""
        item = dict(data)
        for key in self.key_iterator(item):
            pixels = np.asarray(item[key], dtype=np.float32)
            low, high = tail_percentiles(pixels.ravel(), *self.percentiles)
            scaled = pixels - np.float32(low)
            if high > low:
                scaled *= np.float32(1 / (high - low))
            item[key] = _like(item[key], np.clip(scaled, 0, 1, out=scaled))
        return item


def tail_percentiles(values: np.ndarray, lower: float, upper: float) -> tuple[float, float]:
    """Two percentiles of values (N,), one on each side of the median: `np.percentile`'s, with the tails alone sorted.

    A sample says where the tails begin; a tail that turns out too short is replaced by all values.
    """
    sample = np.sort(values[:: max(1, values.size // SAMPLE)])
    cut = [round((len(sample) - 1) * min(max(share, 0.0), 1.0)) for share in (lower / 50 + 0.01, upper / 50 - 1.01)]
    below, above = values[values <= sample[cut[0]]], values[values >= sample[cut[1]]]
    return _percentile(values, lower, below, 0), _percentile(values, upper, above, values.size - above.size)


def _percentile(values: np.ndarray, percentile: float, tail: np.ndarray, first: int) -> float:
    """A percentile of the values from a tail of them, whose smallest one has the rank `first`."""
    rank, share = divmod(percentile / 100 * (values.size - 1), 1)
    places = [int(rank) - first, min(int(rank) + 1, values.size - 1) - first]
    if places[0] < 0 or places[1] >= tail.size:
        return float(np.percentile(values, percentile))
    low, high = np.partition(tail, places)[places].tolist()
    return float(low + share * (high - low))


class ResizeSmoothedd(MapTransform):
    """Resize, smoothed by a Gaussian of sigma (factor - 1) / 2 along an axis that shrinks; the affine follows.

    Equal to MONAI's `Resized(keys, size, mode="bilinear", anti_aliasing=True)`. Both steps are linear and separable: a
    sparse matrix for each axis holds the weights of the few pixels that an output pixel is made of.

    Args:
        keys: images (C, rows, columns), MetaTensors.
        spatial_size: rows and columns wanted.
    """

    def __init__(self, keys: KeysCollection, spatial_size: Sequence[int], allow_missing_keys: bool = False) -> None:
        super().__init__(keys, allow_missing_keys)
        self.size = (int(spatial_size[0]), int(spatial_size[1]))

    def __call__(self, data: Mapping[Hashable, Any]) -> dict[Hashable, Any]:
        """Resize each image; float32."""
        item = dict(data)
        for key in self.key_iterator(item):
            pixels = np.asarray(item[key], dtype=np.float32)
            rows, columns = (axis_weights(old, new) for old, new in zip(pixels.shape[-2:], self.size))
            resized = np.stack([(columns @ (rows @ channel).T).T for channel in pixels])
            result = _like(item[key], resized)
            scaling = to_affine_nd(3, scale_affine(pixels.shape[-2:], self.size))
            result.affine = result.affine @ torch.as_tensor(scaling, dtype=result.affine.dtype)
            item[key] = result
        return item


@lru_cache(maxsize=64)
def axis_weights(old: int, new: int) -> sparse.csr_array:
    """(new, old) float32: the weights of an axis' old pixels in each new one; pixels beyond the border are 0."""
    position = np.maximum((np.arange(new) + 0.5) * (old / new) - 0.5, 0)
    first = np.minimum(np.floor(position).astype(int), old - 1)
    second = np.minimum(first + 1, old - 1)
    share = position - first
    at = (np.tile(np.arange(new), 2), np.concatenate([first, second]))
    between = sparse.coo_array((np.concatenate([1 - share, share]), at), shape=(new, old)).tocsr()
    return (between @ _smoothing(old, max(0.0, (old / new - 1) / 2))).astype(np.float32)


def _smoothing(size: int, sigma: float) -> sparse.csr_array:
    """(size, size): a Gaussian integrated over each pixel."""
    if sigma == 0:
        return sparse.eye_array(size, format="csr")
    reach = min(int(max(REACH * sigma, 0.5) + 0.5), size - 1)
    edges = erf((np.arange(-reach, reach + 2) - 0.5) / (np.sqrt(2) * sigma))
    offsets = np.arange(-reach, reach + 1)
    diagonals = [np.full(size - abs(offset), weight) for offset, weight in zip(offsets, np.diff(edges) / 2)]
    return sparse.diags_array(diagonals, offsets=offsets, shape=(size, size), format="csr")


def _like(image: Any, pixels: np.ndarray) -> MetaTensor:
    """The pixels with the image's meta data, if it has any."""
    plain = MetaTensor(torch.from_numpy(np.ascontiguousarray(pixels)))
    return plain.copy_meta_from(image) if isinstance(image, MetaTensor) else plain
