"""Schedules of the region radius: data, and pure functions of the epoch.

A schedule never holds state, so a resumed run, a worker and a plot all see the same radius for the same epoch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from monai_landmarks.errors import ConfigError

REFERENCE_SIZE = 512


class Schedule(Protocol):
    """Anything that gives a region radius for a 0-based epoch."""

    def __call__(self, epoch: int) -> float:
        """Radius at `epoch` (0-based), in pixels of an image whose longer side is 512."""


@dataclass(frozen=True, kw_only=True)
class StepSchedule:
    """Radius that shrinks by `step` every `every` epochs, from `start` down to `stop`, and stays there.

    radius(epoch) = max(stop, start - step * floor(epoch / every))

    Args:
        start: first radius, in pixels at a longer side of 512 (like every radius here).
        step: how much a stage removes.
        every: how many epochs a stage lasts.
        stop: the last radius. 0 is the point itself.

    Raises:
        ConfigError: when a number makes no schedule (negative radius, start below stop, every below 1).

    Source: arXiv 2309.16066, section "Label augmentation".
    """

    start: float
    step: float
    every: int
    stop: float = 0.0

    def __post_init__(self) -> None:
        if min(self.start, self.step, self.stop) < 0 or self.start < self.stop or self.every < 1:
            raise ConfigError(
                f"{self} makes no schedule: start >= stop >= 0, step >= 0 and every >= 1 are needed; use start = stop "
                "for a constant radius"
            )

    def __call__(self, epoch: int) -> float:
        """Radius at the 0-based `epoch`."""
        return max(self.stop, self.start - self.step * (epoch // self.every))


@dataclass(frozen=True, kw_only=True)
class GeometricSchedule:
    """Radius that shrinks by a constant factor each epoch, from `start` to `stop` in `epochs` epochs, then stays.

    Every halving of the region takes equally long, so the fine stages, where the error is decided, get their share.

    Args:
        start: first radius, in pixels at a longer side of 512.
        stop: the last radius, greater than 0.
        epochs: the epoch (0-based) from which on the radius is `stop`.

    Raises:
        ConfigError: when a number makes no schedule.
    """

    start: float
    stop: float
    epochs: int

    def __post_init__(self) -> None:
        if not self.start >= self.stop > 0 or self.epochs < 0:
            raise ConfigError(f"{self} makes no schedule: start >= stop > 0 and epochs >= 0 are needed")

    def __call__(self, epoch: int) -> float:
        """Radius at the 0-based `epoch`."""
        if epoch >= self.epochs:
            return self.stop
        return self.start * math.pow(self.stop / self.start, epoch / self.epochs)


def paper() -> StepSchedule:
    """The published schedule: 65, 55, ..., 5, fifty epochs each (350 epochs)."""
    return StepSchedule(start=65, step=10, every=50, stop=5)


def to_point() -> StepSchedule:
    """The published schedule carried on to the point itself: 65, 55, ..., 5, then 0 (the text's "base task")."""
    return StepSchedule(start=65, step=10, every=50, stop=0)


def constant(radius: float) -> StepSchedule:
    """The same radius in every epoch; 0 is the plain one-pixel label."""
    return StepSchedule(start=radius, step=0, every=1, stop=radius)


def radius_in_pixels(radius: float, size: tuple[int, int]) -> float:
    """A radius given at a longer side of 512, for an image of `size` (rows, columns)."""
    return radius * max(size) / REFERENCE_SIZE
