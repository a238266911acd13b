"""What the landmarks of a hip replacement are."""

from __future__ import annotations

from monai_landmarks.measure.library import IMPLANT, fitting
from monai_landmarks.scheme import Landmark, Scheme

# The implant is on one side of a patient: names carry no side, and a mirrored image keeps them.
CUP_HEAD_STEM = (
    Landmark(
        name="cup_rim_superior",
        description="Upper, lateral end of the long axis of the ellipse that the cup's rim projects to.",
        colour="#e6194b",
    ),
    Landmark(
        name="cup_rim_inferior",
        description="Lower, medial end of the long axis of the ellipse that the cup's rim projects to.",
        colour="#f58231",
    ),
    Landmark(name="implant_head_centre", description="Centre of the prosthetic femoral head.", colour="#42d4f4"),
    Landmark(name="stem_tip", description="Lower end of the stem, on its axis.", colour="#bfef45"),
)
SHOULDER = Landmark(
    name="stem_shoulder",
    description="Upper lateral corner of the stem: its furthest point, 45 degrees above lateral.",
    colour="#f032e6",
)


def implant_scheme(name: str, landmarks: tuple[Landmark, ...]) -> Scheme:
    """The scheme of a data set of hip replacements, grouped by component."""
    names = [landmark.name for landmark in landmarks]
    cup = tuple(name for name in names if name.startswith("cup"))
    return Scheme(
        name=name,
        landmarks=landmarks,
        groups={"cup": cup, "femur": tuple(name for name in names if name not in cup)},
        measurements=fitting(IMPLANT, names),
    )
