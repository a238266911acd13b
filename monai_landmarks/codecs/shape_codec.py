"""Decoding with a shape prior: points that cannot be, given the others, are looked for again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor

from monai_landmarks.codecs.decode import Decoded, PeakCodec
from monai_landmarks.codecs.shape_prior import LEVEL, Judgement, ShapePrior
from monai_landmarks.errors import ConfigError


class ShapePriorCodec:
    """Another codec's points, except those that are implausible given the rest of the shape.

    A point is implausible where its squared Mahalanobis distance given the trusted others exceeds the chi-square
    law's quantile (2 degrees of freedom) for `level`. It moves to the candidate peak of its map with the largest
    log(confidence) - distance / 2 among those that are plausible and hold at least `least` confidence; without one, to
    the mean the others imply. Confidence becomes what the network itself gives to the new place, so it drops in both
    cases; presence stays. A mean outside the image is not used: the network saw no such place, and its own stays.
    Every other point is bit for bit the wrapped codec's, and so is one of which the prior knows nothing.

    Args:
        codec: decodes, and names candidates.
        prior: fitted on training shapes (`ShapePrior.fit`).
        level: share of true points that would be called implausible, were shapes Gaussian.
        noise: standard deviation of a located point, in pixels of an image whose longer side is 512.
        count: how many candidates a map is searched for.
        least: smallest confidence of a candidate.
        trust: a point with more confidence than this stays where it is, however odd the shape.
    """

    def __init__(
        self,
        codec: PeakCodec,
        prior: ShapePrior,
        *,
        level: float = LEVEL,
        noise: float = 2.0,
        count: int = 5,
        least: float = 1e-3,
        trust: float = 1.0,
    ) -> None:
        if not 0 < level < 1 or count < 1:
            raise ConfigError(f"shape prior: level must lie between 0 and 1 and count be 1 or more: {level}, {count}")
        self.codec = codec
        self.prior = prior
        self.level = level
        self.noise = noise
        self.count = count
        self.least = least
        self.trust = trust

    @property
    def limit(self) -> float:
        """Largest squared distance of a plausible point: P(chi-square with 2 degrees of freedom > limit) = level."""
        return -2 * math.log(self.level)

    def settings(self) -> dict[str, Any]:
        """Plain numbers and lists; the wrapped codec's own are not among them (`codec_settings`)."""
        names = ("level", "noise", "count", "least", "trust")
        return {**{name: getattr(self, name) for name in names}, **self.prior.settings()}

    @classmethod
    def from_settings(cls, codec: PeakCodec, settings: Mapping[str, Any]) -> ShapePriorCodec:
        """The codec of which `settings` were noted."""
        names = ("level", "noise", "count", "least", "trust")
        own = {name: settings[name] for name in names if name in settings}
        return cls(codec, ShapePrior.from_settings(settings), **own)

    def candidates(self, logits: Tensor, count: int) -> Any:
        """The wrapped codec's."""
        return self.codec.candidates(logits, count)

    def support(self, logits: Tensor, points: Tensor) -> Tensor:
        """The wrapped codec's."""
        return self.codec.support(logits, points)

    def decode(self, logits: Tensor) -> Decoded:
        """Logits (..., K, rows, columns) to points.

        Raises:
            ConfigError: another number of landmarks than the prior's.
        """
        decoded = self.codec.decode(logits)
        landmarks = decoded.points.shape[-2]
        if landmarks != self.prior.landmarks:
            raise ConfigError(f"the shape prior is of {self.prior.landmarks} landmarks, the network gives {landmarks}")
        points = decoded.points.reshape(-1, landmarks, 2)
        pixel = max(logits.shape[-2:]) / 512
        known = torch.tensor(self.prior.known)
        judgement = self.prior.judge(points.cpu()[:, known], self.noise * pixel, self.limit)
        confidence = decoded.confidence.reshape(-1, landmarks).cpu()[:, known]
        image, number = torch.nonzero(~judgement.trusted & (confidence <= self.trust), as_tuple=True)
        if not len(image):
            return decoded
        landmark = known[number]
        maps = logits.flatten(0, -4) if logits.ndim > 3 else logits[None]
        maps = maps[image.to(logits.device), landmark.to(logits.device)]
        place, inside = self._place(maps, judgement, image, number)
        place = place.to(points)
        image, landmark, inside = (index.to(points.device) for index in (image, landmark, inside))
        new, sure = points.clone(), decoded.confidence.reshape(-1, landmarks).clone()
        support = torch.minimum(self.codec.support(maps, place), sure[image, landmark])
        new[image, landmark] = torch.where(inside[:, None], place, points[image, landmark])
        sure[image, landmark] = torch.where(inside, support, sure[image, landmark])
        shape = decoded.confidence.shape
        return Decoded(new.reshape(*shape, 2), sure.reshape(shape), decoded.presence)

    def _place(self, maps: Tensor, judgement: Judgement, image: Tensor, number: Tensor) -> tuple[Tensor, Tensor]:
        """Where the suspects (F maps; `number` among those judged) go, (F, 2), and whether that is within the image."""
        found = self.codec.candidates(maps, self.count)
        where = found.points.to("cpu", torch.float64)
        confidence = found.confidence.to("cpu", torch.float64)
        distance = judgement.distance_of(image, number, where)
        score = confidence.clamp(min=1e-30).log() - distance / 2
        allowed = (distance <= self.limit) & (confidence >= self.least)
        best = torch.where(allowed, score, -torch.inf).argmax(-1)
        peak = where[torch.arange(len(where)), best]
        place = torch.where(allowed.any(-1)[:, None], peak, judgement.mean[image, number])
        last = torch.tensor(maps.shape[-2:], dtype=place.dtype) - 1
        return place, ((place >= 0) & (place <= last)).all(-1)


def with_prior(codec: PeakCodec, prior: ShapePrior | None, **options: Any) -> PeakCodec:
    """The codec with a prior around it, or the codec itself where there is none (`training_prior`)."""
    return codec if prior is None else cast(PeakCodec, ShapePriorCodec(codec, prior, **options))
