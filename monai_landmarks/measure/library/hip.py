"""Measurements of an anteroposterior view of one hip, whose names carry no side; the image stands upright."""

from __future__ import annotations

from monai_landmarks.measure.library.build import along, angle, build, line, point_line
from monai_landmarks.measure.library.pelvis import LECERF

HIP = build(
    {"kind": "image_axis", "name": "image_horizontal", "axis": "horizontal"},
    {"kind": "image_axis", "name": "image_vertical", "axis": "vertical"},
    line("femoral_axis", "femoral_shaft_lower", "femoral_shaft_upper"),
    point_line(
        "femoral_offset",
        "femoral_head_centre",
        "femoral_axis",
        label="Femoral offset",
        description="Perpendicular distance of the head centre from the axis of the femoral shaft.",
        source=LECERF,
    ),
    line("neck_axis", "femoral_neck_centre", "femoral_head_centre"),
    line("femoral_axis_down", "femoral_shaft_upper", "femoral_shaft_lower"),
    angle(
        "neck_shaft_angle",
        "neck_axis",
        "femoral_axis_down",
        label="Neck-shaft angle",
        description="Between the axis of the neck, towards the head, and that of the shaft, downward. Turning the leg "
        "out makes it look larger.",
        source=LECERF,
    ),
    line("trochanter_axis", "femoral_shaft_centre", "greater_trochanter_superior"),
    point_line(
        "femoral_offset_proxy",
        "femoral_head_centre",
        "trochanter_axis",
        label="Femoral offset, proxy",
        description="Perpendicular distance of the head centre from the line through the middle of the shaft and the "
        "tip of the greater trochanter. Stands in for the offset, which needs two points of the shaft's axis.",
    ),
    along(
        "trochanter_height",
        "greater_trochanter_superior",
        "femoral_head_centre",
        "image_vertical",
        label="Head centre above trochanter",
        description="From the tip of the greater trochanter up to the head centre along the image's vertical; negative "
        "where the tip is higher.",
    ),
    along(
        "hip_length_upright",
        "lesser_trochanter_medial",
        "teardrop",
        "image_vertical",
        label="Hip length",
        description="From the lesser trochanter up to the teardrop along the image's vertical.",
    ),
    along(
        "hip_centre_lateral",
        "teardrop",
        "femoral_head_centre",
        "image_horizontal",
        absolute=True,
        label="Hip centre, lateral",
        description="From teardrop to head centre along the image's horizontal.",
    ),
    along(
        "hip_centre_height",
        "teardrop",
        "femoral_head_centre",
        "image_vertical",
        label="Hip centre, height",
        description="From teardrop up to the head centre along the image's vertical.",
    ),
)
