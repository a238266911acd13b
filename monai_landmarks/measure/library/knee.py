"""Measurements of an anteroposterior view of one knee. Signs follow medial and lateral, so both sides read alike."""

from __future__ import annotations

from monai_landmarks.measure.library.build import angle, build, distance, line, perpendicular, point_line, ratio

PALEY = "Paley. Principles of Deformity Correction. Springer 2002, chapter 1"
NOTCH = "femoral_notch"
# The posterior slope of the plateau does not show in an anteroposterior view.
SLOPE = "Against the image's horizontal, in the frontal plane, positive where the medial side is lower"

KNEE = build(
    {"kind": "image_axis", "name": "image_vertical", "axis": "vertical"},
    line("condylar_line", "femoral_condyle_medial", "femoral_condyle_lateral"),
    line("plateau_line", "tibial_plateau_medial", "tibial_plateau_lateral"),
    line("epicondylar_line", "femoral_epicondyle_medial", "femoral_epicondyle_lateral"),
    perpendicular("level_line", "image_vertical", "tibial_plateau_medial"),
    {"kind": "foot", "name": "level_lateral", "point": "tibial_plateau_lateral", "line": "level_line"},
    line("level", "tibial_plateau_medial", "level_lateral"),
    angle(
        "joint_line_convergence",
        "plateau_line",
        "condylar_line",
        form="signed",
        towards=NOTCH,
        label="Joint line convergence angle, proxy",
        description="From the line of the plateau's corners to that of the distal condyles; positive where the joint "
        "opens to the lateral side. The corners stand in for the plateau's surfaces.",
        source=PALEY,
    ),
    angle(
        "femoral_joint_line",
        "level",
        "condylar_line",
        form="signed",
        towards=NOTCH,
        label="Femoral joint line",
        description=f"Line of the distal condyles. {SLOPE}.",
    ),
    angle(
        "tibial_slope_coronal",
        "level",
        "plateau_line",
        form="signed",
        towards=NOTCH,
        label="Tibial slope, coronal",
        description=f"Line of the plateau's corners. {SLOPE}. The posterior slope needs a lateral view.",
    ),
    angle(
        "femorotibial_proxy",
        "plateau_line",
        "epicondylar_line",
        form="signed",
        towards=NOTCH,
        label="Femorotibial angle, proxy",
        description="From the line of the plateau's corners to the epicondyles' line; positive where they diverge "
        "to the lateral side. The femorotibial angle proper needs the shafts.",
    ),
    point_line(
        "joint_space_medial",
        "femoral_condyle_medial",
        "plateau_line",
        towards=NOTCH,
        label="Medial joint space, proxy",
        description="Distal medial condyle above the line of the plateau's corners.",
    ),
    point_line(
        "joint_space_lateral",
        "femoral_condyle_lateral",
        "plateau_line",
        towards=NOTCH,
        label="Lateral joint space, proxy",
        description="Distal lateral condyle above the line of the plateau's corners.",
    ),
    distance("epicondylar_width", "femoral_epicondyle_medial", "femoral_epicondyle_lateral", label="Epicondylar width"),
    distance("plateau_width", "tibial_plateau_medial", "tibial_plateau_lateral", label="Plateau width"),
    ratio(
        "plateau_ratio",
        "plateau_width",
        "epicondylar_width",
        label="Plateau width over epicondylar width",
        description="Free of magnification, as both bones lie at nearly the same depth.",
    ),
    point_line(
        "notch_depth",
        NOTCH,
        "condylar_line",
        label="Notch depth",
        description="Apex of the intercondylar notch above the line of the distal condyles.",
    ),
)
