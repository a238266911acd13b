"""The values of a scheme's elements for any number of images at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from monai_landmarks import elements as e
from monai_landmarks import measurements as m
from monai_landmarks.element_order import in_order
from monai_landmarks.measure import geometry as g

# Name -> point (..., 2), geometry.Line, geometry.Circle, geometry.Ellipse or number (...).
Known = Mapping[str, Any]


def evaluate(elements: Sequence[e.Element], points: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The measurements among the elements.

    Args:
        elements: free of faults (a `Scheme` has made sure of it).
        points: every landmark by name, (..., 2) (row, column) in units of equal length along both axes; NaN where
            it is not known.

    Returns:
        (...) by the measurement's name in the elements' order: lengths in the points' unit, angles in degrees; NaN
        where a landmark is missing or the points give no answer.
    """
    known: dict[str, Any] = dict(points)
    with np.errstate(invalid="ignore", divide="ignore"):
        for element in in_order(elements):
            known[element.name] = RULES[type(element)](element, known)
    return {element.name: known[element.name] for element in elements if isinstance(element, m.Measurement)}


def difference(kind: str, first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """`second` less `first`; of angles the shorter way round."""
    apart: np.ndarray = np.asarray(second - first)
    return (apart + 180.0) % 360.0 - 180.0 if kind == m.ANGLE else apart


def _rim(names: Sequence[str], known: Known) -> np.ndarray:
    return np.stack([known[name] for name in names], axis=-2)


def _image_axis(element: e.ImageAxis, known: Known) -> g.Line:
    direction = np.array([0.0, 1.0] if element.axis == "horizontal" else [-1.0, 0.0])
    return g.Line(np.zeros(2), direction)


def _perpendicular(element: e.Perpendicular, known: Known) -> g.Line:
    return g.Line(known[element.through], g.turned(known[element.to].direction))


def _circle(element: e.Circle, known: Known) -> g.Circle:
    rim = _rim(element.rim, known)
    return g.fit_circle(rim) if element.centre is None else g.circle_about(known[element.centre], rim)


def _ellipse(element: e.Ellipse, known: Known) -> g.Ellipse:
    rim = _rim(element.rim, known)
    if element.long_axis is None:
        return g.fit_ellipse(rim)
    return g.ellipse_on((known[element.long_axis[0]], known[element.long_axis[1]]), rim)


def _distance(element: m.Distance, known: Known) -> np.ndarray:
    way = known[element.between[1]] - known[element.between[0]]
    if element.sign_along is None:
        return g.length(way)
    return g.length(way) * np.where(g.dot(way, known[element.sign_along].direction) < 0, -1.0, 1.0)


def _point_line(element: m.PointLine, known: Known) -> np.ndarray:
    line = known[element.line]
    apart = g.side(known[element.point], line)
    if element.towards is None:
        return np.abs(apart)
    return apart * np.sign(g.side(known[element.towards], line))


def _along(element: m.Along, known: Known) -> np.ndarray:
    way = g.dot(known[element.between[1]] - known[element.between[0]], known[element.line].direction)
    return np.abs(way) if element.absolute else way


def _angle(element: m.Angle, known: Known) -> np.ndarray:
    first, second = (known[name] for name in element.lines)
    angle = g.angle_between(first.direction, second.direction)
    if element.form == "absolute":
        return np.abs(angle)
    if element.form == "acute":
        return np.minimum(np.abs(angle), 180.0 - np.abs(angle))
    if element.towards is None:
        return angle
    return angle * np.sign(g.side(known[element.towards], first))


def _vertex(element: m.VertexAngle, known: Known) -> np.ndarray:
    first, vertex, second = (known[name] for name in element.points)
    return np.abs(g.angle_between(g.unit(first - vertex), g.unit(second - vertex)))


def _tilt(element: m.EllipseTilt, known: Known) -> np.ndarray:
    share = known[element.of].short_half / g.length(known[element.of].long_half)
    # Errors may make a circle's short axis the longer one by a hair.
    return np.degrees(np.arcsin(np.minimum(share, 1.0)))


def _ratio(element: m.Ratio, known: Known) -> np.ndarray:
    below = np.asarray(known[element.of[1]])
    share: np.ndarray = known[element.of[0]] / np.where(below != 0, below, np.nan)
    return share


def _sum(element: m.Sum, known: Known) -> np.ndarray:
    total = element.constant + sum(weight * known[name] for name, weight in element.terms.items())
    return np.abs(total) if element.absolute else np.asarray(total)


RULES: dict[type[e.Element], Callable[[Any, Known], Any]] = {
    e.Midpoint: lambda element, known: _rim(element.between, known).mean(axis=-2),
    e.Centroid: lambda element, known: _rim(element.of, known).mean(axis=-2),
    e.Intersection: lambda element, known: g.intersection(known[element.lines[0]], known[element.lines[1]]),
    e.Foot: lambda element, known: g.foot(known[element.point], known[element.line]),
    e.Centre: lambda element, known: known[element.of].centre,
    e.Line: lambda element, known: g.line_through(known[element.through[0]], known[element.through[1]]),
    e.Perpendicular: _perpendicular,
    e.ImageAxis: _image_axis,
    e.LongAxis: lambda element, known: g.Line(known[element.of].centre, g.unit(known[element.of].long_half)),
    e.Circle: _circle,
    e.Ellipse: _ellipse,
    m.Distance: _distance,
    m.PointLine: _point_line,
    m.Along: _along,
    m.Angle: _angle,
    m.VertexAngle: _vertex,
    m.Diameter: lambda element, known: 2 * known[element.of].radius,
    m.EllipseTilt: _tilt,
    m.Ratio: _ratio,
    m.Sum: _sum,
}
