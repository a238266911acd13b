"""Elements of a scheme's section `measurements` that have a value: distances, angles, ratios.

Lengths are measured in millimetres of the image (see `monai_landmarks.measure`); angles are those seen on the screen,
where rows run downward.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from monai_landmarks.elements import (
    CIRCLE,
    ELLIPSE,
    LINE,
    POINT,
    Centre,
    Centroid,
    Circle,
    Element,
    Ellipse,
    Foot,
    ImageAxis,
    Intersection,
    Line,
    LongAxis,
    Midpoint,
    Pair,
    Perpendicular,
)
from monai_landmarks.names import Name

DISTANCE, ANGLE, RATIO = "distance", "angle", "ratio"
MEASURED = (DISTANCE, ANGLE, RATIO)
UNITS = {DISTANCE: "mm", ANGLE: "deg", RATIO: "1"}


class Measurement(Element):
    """Something with a value.

    Attributes:
        label: how it is called in reports.
        source: where its definition is published.
        normal: range that is normal, in mm, degrees or as a ratio.
    """

    label: Name | None = None
    source: str | None = None
    normal: tuple[float, float] | None = None

    @property
    def title(self) -> str:
        """The label, made from the name where none is given."""
        return self.label or self.name.replace("_", " ").capitalize()

    @model_validator(mode="after")
    def _ordered(self) -> Measurement:
        if self.normal is not None and not self.normal[0] < self.normal[1]:
            raise ValueError(f"measurement {self.name!r}: the normal range {list(self.normal)} must be [low, high]")
        return self


class Distance(Measurement):
    """Distance of two points; with `sign_along`, negative where the second lies behind the first along that line."""

    gives: ClassVar[str] = DISTANCE
    refers: ClassVar[dict[str, tuple[str, ...]]] = {"between": (POINT,), "sign_along": (LINE,)}
    kind: Literal["distance"]
    between: Pair
    sign_along: str | None = None


class PointLine(Measurement):
    """Perpendicular distance of a point from a line; with `towards`, negative beyond the line as seen from there."""

    gives: ClassVar[str] = DISTANCE
    refers: ClassVar[dict[str, tuple[str, ...]]] = {"point": (POINT,), "line": (LINE,), "towards": (POINT,)}
    kind: Literal["point_line"]
    point: str
    line: str
    towards: str | None = None


class Along(Measurement):
    """Way from the first point to the second along a line's direction: signed, or `absolute`."""

    gives: ClassVar[str] = DISTANCE
    refers: ClassVar[dict[str, tuple[str, ...]]] = {"between": (POINT,), "line": (LINE,)}
    kind: Literal["along"]
    between: Pair
    line: str
    absolute: bool = False


class Angle(Measurement):
    """Angle from the first line to the second, in degrees.

    `absolute`: between their directions, 0 to 180. `acute`: between the lines, 0 to 90. `signed`: -180 to 180,
    positive counter-clockwise on the screen, or, with `towards`, where the second line's direction turns to the side
    of the first on which that point lies: then a mirror image, such as the other side of the patient, reads alike.
    """

    gives: ClassVar[str] = ANGLE
    refers: ClassVar[dict[str, tuple[str, ...]]] = {"lines": (LINE,), "towards": (POINT,)}
    kind: Literal["angle"]
    lines: Pair
    form: Literal["absolute", "acute", "signed"] = "absolute"
    towards: str | None = None

    @model_validator(mode="after")
    def _sided(self) -> Angle:
        if self.towards is not None and self.form != "signed":
            raise ValueError(f"angle {self.name!r}: `towards` gives a sign, so its form must be 'signed'")
        return self


class VertexAngle(Measurement):
    """Angle at the second of three points, 0 to 180 degrees."""

    gives: ClassVar[str] = ANGLE
    refers: ClassVar[dict[str, tuple[str, ...]]] = {"points": (POINT,)}
    kind: Literal["vertex_angle"]
    points: tuple[str, str, str]


class Diameter(Measurement):
    """Diameter of a circle."""

    gives: ClassVar[str] = DISTANCE
    refers: ClassVar[dict[str, tuple[str, ...]]] = {"of": (CIRCLE,)}
    kind: Literal["diameter"]
    of: str


class EllipseTilt(Measurement):
    """How far a circle is tilted that is seen as this ellipse: arcsin(short axis / long axis), 0 to 90 degrees."""

    gives: ClassVar[str] = ANGLE
    refers: ClassVar[dict[str, tuple[str, ...]]] = {"of": (ELLIPSE,)}
    kind: Literal["ellipse_tilt"]
    of: str


class Ratio(Measurement):
    """The first measurement over the second; both of the same kind."""

    gives: ClassVar[str] = RATIO
    refers: ClassVar[dict[str, tuple[str, ...]]] = {"of": MEASURED}
    kind: Literal["ratio"]
    of: Pair


class Sum(Measurement):
    """A weighted sum of measurements of one kind, plus a constant; `absolute` drops its sign."""

    refers: ClassVar[dict[str, tuple[str, ...]]] = {"terms": MEASURED}
    kind: Literal["sum"]
    terms: dict[str, float] = Field(min_length=1)
    constant: float = 0.0
    absolute: bool = False


AnyElement = Annotated[
    Midpoint
    | Centroid
    | Intersection
    | Foot
    | Centre
    | Line
    | Perpendicular
    | ImageAxis
    | LongAxis
    | Circle
    | Ellipse
    | Distance
    | PointLine
    | Along
    | Angle
    | VertexAngle
    | Diameter
    | EllipseTilt
    | Ratio
    | Sum,
    Field(discriminator="kind"),
]
