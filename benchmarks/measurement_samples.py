"""Views of simulated patients with the 3-D truth of what is measured on them; no image is rendered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from monai_landmarks.measure import measure_points
from monai_landmarks.measure.library import IMPLANT, fitting
from monai_landmarks.scheme import Landmark, Scheme
from monai_landmarks.simulate import PRESETS, hip_fluoroscopy, implant_radiograph, knee, knee_landmarks, pelvis
from monai_landmarks.simulate.anatomy import ASIS, PUBIC_TUBERCLE, Anatomy, PoseRanges, draw_anatomy
from monai_landmarks.simulate.hip_implant import HipImplant, implant_hip
from monai_landmarks.simulate.hip_stem import shaft_axis
from monai_landmarks.simulate.knee_anatomy import BONES, draw_knee
from monai_landmarks.simulate.landmarks import locate_all, locate_side
from monai_landmarks.simulate.projection import Projection, ellipse_axes
from monai_landmarks.simulate.shape_model import load_shape_model

FAR = 1e7
OFFSET, SPINOPELVIC = "femoral offset, mm", "spinopelvic tilt, deg"
TILT, TURN = "backward tilt of the anterior pelvic plane, deg", "turn of the pelvis about its long axis, deg"
Points = dict[str, np.ndarray]


@dataclass(frozen=True)
class Sample:
    """One view with its truth.

    Attributes:
        scheme: the landmarks and what is measured on them.
        points: landmark -> (row, column) as the radiograph shows it.
        spacing: of the detector in mm.
        magnification: of the plane the file's tags correct for.
        truth: measurement -> 3-D value.
        stands_for: measurement -> what it is a proxy of, and how much of that there is.
    """

    scheme: Scheme
    points: Points
    spacing: float
    magnification: float
    truth: dict[str, float]
    stands_for: dict[str, tuple[str, float]] = field(default_factory=dict)

    def measured(self, magnification: float) -> dict[str, float]:
        """Values in mm of the detector over a magnification, and degrees."""
        return values(self.scheme, self.points, self.spacing / magnification)


def values(scheme: Scheme, points: Mapping[str, np.ndarray], spacing: float) -> dict[str, float]:
    """Every measurement that has a value."""
    array = np.stack([points[name] for name in scheme.names])
    measured = measure_points(scheme, array, spacing=(spacing, spacing))
    return {m.name: m.value for m in measured if m.value is not None}


def parallel_view() -> Projection:
    """A view with parallel rays whose pixels are mm."""
    return Projection(np.array([0.0, -FAR, 0.0]), FAR, 1.0, (1, 1), (0.0, 0.0))


def neutral(pose: PoseRanges) -> PoseRanges:
    """The same patients with the pelvis straight: every angle is still drawn, from a range of nothing."""
    return replace(pose, tilt=(0.0, 0.0), axial_rotation=(0.0, 0.0), obliquity=(0.0, 0.0))


def femoral_offset(anatomy: Anatomy, side: str) -> float:
    """Distance in mm of the head's centre from the axis of the femoral shaft."""
    head = anatomy.head_centres[side]
    point, up = shaft_axis(anatomy.femurs[side], head)
    return float(np.linalg.norm(np.cross(head - point, up)))


def spinopelvic_tilt(anatomy: Anatomy) -> float:
    """Degrees the line from the hips' middle to that of the sacral plateau leans backward."""
    way = anatomy.pelvis.nodes[1300] - np.mean(list(anatomy.head_centres.values()), axis=0)
    return float(np.degrees(np.arctan2(way[1], way[2])))


def pelvic_pose(anatomy: Anatomy) -> tuple[float, float]:
    """Degrees the plane of spines and tubercles leans backward, and the spines' line turns backward at the left."""
    nodes = anatomy.pelvis.nodes
    right, left = (nodes[node] for node in ASIS)
    up, across = (left + right) / 2 - nodes[list(PUBIC_TUBERCLE)].mean(axis=0), left - right
    return float(np.degrees(np.arctan2(up[1], up[2]))), float(np.degrees(np.arctan2(across[1], across[0])))


def pelvis_sample(seed: int) -> Sample:
    """A view of `pelvis-radiograph`."""
    site, model, scheme = pelvis.HOME_SITE, load_shape_model(), PRESETS["pelvis-radiograph"].scheme
    anatomy = draw_anatomy(model, site.pose, np.random.default_rng([seed, 0]))
    straight = draw_anatomy(model, neutral(site.pose), np.random.default_rng([seed, 0]))
    projection, source_patient = pelvis.draw_projection(np.random.default_rng([seed, 1]), site)
    truth = values(scheme, locate_all(pelvis.RULES, straight, parallel_view()), 1.0)
    nodes = anatomy.pelvis.nodes
    line = nodes[[648, 821]].mean(axis=0) - nodes[[110, 283]].mean(axis=0)
    truth["pelvic_obliquity"] = float(np.degrees(np.arcsin(line[2] / np.linalg.norm(line))))
    tilt, turn = pelvic_pose(anatomy)
    proxies = {"sacrum_symphysis_height": (TILT, tilt), "sacrum_symphysis_shift": (TURN, turn)}
    for side in ("left", "right"):
        proxies[f"femoral_offset_proxy_{side}"] = (OFFSET, femoral_offset(anatomy, side))
        proxies[f"sacro_femoral_pubic_angle_{side}"] = (SPINOPELVIC, spinopelvic_tilt(anatomy))
    points = locate_all(pelvis.RULES, anatomy, projection)
    return Sample(scheme, points, projection.spacing, projection.source_detector / source_patient, truth, proxies)


def hip_sample(seed: int) -> Sample:
    """A view of `pelvis-fluoroscopy-trochanter`."""
    site, model, scheme = hip_fluoroscopy.HOME_SITE, load_shape_model(), PRESETS["pelvis-fluoroscopy-trochanter"].scheme
    anatomy = draw_anatomy(model, site.pose, np.random.default_rng([seed, 0]))
    straight = draw_anatomy(model, neutral(site.pose), np.random.default_rng([seed, 0]))
    rng = np.random.default_rng([seed, 1])
    side = str(rng.choice(["right", "left"]))
    target = hip_fluoroscopy.hip_target(anatomy.head_centres[side], side, site.lateral, site.below, rng)
    view = site.c_arm.draw_view(target, rng)
    truth = values(scheme, locate_side(hip_fluoroscopy.RULES, straight, parallel_view(), side), 1.0)
    proxies = {"femoral_offset_proxy": (OFFSET, femoral_offset(anatomy, side))}
    points = locate_side(hip_fluoroscopy.RULES, anatomy, view.projection, side)
    magnification = view.projection.source_detector / view.source_patient
    return Sample(scheme, points, view.projection.spacing, magnification, truth, proxies)


def implant_scheme() -> Scheme:
    """The implant presets' landmarks, with both teardrops and the end of the rim's short axis."""
    names = ["teardrop_left", "teardrop_right", "cup_rim_superior", "cup_rim_inferior", "cup_rim_apex"]
    names += ["implant_head_centre", "stem_tip", "stem_shoulder"]
    return Scheme(
        name="implant", landmarks=tuple(Landmark(name=n) for n in names), measurements=fitting(IMPLANT, set(names))
    )


def implant_view(seed: int) -> tuple[Anatomy, HipImplant, Projection, float]:
    """A patient with a hip replacement, and a view as `pelvis-radiograph-implant` takes it."""
    site, rng = implant_radiograph.HOME_SITE, np.random.default_rng([seed, 0])
    natural = draw_anatomy(load_shape_model(), site.pelvis.pose, rng)
    anatomy, implant = implant_hip(natural, str(rng.choice(["right", "left"])), site.implant, rng)
    projection, source_patient = pelvis.draw_projection(rng, site.pelvis)
    return anatomy, implant, projection, projection.source_detector / source_patient


def implant_sample(seed: int) -> Sample:
    """A view of `pelvis-radiograph-implant` with more landmarks than the preset has."""
    anatomy, implant, projection, magnification = implant_view(seed)
    found = locate_all(pelvis.RULES, anatomy, projection) | implant.points(projection)
    centre, _, short_half = ellipse_axes(rim_points(implant, projection))
    found["cup_rim_apex"] = centre + short_half
    scheme = implant_scheme()
    stem = implant.stem
    truth = {
        "cup_inclination": implant.inclination,
        "cup_inclination_image": implant.inclination,
        "cup_anteversion": implant.anteversion,
        "cup_opening_diameter": 2 * implant.cup_radius,
    }
    offset = float(np.linalg.norm(np.cross(stem.head - stem.origin, stem.frame[:, 2])))
    proxies = {"stem_offset_proxy": (OFFSET, offset)}
    points = {name: found[name] for name in scheme.names}
    return Sample(scheme, points, projection.spacing, magnification, truth, proxies)


def rim_points(implant: HipImplant, projection: Projection, count: int = 64) -> np.ndarray:
    """(count, 2) pixels of the cup's rim."""
    first = np.cross(implant.cup_axis, [0.0, 0.0, 1.0])
    first /= np.linalg.norm(first)
    second = np.cross(implant.cup_axis, first)
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)[:, None]
    return projection.project(
        implant.cup_centre + implant.cup_radius * (np.cos(angle) * first + np.sin(angle) * second)
    )


def knee_sample(seed: int) -> Sample:
    """A view of `knee-radiograph`."""
    site, model, scheme = knee.HOME_SITE, load_shape_model(BONES), PRESETS["knee-radiograph"].scheme
    still = replace(site.knee, flexion=(0.0, 0.0), rotation=(0.0, 0.0), tilt=(0.0, 0.0), obliquity=(0.0, 0.0))
    posed = draw_knee(model, site.knee, np.random.default_rng([seed, 0]))
    straight = draw_knee(model, still, np.random.default_rng([seed, 0]))
    projection, source_patient = knee.draw_projection(posed, np.random.default_rng([seed, 1]), site)
    truth = values(scheme, locate_all(knee_landmarks.RULES, straight, parallel_view()), 1.0)
    points = locate_all(knee_landmarks.RULES, posed, projection)
    return Sample(scheme, points, projection.spacing, projection.source_detector / source_patient, truth)


SAMPLES: dict[str, Callable[[int], Sample]] = {
    "pelvis-radiograph": pelvis_sample,
    "pelvis-fluoroscopy-trochanter": hip_sample,
    "pelvis-radiograph-implant, with all landmarks of the set": implant_sample,
    "knee-radiograph": knee_sample,
}
