"""Points, lines, circles and ellipses as arrays; every function takes any leading axes.

A point is (..., 2) in (row, column) times the spacing, rows downward. A line is a point of it and its unit direction.
What has no answer, such as where parallel lines meet, is NaN, and so is what is made from NaN.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Directions closer to parallel than this (radians) do not meet.
PARALLEL = 1e-9


class Line(NamedTuple):
    """A point (..., 2) of the line and its unit direction (..., 2)."""

    origin: np.ndarray
    direction: np.ndarray


class Circle(NamedTuple):
    """Centre (..., 2) and radius (...)."""

    centre: np.ndarray
    radius: np.ndarray


class Ellipse(NamedTuple):
    """Centre (..., 2), long half axis as a vector (..., 2) and length of the short half axis (...)."""

    centre: np.ndarray
    long_half: np.ndarray
    short_half: np.ndarray


def length(vector: np.ndarray) -> np.ndarray:
    """Length (...) of vectors (..., 2)."""
    return np.hypot(vector[..., 0], vector[..., 1])


def dot(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Inner product (...) of vectors (..., 2)."""
    product: np.ndarray = (first * second).sum(axis=-1)
    return product


def cross(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Sine of the turn from the first direction to the second, positive counter-clockwise on the screen."""
    product: np.ndarray = first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0]
    return product


def unit(vector: np.ndarray) -> np.ndarray:
    """Directions (..., 2); NaN for vectors of no length."""
    size = length(vector)[..., None]
    return vector / np.where(size > 0, size, np.nan)


def line_through(first: np.ndarray, second: np.ndarray) -> Line:
    """The line from one point to another."""
    return Line(first, unit(second - first))


def turned(direction: np.ndarray) -> np.ndarray:
    """Directions (..., 2) turned 90 degrees counter-clockwise on the screen."""
    return np.stack([-direction[..., 1], direction[..., 0]], axis=-1)


def intersection(first: Line, second: Line) -> np.ndarray:
    """Where two lines meet (..., 2)."""
    sine = cross(first.direction, second.direction)
    sine = np.where(np.abs(sine) > PARALLEL, sine, np.nan)
    way = cross(second.origin - first.origin, second.direction) / sine
    meeting: np.ndarray = first.origin + way[..., None] * first.direction
    return meeting


def foot(point: np.ndarray, line: Line) -> np.ndarray:
    """Foot (..., 2) of the perpendicular from a point to a line."""
    nearest: np.ndarray = line.origin + dot(point - line.origin, line.direction)[..., None] * line.direction
    return nearest


def side(point: np.ndarray, line: Line) -> np.ndarray:
    """Distance (...) of a point from a line, positive to the left of the line's direction on the screen."""
    return cross(line.direction, point - line.origin)


def angle_between(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Angle (...) in degrees from one direction to another, -180 to 180, counter-clockwise on the screen."""
    # Adding zero makes -0 zero: opposite directions are 180 degrees apart, not -180.
    return np.degrees(np.arctan2(cross(first, second) + 0.0, dot(first, second)))


def fit_circle(rim: np.ndarray) -> Circle:
    """The circle through points (..., n, 2), n >= 3: least squares of the circle's equation, exact on a circle."""
    middle = rim.mean(axis=-2, keepdims=True)
    near = rim - middle
    table = np.concatenate([2 * near, np.ones_like(near[..., :1])], axis=-1)
    solved = _least_squares(table, (near**2).sum(axis=-1))
    radius = np.sqrt(solved[..., 2] + (solved[..., :2] ** 2).sum(axis=-1))
    return Circle(middle[..., 0, :] + solved[..., :2], radius)


def circle_about(centre: np.ndarray, rim: np.ndarray) -> Circle:
    """The circle about a centre (..., 2) whose radius is the mean distance of points (..., n, 2)."""
    return Circle(centre, length(rim - centre[..., None, :]).mean(axis=-1))


def ellipse_on(ends: tuple[np.ndarray, np.ndarray], rim: np.ndarray) -> Ellipse:
    """The ellipse with a long axis between two points (..., 2) through points (..., n, 2) of its rim.

    Each point gives the length of the short half axis; several are averaged.
    """
    centre, long_half = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2
    axis, offset = unit(long_half)[..., None, :], rim - centre[..., None, :]
    share = dot(offset, axis) / length(long_half)[..., None]
    # A rim point level with an end of the axis says nothing about the short one.
    rest = np.sqrt(np.where(np.abs(share) < 1, 1 - share**2, np.nan))
    return Ellipse(centre, long_half, (np.abs(cross(axis, offset)) / rest).mean(axis=-1))


def fit_ellipse(rim: np.ndarray) -> Ellipse:
    """The ellipse through points (..., n, 2), n >= 5: least squares of the conic's equation, exact on an ellipse."""
    middle = rim.mean(axis=-2)
    near = rim - middle[..., None, :]
    scale = np.sqrt((near**2).mean(axis=(-1, -2)))
    scale = np.where(scale > 0, scale, np.nan)
    x, y = near[..., 0] / scale[..., None], near[..., 1] / scale[..., None]
    a, b, c, d, e = np.moveaxis(_least_squares(np.stack([x * x, x * y, y * y, x, y], axis=-1), np.ones_like(x)), -1, 0)
    # Only a positive definite form is an ellipse.
    determinant = np.where(4 * a * c - b * b > 0, 4 * a * c - b * b, np.nan)
    centre = np.stack([b * e - 2 * c * d, b * d - 2 * a * e], axis=-1) / determinant[..., None]
    level = 1 - (d * centre[..., 0] + e * centre[..., 1]) / 2
    mean, spread = (a + c) / 2, np.hypot((a - c) / 2, b / 2)
    halves = (np.sqrt(level / np.where(v / level > 0, v, np.nan)) for v in (mean - spread, mean + spread))
    long_half, short_half = (half * scale for half in halves)
    # Along the long axis the form has its smaller eigenvalue.
    turn = np.arctan2(b, a - c) / 2 + np.pi / 2
    direction = np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    return Ellipse(middle + centre * scale[..., None], long_half[..., None] * direction, short_half)


def _least_squares(table: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Solutions (..., m) of tables (..., n, m) and targets (..., n); NaN where the points do not fix one."""
    shape = table.shape[:-2]
    rows, targets = table.reshape(-1, *table.shape[-2:]), target.reshape(-1, target.shape[-1])
    solved = np.full((len(rows), table.shape[-1]), np.nan)
    for i, (row, wanted) in enumerate(zip(rows, targets)):
        if np.isfinite(row).all():
            answer, _, rank, _ = np.linalg.lstsq(row, wanted, rcond=1e-10)
            solved[i] = answer if rank == table.shape[-1] else np.nan
    return solved.reshape(*shape, table.shape[-1])
