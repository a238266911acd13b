"""Measurements of an anteroposterior view of the pelvis; names carry the patient's side, whose left is on the right."""

from __future__ import annotations

from monai_landmarks.measure.library.build import (
    along,
    angle,
    both_sides,
    build,
    line,
    perpendicular,
    point_line,
    total,
    vertex,
)

WOOLSON = "Woolson, Hartford, Sawyer. J Arthroplasty 1999;14:159"
LECERF = "Lecerf et al. Orthop Traumatol Surg Res 2009;95:210"
SIEBENROCK = "Siebenrock, Kalbermatten, Ganz. Clin Orthop Relat Res 2003;407:241"
BLONDEL = "Blondel et al. Eur Spine J 2012;21:719"
WIBERG = "Wiberg. Acta Chir Scand 1939;83 Suppl 58; range of normal hips: Tannast et al. Clin Orthop 2015;473:1234"

PELVIS = build(
    {"kind": "image_axis", "name": "image_horizontal", "axis": "horizontal"},
    line("inter_teardrop_line", "teardrop_right", "teardrop_left"),
    {"kind": "midpoint", "name": "teardrop_middle", "between": ("teardrop_right", "teardrop_left")},
    perpendicular("pelvic_upright", "inter_teardrop_line", "teardrop_middle"),
    angle(
        "pelvic_obliquity",
        "image_horizontal",
        "inter_teardrop_line",
        form="signed",
        label="Pelvic obliquity",
        description="Inter-teardrop line against the image's horizontal; positive where the left side is higher.",
    ),
    *both_sides(
        [
            point_line(
                "hip_length_{side}",
                "lesser_trochanter_medial_{side}",
                "inter_teardrop_line",
                label="Hip length, {side}",
                description="Perpendicular distance of the lesser trochanter from the inter-teardrop line.",
                source=WOOLSON,
            )
        ]
    ),
    total(
        "leg_length_difference",
        {"hip_length_left": 1.0, "hip_length_right": -1.0},
        label="Leg length difference",
        description="Hip length left less right; positive where the left leg is longer.",
        source=WOOLSON,
    ),
    *both_sides(
        [
            along(
                "hip_centre_lateral_{side}",
                "teardrop_{side}",
                "femoral_head_centre_{side}",
                "inter_teardrop_line",
                absolute=True,
                label="Hip centre, lateral, {side}",
                description="From teardrop to head centre along the inter-teardrop line: acetabular offset.",
                source=LECERF,
            ),
            point_line(
                "hip_centre_height_{side}",
                "femoral_head_centre_{side}",
                "inter_teardrop_line",
                label="Hip centre, height, {side}",
                description="Perpendicular distance of the head centre from the inter-teardrop line.",
                source=LECERF,
            ),
            line("femoral_axis_{side}", "femoral_shaft_lower_{side}", "femoral_shaft_upper_{side}"),
            point_line(
                "femoral_offset_{side}",
                "femoral_head_centre_{side}",
                "femoral_axis_{side}",
                label="Femoral offset, {side}",
                description="Perpendicular distance of the head centre from the axis of the femoral shaft.",
                source=LECERF,
            ),
            along(
                "femoral_offset_proxy_{side}",
                "femoral_head_centre_{side}",
                "greater_trochanter_superior_{side}",
                "inter_teardrop_line",
                absolute=True,
                label="Femoral offset, proxy, {side}",
                description="From head centre to the tip of the greater trochanter along the inter-teardrop line. "
                "Stands in for the offset, which needs the shaft's axis.",
            ),
            line("edge_line_{side}", "femoral_head_centre_{side}", "acetabular_rim_{side}"),
            perpendicular("head_upright_{side}", "inter_teardrop_line", "femoral_head_centre_{side}"),
            angle(
                "centre_edge_angle_{side}",
                "head_upright_{side}",
                "edge_line_{side}",
                form="signed",
                towards="greater_trochanter_superior_{side}",
                label="Lateral centre-edge angle, {side}",
                description="At the head centre, from the perpendicular of the inter-teardrop line to the lateral end "
                "of the acetabular roof; negative where that lies medial of the head centre.",
                source=WIBERG,
                normal=(23.0, 33.0),
            ),
            vertex(
                "sacro_femoral_pubic_angle_{side}",
                "sacral_plateau_centre",
                "femoral_head_centre_{side}",
                "symphysis_superior",
                label="Sacro-femoral-pubic angle, {side}",
                description="At the head centre between the middle of the sacral plateau and the upper end of the "
                "symphysis. A proxy of the spinopelvic tilt: about 75 degrees less this angle.",
                source=BLONDEL,
            ),
        ]
    ),
    along(
        "sacrum_symphysis_height",
        "symphysis_superior",
        "sacrococcygeal_junction",
        "pelvic_upright",
        label="Sacrococcygeal junction above symphysis",
        description="Along the perpendicular of the inter-teardrop line, positive where the junction is higher. A "
        "proxy of pelvic tilt: smaller the more the pelvis is tilted back. The source gives means of 32 mm in men and "
        "47 mm in women.",
        source=SIEBENROCK,
    ),
    along(
        "sacrum_symphysis_shift",
        "symphysis_superior",
        "sacrococcygeal_junction",
        "inter_teardrop_line",
        label="Sacrococcygeal junction beside symphysis",
        description="Along the inter-teardrop line, positive where the junction lies to the patient's left. A proxy of "
        "the pelvis's rotation about its long axis.",
    ),
)
