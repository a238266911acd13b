"""Measurements of a standing anteroposterior view of both knees with 16 points each (tibia_0..8, femur_9..15).

Points run from lateral to medial, so that both sides read alike. Names carry the patient's side, whose left is on the
right.
"""

from __future__ import annotations

from monai_landmarks.measure.library.build import (
    angle,
    both_sides,
    build,
    distance,
    line,
    perpendicular,
    point_line,
    total,
)

PALEY = "Paley. Principles of Deformity Correction. Springer 2002, chapter 1"
PROXY = (
    "at right angles to the line of the plateau's corners; negative where the outlines overlap, as in a beam aslant to "
    "the plateau. A fixed place, not the narrowest one that readers look for"
)

KNEES = build(
    *both_sides(
        [
            line("plateau_line_{side}", "tibia_8_{side}", "tibia_0_{side}"),
            perpendicular("plateau_upright_{side}", "plateau_line_{side}", "tibia_4_{side}"),
            {"kind": "midpoint", "name": "plateau_medial_{side}", "between": ("tibia_6_{side}", "tibia_7_{side}")},
            {"kind": "midpoint", "name": "plateau_lateral_{side}", "between": ("tibia_1_{side}", "tibia_2_{side}")},
            # Parallel to the plateau's line.
            perpendicular("level_medial_{side}", "plateau_upright_{side}", "plateau_medial_{side}"),
            perpendicular("level_lateral_{side}", "plateau_upright_{side}", "plateau_lateral_{side}"),
            line("condylar_line_{side}", "femur_14_{side}", "femur_10_{side}"),
            point_line(
                "joint_space_medial_{side}",
                "femur_14_{side}",
                "level_medial_{side}",
                towards="femur_12_{side}",
                label="Medial joint space, proxy, {side}",
                description=f"Medial condyle (femur_14) above the plateau (middle of tibia_6 and tibia_7), {PROXY}.",
            ),
            point_line(
                "joint_space_lateral_{side}",
                "femur_10_{side}",
                "level_lateral_{side}",
                towards="femur_12_{side}",
                label="Lateral joint space, proxy, {side}",
                description=f"Lateral condyle (femur_10) above the plateau (middle of tibia_1 and tibia_2), {PROXY}.",
            ),
            total(
                "joint_space_difference_{side}",
                {"joint_space_medial_{side}": 1.0, "joint_space_lateral_{side}": -1.0},
                label="Medial less lateral joint space, {side}",
                description="Of both proxies; negative where the medial side is worn more.",
            ),
            angle(
                "joint_line_convergence_{side}",
                "plateau_line_{side}",
                "condylar_line_{side}",
                form="signed",
                towards="femur_12_{side}",
                label="Joint line convergence angle, proxy, {side}",
                description="From the line of the plateau's corners to the line of the condyles' points femur_10 and "
                "femur_14; positive where the joint opens to the lateral side. Osteophytes move the corners.",
                source=PALEY,
            ),
            distance(
                "tibial_width_{side}",
                "tibia_0_{side}",
                "tibia_8_{side}",
                label="Tibial width, {side}",
                description="Between the plateau's corners, osteophytes included.",
            ),
            distance(
                "femoral_width_{side}",
                "femur_9_{side}",
                "femur_15_{side}",
                label="Femoral width, {side}",
                description="Between the condyles' margins, osteophytes included.",
            ),
        ]
    ),
)
