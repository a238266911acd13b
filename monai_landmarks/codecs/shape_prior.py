"""How landmarks lie to each other: a Gaussian over shapes, whatever their position, size and rotation in the image.

Everything here is float64 on the CPU; a shape is a few dozen numbers.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from monai_landmarks.codecs.shape_fit import MINIMUM_SHAPES, conditionals, fit_gaussian, fold_numbers, well_known
from monai_landmarks.codecs.shape_pose import Pose, least_squares_pose, pose_directions, robust_pose
from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.errors import ConfigError

MINIMUM_LANDMARKS = 4
# The pose's standard deviation in the model's frame, whose shapes have the size 1: no pose is unlikely.
FREE_POSE = 10.0
ROUNDS = 12
# The share of true points that would be called implausible, were shapes Gaussian, and the share that may be in fact.
LEVEL = 1e-4
MOST_WRONG = 0.01

logger = logging.getLogger(__name__)


class Judgement(NamedTuple):
    """What a shape says of the points of B images.

    `distance` (B, K): squared Mahalanobis distance given the trusted others, chi-square with 2 degrees of freedom for a
    true point. `trusted` (B, K). `mean` (B, K, 2): the place expected given the trusted others, in the image's pixels,
    and `frame_mean` in the model's frame, where `precision` (B, K, 2, 2) is its inverse covariance.
    """

    distance: Tensor
    trusted: Tensor
    mean: Tensor
    frame_mean: Tensor
    precision: Tensor
    pose: Pose

    def where(self, chosen: Tensor, other: Judgement) -> Judgement:
        """These images where `chosen` (B,), the other's elsewhere."""
        index = torch.arange(len(chosen)) + len(chosen) * ~chosen
        distance, trusted, mean, frame_mean, precision = (
            torch.cat(both)[index] for both in zip(self[:-1], other[:-1], strict=True)
        )
        pose = self.pose.where(chosen, other.pose)
        return Judgement(distance, trusted, mean, frame_mean, precision, pose)

    def distance_of(self, image: Tensor, landmark: Tensor, points: Tensor) -> Tensor:
        """Squared distances (F, M) of places (F, M, 2), pixels, for F landmarks, each of one image of the batch."""
        difference = self.pose.take(image).to_frame(points) - self.frame_mean[image, landmark][:, None]
        return torch.einsum("fmi,fij,fmj->fm", difference, self.precision[image, landmark], difference)


class ShapePrior:
    """A Gaussian over the landmarks of similarity-aligned shapes.

    Position, size and rotation carry no information: they are nuisance parameters with a flat law, which for a Gaussian
    means adding their four directions to the covariance with a large variance. Conditioning then estimates them anew
    from whatever points it is given (universal kriging), so a wrong point cannot pull the alignment it is judged by.

    Args:
        mean: (K, 2) the mean shape, centred, root mean square radius about 1.
        covariance: (2K, 2K) of its coordinates, landmark by landmark, row before column.
        inflation: factor on the covariance that makes held-out training shapes follow the chi-square law.
        shapes: how many it was fitted on.
        reflection: whether a shape may be the mean's mirror image, as left and right limbs are.
        known: the K landmarks' numbers in the scheme, rising; None for all.
        landmarks: how many the scheme has; None for K.
    """

    def __init__(
        self,
        mean: Tensor,
        covariance: Tensor,
        inflation: float,
        shapes: int,
        reflection: bool = False,
        known: Sequence[int] | None = None,
        landmarks: int | None = None,
    ) -> None:
        self.mean = mean.double()
        self.covariance = covariance.double()
        self.inflation = inflation
        self.shapes = shapes
        self.reflection = reflection
        self.known = list(range(len(mean)) if known is None else known)
        self.landmarks = len(mean) if landmarks is None else landmarks

    @classmethod
    def fit(cls, points: np.ndarray | Tensor, reflection: bool = False) -> ShapePrior:
        """Fit on training points (N, L, 2), original pixels (isotropic), NaN where unlabelled or absent.

        A landmark that fewer than five or fewer than a quarter of the shapes have is left out: it is neither judged nor
        heard. A shape with fewer than half of the others does not count. Allow a `reflection` where a landmark has one
        name on both sides of the body (a knee's medial condyle); with left/right pairs it would excuse swapped sides.

        Raises:
            ConfigError: fewer than four landmarks stay, or no one Gaussian describes the shapes: more than 1 % of the
                points of held-out shapes would be called implausible.
        """
        shapes = torch.as_tensor(np.asarray(points, dtype=np.float64))
        landmarks = shapes.shape[1]
        if landmarks < MINIMUM_LANDMARKS:
            raise ConfigError(f"shape prior: {landmarks} landmarks have no shape to judge by; {MINIMUM_LANDMARKS} do")
        shapes, known = well_known(shapes)
        if len(known) < MINIMUM_LANDMARKS:
            raise ConfigError(
                f"shape prior: {len(known)} of {landmarks} landmarks are in at least {MINIMUM_SHAPES} training images, "
                f"and in a quarter of them; {MINIMUM_LANDMARKS} are needed; annotate more, or train without a prior"
            )
        mean, covariance = fit_gaussian(shapes, reflection)
        inflation = _checked_inflation(shapes, reflection)
        return cls(mean, covariance, inflation, len(shapes), reflection, known.tolist(), landmarks)

    def settings(self) -> dict[str, Any]:
        """Plain numbers and lists, for metadata.json; the covariance's lower triangle row by row."""
        rows, columns = torch.tril_indices(*self.covariance.shape)
        return {
            "mean": [[float(f"{value:.8g}") for value in point] for point in self.mean.tolist()],
            "covariance": [float(f"{value:.8g}") for value in self.covariance[rows, columns].tolist()],
            "inflation": self.inflation,
            "shapes": self.shapes,
            "reflection": self.reflection,
            "known": self.known,
            "landmarks": self.landmarks,
        }

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> ShapePrior:
        """The prior of which `settings` were noted.

        Raises:
            ConfigError: entries are missing or do not fit each other.
        """
        try:
            mean = torch.tensor(settings["mean"], dtype=torch.float64)
            entries = torch.tensor(settings["covariance"], dtype=torch.float64)
            size = mean.numel()
            if mean.ndim != 2 or mean.shape[1] != 2 or len(mean) < MINIMUM_LANDMARKS:
                raise ValueError(f"a mean shape of {tuple(mean.shape)}")
            if entries.shape != (size * (size + 1) // 2,):
                raise ValueError(f"{tuple(entries.shape)} covariances for {len(mean)} landmarks")
            inflation = float(settings["inflation"])
            if not (mean.isfinite().all() and entries.isfinite().all() and 1 <= inflation < math.inf):
                raise ValueError("numbers that are none")
            # Older priors have none of these entries: no reflection, all landmarks known.
            reflection = bool(settings.get("reflection", False))
            known = settings.get("known", list(range(len(mean))))
            landmarks = settings.get("landmarks", len(mean))
            rising = all(type(number) is int for number in (landmarks, *known)) and known == sorted(set(known))
            if len(known) != len(mean) or not rising or not 0 <= known[0] <= known[-1] < landmarks:
                raise ValueError(f"{known} are no {len(mean)} of {landmarks} landmarks")
            covariance = _symmetric(entries, size)
            return cls(mean, covariance, inflation, settings["shapes"], reflection, known, landmarks)
        except (KeyError, OverflowError, RuntimeError, TypeError, ValueError) as error:
            raise ConfigError(f"shape_prior in the model's metadata.json is damaged ({error}); train again") from None

    def judge(self, points: Tensor, noise: float, limit: float) -> Judgement:
        """Which points of each image fit the others, however many others do not (up to half).

        A start that half of the points agree on (least median of squares over poses), then the points within `limit`
        given those, until nothing changes. Where fewer than half stay, the shape is no judge: all are trusted.
        With `reflection` the mirror image is judged too, and of the two the one whose points fit better is kept.

        Args:
            points: (B, K, 2) in pixels.
            noise: standard deviation of a located point, in the same pixels.
            limit: largest squared distance of a trusted point.
        """
        points = points.detach().to("cpu", torch.float64)
        judgement, misfit = self._judge(points, noise, limit, torch.zeros(len(points), dtype=torch.bool))
        if not self.reflection:
            return judgement
        turned, other = self._judge(points, noise, limit, torch.ones(len(points), dtype=torch.bool))
        return turned.where(other < misfit, judgement)

    def _judge(self, points: Tensor, noise: float, limit: float, mirrored: Tensor) -> tuple[Judgement, Tensor]:
        """The judgement of images or mirror images, and their misfit (B,): infinite where the shape is no judge."""
        half = max(3, points.shape[1] // 2 + 1)
        spread = (self.inflation * self.covariance.diagonal().view(-1, 2).mean(-1)).sqrt()
        pose, start = robust_pose(points, self.mean, spread, half, mirrored)
        error = pose.to_frame(points) - self.mean
        total = self.total(noise * pose.scale)
        trusted = torch.zeros_like(start, dtype=torch.bool).scatter(1, start.argsort(1)[:, :half], True)
        for _ in range(ROUNDS):
            expected, covariance = conditionals(total, error, trusted)
            precision = torch.linalg.inv(covariance)
            difference = error - expected
            distance = torch.einsum("bki,bkij,bkj->bk", difference, precision, difference)
            agreed = distance <= limit
            agreed = torch.where((agreed.sum(1) >= half)[:, None], agreed, trusted)
            if torch.equal(agreed, trusted):
                break
            trusted = agreed
        lost = ((distance <= limit).sum(1) < half) | ~pose.found
        trusted = (distance <= limit) | lost[:, None]
        mean = self.mean + expected
        misfit = distance.clamp(max=limit).sum(1).masked_fill(lost, torch.inf)
        return Judgement(distance, trusted, pose.to_image(mean), mean, precision, pose), misfit

    def total(self, noise: Tensor) -> Tensor:
        """Covariance (B, 2K, 2K) of located points in the model's frame, pose included."""
        free = pose_directions(self.mean)
        known = self.inflation * self.covariance + FREE_POSE**2 * free @ free.T
        return known + noise[:, None, None] ** 2 * torch.eye(len(known), dtype=known.dtype)


def _symmetric(entries: Tensor, size: int) -> Tensor:
    """The (size, size) matrix of which `entries` are the lower triangle, row by row."""
    rows, columns = torch.tril_indices(size, size)
    lower = torch.zeros(size, size, dtype=torch.float64)
    lower[rows, columns] = entries
    return lower + lower.T - lower.diag().diag()


class _Fold(NamedTuple):
    """A prior and shapes it has not seen: points (B, K, 2), which of them are known, and how far those are off."""

    prior: ShapePrior
    points: Tensor
    seen: Tensor
    distances: Tensor


def _held_out(shapes: Tensor, reflection: bool, fold: Tensor) -> _Fold:
    """Judge the shapes in `fold` by a prior fitted on the others. Missing points are where the known ones imply."""
    mean, covariance = fit_gaussian(shapes[~fold], reflection)
    prior = ShapePrior(mean, covariance, 1.0, int((~fold).sum()), reflection)
    pose = least_squares_pose(shapes[fold], mean, reflection)
    error = pose.to_frame(shapes[fold]) - mean
    seen = torch.isfinite(error).all(-1)
    error = torch.nan_to_num(error)
    expected, covariance = conditionals(prior.total(torch.zeros(len(error))), error, seen)
    apart = error - expected
    distances = torch.einsum("bki,bkij,bkj->bk", apart, torch.linalg.inv(covariance), apart)[seen]
    points = torch.where(seen[..., None], shapes[fold], pose.to_image(mean + expected))
    return _Fold(prior, points, seen, distances)


def _checked_inflation(shapes: Tensor, reflection: bool, folds: int = 5) -> float:
    """Ratio of the 99th percentile of held-out shapes' squared distances to that of the chi-square law, at least 1.

    Raises:
        ConfigError: with that inflation the decoder would call too many true points of held-out shapes implausible.
    """
    number = fold_numbers(torch.isfinite(shapes).all(-1), folds)
    parts = [_held_out(shapes, reflection, number == fold) for fold in range(folds)]
    inflation = max(1.0, float(torch.cat([part.distances for part in parts]).quantile(0.99)) / (-2 * math.log(0.01)))
    wrong = total = 0
    for prior, points, seen, _ in parts:
        prior.inflation = inflation
        wrong += int((seen & ~prior.judge(points, 0.0, -2 * math.log(LEVEL)).trusted).sum())
        total += int(seen.sum())
    # One point is chance, however few there are.
    if wrong > max(1, MOST_WRONG * total):
        raise ConfigError(
            f"shape prior: it would call {wrong} of {total} true points of held-out training shapes implausible, "
            f"{MOST_WRONG:.0%} may be; the shapes are of several kinds (anatomies, views, sides) or too few"
        )
    return inflation


def training_prior(dataset: LandmarkDataset, reader: str = "mean") -> ShapePrior | None:
    """The prior of a data set's training split; None, and a line in the log, where none can be fitted (`fit`).

    Mirror images are one shape where the scheme has no left/right pairs: such data mix left and right limbs.
    """
    points = [item["points"][0] for item in dataset.datalist("training", reader)]
    reflection = not any(landmark.pair for landmark in dataset.scheme.landmarks)
    try:
        prior = ShapePrior.fit(np.reshape(points, (-1, len(dataset.names), 2)), reflection)
    except ConfigError as error:
        logger.info("Decoding goes without a shape prior: %s", error)
        return None
    if rare := [name for number, name in enumerate(dataset.names) if number not in prior.known]:
        logger.info("The shape prior leaves out what too few of its %d images show: %s", prior.shapes, ", ".join(rare))
    return prior
