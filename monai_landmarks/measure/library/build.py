"""Elements in few words, for the ready sets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter

from monai_landmarks.measurements import AnyElement

ADAPTER: TypeAdapter[Any] = TypeAdapter(tuple[AnyElement, ...])
OPPOSITE = {"left": "right", "right": "left"}


def build(*documents: dict[str, Any]) -> tuple[AnyElement, ...]:
    """Elements from the documents that a data set file would hold."""
    elements: tuple[AnyElement, ...] = ADAPTER.validate_python(documents)
    return elements


def both_sides(documents: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each document for the left and for the right: `{side}` and `{other}` in its texts are replaced."""
    return [_filled(document, side) for document in documents for side in OPPOSITE]


def _filled(value: Any, side: str) -> Any:
    if isinstance(value, str):
        return value.replace("{side}", side).replace("{other}", OPPOSITE[side])
    if isinstance(value, dict):
        return {_filled(key, side): _filled(entry, side) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(entry, side) for entry in value]
    return value


def line(name: str, first: str, second: str) -> dict[str, Any]:
    """The line from one point to another."""
    return {"kind": "line", "name": name, "through": (first, second)}


def perpendicular(name: str, to: str, through: str) -> dict[str, Any]:
    """The line through a point at right angles to another."""
    return {"kind": "perpendicular", "name": name, "to": to, "through": through}


def angle(name: str, first: str, second: str, **more: Any) -> dict[str, Any]:
    """The angle from one line to another."""
    return {"kind": "angle", "name": name, "lines": (first, second), **more}


def vertex(name: str, first: str, middle: str, second: str, **more: Any) -> dict[str, Any]:
    """The angle at the middle one of three points."""
    return {"kind": "vertex_angle", "name": name, "points": (first, middle, second), **more}


def distance(name: str, first: str, second: str, **more: Any) -> dict[str, Any]:
    """The distance of two points."""
    return {"kind": "distance", "name": name, "between": (first, second), **more}


def point_line(name: str, point: str, to: str, **more: Any) -> dict[str, Any]:
    """The perpendicular distance of a point from a line."""
    return {"kind": "point_line", "name": name, "point": point, "line": to, **more}


def along(name: str, first: str, second: str, on: str, **more: Any) -> dict[str, Any]:
    """The way from one point to another along a line's direction."""
    return {"kind": "along", "name": name, "between": (first, second), "line": on, **more}


def ratio(name: str, first: str, second: str, **more: Any) -> dict[str, Any]:
    """One measurement over another."""
    return {"kind": "ratio", "name": name, "of": (first, second), **more}


def total(name: str, terms: dict[str, float], **more: Any) -> dict[str, Any]:
    """A weighted sum of measurements."""
    return {"kind": "sum", "name": name, "terms": terms, **more}
