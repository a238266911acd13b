"""Elements of a scheme's section `measurements`: points, lines, circles and ellipses constructed from landmarks.

Every element has a name that others refer to, beside the names of the landmarks. What is measured on them is in
`monai_landmarks.measurements`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from monai_landmarks.names import Name

POINT, LINE, CIRCLE, ELLIPSE = "point", "line", "circle", "ellipse"
Pair = tuple[str, str]
# What an element refers to: the name, and the kinds of thing it may be.
Reference = tuple[str, tuple[str, ...]]


class Element(BaseModel):
    """A construction or a measurement.

    Attributes:
        gives: the kind of thing it is.
        refers: the fields that name other elements or landmarks, and the kinds of thing these may be.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    gives: ClassVar[str] = ""
    refers: ClassVar[dict[str, tuple[str, ...]]] = {}

    name: Name
    description: str | None = None

    def references(self) -> list[Reference]:
        """What it is made from."""
        found: list[Reference] = []
        for field, kinds in self.refers.items():
            value = getattr(self, field)
            names = (value,) if isinstance(value, str) else tuple(value or ())
            found += [(name, kinds) for name in names]
        return found


class Midpoint(Element):
    """The point halfway between two points."""

    gives: ClassVar[str] = POINT
    refers: ClassVar[dict[str, tuple[str, ...]]] = {"between": (POINT,)}
    kind: Literal["midpoint"]
    between: Pair


class Centroid(Element):
    """The mean of several points."""

    gives: ClassVar[str] = POINT
    refers: ClassVar[dict[str, tuple[str, ...]]] = {"of": (POINT,)}
    kind: Literal["centroid"]
    of: tuple[str, ...] = Field(min_length=2)


class Intersection(Element):
    """Where two lines meet."""

    gives: ClassVar[str] = POINT
    refers: ClassVar[dict[str, tuple[str, ...]]] = {"lines": (LINE,)}
    kind: Literal["intersection"]
    lines: Pair


class Foot(Element):
    """The foot of the perpendicular from a point to a line."""

    gives: ClassVar[str] = POINT
    refers: ClassVar[dict[str, tuple[str, ...]]] = {"point": (POINT,), "line": (LINE,)}
    kind: Literal["foot"]
    point: str
    line: str


class Centre(Element):
    """The centre of a circle or an ellipse."""

    gives: ClassVar[str] = POINT
    refers: ClassVar[dict[str, tuple[str, ...]]] = {"of": (CIRCLE, ELLIPSE)}
    kind: Literal["centre"]
    of: str


class Line(Element):
    """The line through two points; it runs from the first to the second."""

    gives: ClassVar[str] = LINE
    refers: ClassVar[dict[str, tuple[str, ...]]] = {"through": (POINT,)}
    kind: Literal["line"]
    through: Pair


class Perpendicular(Element):
    """The line through a point at right angles to another line, whose direction it has turned counter-clockwise."""

    gives: ClassVar[str] = LINE
    refers: ClassVar[dict[str, tuple[str, ...]]] = {"to": (LINE,), "through": (POINT,)}
    kind: Literal["perpendicular"]
    to: str
    through: str


class ImageAxis(Element):
    """The image's horizontal, running to the right, or its vertical, running upward."""

    gives: ClassVar[str] = LINE
    kind: Literal["image_axis"]
    axis: Literal["horizontal", "vertical"]


class LongAxis(Element):
    """The long axis of an ellipse."""

    gives: ClassVar[str] = LINE
    refers: ClassVar[dict[str, tuple[str, ...]]] = {"of": (ELLIPSE,)}
    kind: Literal["long_axis"]
    of: str


class Circle(Element):
    """A circle: fitted to three or more points of its rim, or given its centre and one or more."""

    gives: ClassVar[str] = CIRCLE
    refers: ClassVar[dict[str, tuple[str, ...]]] = {"rim": (POINT,), "centre": (POINT,)}
    kind: Literal["circle"]
    rim: tuple[str, ...] = Field(min_length=1)
    centre: str | None = None

    @model_validator(mode="after")
    def _enough(self) -> Circle:
        if self.centre is None and len(self.rim) < 3:
            raise ValueError(f"circle {self.name!r} needs three points of its rim, or its centre and one")
        return self


class Ellipse(Element):
    """An ellipse: given the ends of its long axis and one or more points of its rim, or fitted to five or more."""

    gives: ClassVar[str] = ELLIPSE
    refers: ClassVar[dict[str, tuple[str, ...]]] = {"rim": (POINT,), "long_axis": (POINT,)}
    kind: Literal["ellipse"]
    rim: tuple[str, ...] = Field(min_length=1)
    long_axis: Pair | None = None

    @model_validator(mode="after")
    def _enough(self) -> Ellipse:
        if self.long_axis is None and len(self.rim) < 5:
            raise ValueError(f"ellipse {self.name!r} needs five rim points, or the ends of its long axis and one")
        return self
