"""From logits to points: where the point is, how sure the network is of it, whether it is there at all.

Encoding, the other direction, is `monai_landmarks.transforms.regions`; both share pixel centres at integers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from monai_landmarks.codecs.likelihood import LIKELIHOODS, Bernoulli, Categorical, Likelihood
from monai_landmarks.codecs.peaks import mean_in_window, nearest_index, separate_peaks, window_mass, window_reach
from monai_landmarks.errors import ConfigError

__all__ = [
    "ArgmaxCodec",
    "Bernoulli",
    "Candidates",
    "Categorical",
    "Codec",
    "Decoded",
    "Likelihood",
    "LocalSoftArgmaxCodec",
    "PeakCodec",
    "codec_from",
    "codec_settings",
]


class Decoded(NamedTuple):
    """Points (..., K, 2) as (row, column) in network pixels; confidence and presence (..., K) in [0, 1]."""

    points: Tensor
    confidence: Tensor
    presence: Tensor


class Candidates(NamedTuple):
    """M places of each map, the codec's own first: points (N, M, 2), confidence (N, M), as in `Decoded`."""

    points: Tensor
    confidence: Tensor


class Codec(Protocol):
    """Anything that decodes logits."""

    def decode(self, logits: Tensor) -> Decoded:
        """Logits (..., K, rows, columns) to points, confidence and presence."""


class PeakCodec(Codec, Protocol):
    """A codec that can also tell where else a landmark might be."""

    def candidates(self, logits: Tensor, count: int) -> Candidates:
        """The `count` best separate places of each map (N, rows, columns)."""

    def support(self, logits: Tensor, points: Tensor) -> Tensor:
        """Confidence (N,) the maps (N, rows, columns) lend to given places (N, 2), in the codec's own measure."""


class ArgmaxCodec:
    """The pixel with the largest logit (the paper's decoder); confidence is its probability.

    Args:
        likelihood: how the network was trained: `Categorical()` or `Bernoulli()`.
    """

    def __init__(self, likelihood: Likelihood) -> None:
        self.likelihood = likelihood

    def decode(self, logits: Tensor) -> Decoded:
        """Logits (..., K, rows, columns) to whole-pixel points."""
        probability = self.likelihood.probability(logits).flatten(-2)
        index = logits.flatten(-2).argmax(-1)
        columns = logits.shape[-1]
        points = torch.stack((index // columns, index % columns), -1).float()
        confidence = probability.gather(-1, index[..., None])[..., 0]
        return Decoded(points, confidence, self.likelihood.presence(logits))

    def candidates(self, logits: Tensor, count: int) -> Candidates:
        """The largest pixel, the largest further than 17 pixels (at 512) from it, and so on."""
        index = separate_peaks(logits.float(), count, window_reach(8.0, logits))
        columns = logits.shape[-1]
        points = torch.stack((index // columns, index % columns), -1).float()
        return Candidates(points, self.likelihood.probability(logits).flatten(-2).gather(-1, index))

    def support(self, logits: Tensor, points: Tensor) -> Tensor:
        """Probability of the nearest pixel."""
        index = nearest_index(points, logits)
        return self.likelihood.probability(logits).flatten(-2).gather(-1, index[:, None])[:, 0]


class LocalSoftArgmaxCodec:
    """Sub-pixel: the mean position of the probability in a window around the window's best place.

    The window is placed where it holds the most probability, so a lone noisy pixel does not decide; the mean within it
    is exact for any region symmetric about its point. Confidence is the probability in the window for `Categorical`
    (the network's own belief that the point is within it), the largest pixel's for `Bernoulli`.

    Args:
        likelihood: how the network was trained: `Categorical()` or `Bernoulli()`.
        radius: half the window's side, in pixels of an image whose longer side is 512.
    """

    def __init__(self, likelihood: Likelihood, radius: float = 8.0) -> None:
        self.likelihood = likelihood
        self.radius = radius

    def decode(self, logits: Tensor) -> Decoded:
        """Logits (..., K, rows, columns) to sub-pixel points."""
        maps = self.likelihood.probability(logits).flatten(0, -3)
        reach = window_reach(self.radius, logits)
        index = window_mass(maps, reach).flatten(1).argmax(-1)
        points, total, _ = mean_in_window(maps, index, reach)
        confidence = total.clamp(max=1) if isinstance(self.likelihood, Categorical) else maps.flatten(1).amax(-1)
        shape = logits.shape[:-2]
        return Decoded(points.reshape(*shape, 2), confidence.reshape(shape), self.likelihood.presence(logits))

    def candidates(self, logits: Tensor, count: int) -> Candidates:
        """The window with the most probability, the best one that does not overlap it, and so on."""
        maps = self.likelihood.probability(logits)
        reach = window_reach(self.radius, logits)
        index = separate_peaks(window_mass(maps, reach), count, reach)
        points, total, largest = mean_in_window(maps.repeat_interleave(count, 0), index.flatten(), reach)
        confidence = total.clamp(max=1) if isinstance(self.likelihood, Categorical) else largest
        return Candidates(points.reshape(-1, count, 2), confidence.reshape(-1, count))

    def support(self, logits: Tensor, points: Tensor) -> Tensor:
        """Probability in the window around the nearest pixel, its largest for `Bernoulli`."""
        maps = self.likelihood.probability(logits)
        _, total, largest = mean_in_window(maps, nearest_index(points, logits), window_reach(self.radius, logits))
        return total.clamp(max=1) if isinstance(self.likelihood, Categorical) else largest


def codec_settings(codec: Codec) -> dict[str, Any]:
    """What to note of a codec beside the weights, ready for JSON.

    The likelihood's name, the window (None for whole pixels), `shape_prior` where the codec has one, and `soft_argmax`
    or `similarity` where it is one.

    Raises:
        ConfigError: a codec this package cannot build again.
    """
    from monai_landmarks.codecs.shape_codec import ShapePriorCodec  # it wraps the codecs of this module
    from monai_landmarks.codecs.similarity import SimilarityCodec  # these decode to what this module defines
    from monai_landmarks.codecs.soft_argmax import SoftArgmaxCodec

    if isinstance(codec, SoftArgmaxCodec | SimilarityCodec):
        return codec.settings()
    if isinstance(codec, ShapePriorCodec):
        return {**codec_settings(codec.codec), "shape_prior": codec.settings()}
    if isinstance(codec, LocalSoftArgmaxCodec):
        return {"likelihood": type(codec.likelihood).__name__, "window": codec.radius}
    if isinstance(codec, ArgmaxCodec):
        return {"likelihood": type(codec.likelihood).__name__, "window": None}
    raise ConfigError(f"codec: a {type(codec).__name__} cannot be noted beside the weights; use one of this package")


def likelihood_of(settings: Mapping[str, Any]) -> Likelihood:
    """How the network of these settings was trained."""
    return LIKELIHOODS[settings["likelihood"]]()


def codec_from(settings: Mapping[str, Any]) -> Codec:
    """The codec of which `codec_settings` were noted; settings without `shape_prior` give the codec alone."""
    from monai_landmarks.codecs.shape_codec import ShapePriorCodec
    from monai_landmarks.codecs.similarity import SimilarityCodec
    from monai_landmarks.codecs.soft_argmax import SoftArgmaxCodec

    if "soft_argmax" in settings:
        return SoftArgmaxCodec(**settings["soft_argmax"], radius=settings["window"])
    if "similarity" in settings:
        return SimilarityCodec(**settings["similarity"], radius=settings["window"])
    likelihood = likelihood_of(settings)
    window = settings["window"]
    codec = ArgmaxCodec(likelihood) if window is None else LocalSoftArgmaxCodec(likelihood, window)
    noted = settings.get("shape_prior")
    return codec if noted is None else ShapePriorCodec.from_settings(codec, noted)
