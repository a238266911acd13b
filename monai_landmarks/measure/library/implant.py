"""Measurements of a hip replacement in an anteroposterior view; the implant's landmarks carry no side."""

from __future__ import annotations

from monai_landmarks.measure.library.build import angle, build, distance, line, point_line

LEWINNEK = (
    "Lewinnek et al. J Bone Joint Surg Am 1978;60:217 (range: the safe zone); defined as in Murray. J Bone Joint "
)
LEWINNEK += "Surg Br 1993;75:228"

IMPLANT = build(
    {"kind": "image_axis", "name": "image_horizontal", "axis": "horizontal"},
    line("inter_teardrop_line", "teardrop_right", "teardrop_left"),
    line("cup_opening", "cup_rim_inferior", "cup_rim_superior"),
    angle(
        "cup_inclination",
        "inter_teardrop_line",
        "cup_opening",
        form="acute",
        label="Cup inclination",
        description="Radiographic inclination: long axis of the rim's ellipse against the inter-teardrop line.",
        source=LEWINNEK,
        normal=(30.0, 50.0),
    ),
    angle(
        "cup_inclination_image",
        "image_horizontal",
        "cup_opening",
        form="acute",
        label="Cup inclination against the image",
        description="Long axis of the rim's ellipse against the image's horizontal, where no teardrop line is known.",
        source=LEWINNEK,
        normal=(30.0, 50.0),
    ),
    {
        "kind": "ellipse",
        "name": "cup_ellipse",
        "long_axis": ("cup_rim_inferior", "cup_rim_superior"),
        "rim": ("cup_rim_apex",),
    },
    {
        "kind": "ellipse_tilt",
        "name": "cup_anteversion",
        "of": "cup_ellipse",
        "label": "Cup anteversion",
        "description": "Radiographic anteversion, arcsin(short axis / long axis) of the rim's ellipse (Lewinnek). "
        "`cup_rim_apex` is a further point of the rim, best the end of the short axis; with that one Liaw's formula, "
        "arcsin(tan beta), is the same. Whether the cup looks forward or backward, one view does not show.",
        "source": LEWINNEK,
        "normal": (5.0, 25.0),
    },
    distance(
        "cup_opening_diameter",
        "cup_rim_inferior",
        "cup_rim_superior",
        label="Cup diameter at the rim",
        description="Length of the long axis of the rim's ellipse. Over the diameter known of the cup's opening it is "
        "the magnification of the cup's plane.",
    ),
    line("stem_line", "stem_tip", "stem_shoulder"),
    point_line(
        "stem_offset_proxy",
        "implant_head_centre",
        "stem_line",
        label="Femoral offset, proxy",
        description="Perpendicular distance of the head's centre from the line through the stem's tip and shoulder. "
        "The shoulder lies lateral of the stem's axis: too long by some millimetres.",
    ),
)
