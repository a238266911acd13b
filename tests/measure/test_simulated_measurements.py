"""Measurements of simulated cases, fed the true points, against the projected geometry computed on its own.

The geometry is the exact place of the anatomy in the detector's plane, in mm; the points come as a data set holds
them, in pixels rounded to hundredths, with the spacing a DICOM file of the case gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import measurement_samples as benchmark
import measurements as tables
import numpy as np
import pytest

from monai_landmarks.measure import measure_points
from monai_landmarks.simulate import PRESETS, hip_fluoroscopy, pelvis
from monai_landmarks.simulate.anatomy import draw_anatomy
from monai_landmarks.simulate.hip_stem import shaft_axis
from monai_landmarks.simulate.landmarks import locate_all
from monai_landmarks.simulate.projection import Projection
from monai_landmarks.simulate.shape_model import load_shape_model

SEEDS = range(5)
ANGLE, LENGTH = 0.1, 0.1
# (x to the patient's left, z up) in mm of the patient's plane.
Place = Callable[[str], complex]


def as_stored(sample: benchmark.Sample) -> dict[str, float]:
    """Every value, by name, from the rounded points and the corrected spacing."""
    points = np.stack([np.round(sample.points[name], 2) for name in sample.scheme.names])
    spacing = sample.spacing / sample.magnification
    measured = measure_points(sample.scheme, points, spacing=(spacing, spacing), plane="patient_plane")
    assert all(m.value is not None and m.reason is None for m in measured)
    return {m.name: float(m.value) for m in measured if m.value is not None}


def places(sample: benchmark.Sample) -> Place:
    """Complex numbers x + i z for the landmarks: another way of computing, with other axes."""
    scale = sample.spacing / sample.magnification

    def place(name: str) -> complex:
        row, column = sample.points[name]
        return complex(column * scale, -row * scale)

    return place


def tilt(first: complex, second: complex) -> float:
    """Degrees by which the second vector is turned counter-clockwise from the first."""
    return math.degrees(np.angle(second / first))


@pytest.mark.parametrize("seed", SEEDS)
def test_pelvis(seed: int) -> None:
    sample = benchmark.pelvis_sample(seed)
    found, at = as_stored(sample), places(sample)
    line = at("teardrop_left") - at("teardrop_right")
    across = line / abs(line)

    def height(name: str) -> float:
        return ((at(name) - at("teardrop_right")) / across).imag

    assert found["pelvic_obliquity"] == pytest.approx(math.degrees(math.atan2(line.imag, line.real)), abs=ANGLE)
    hip = {side: -height(f"lesser_trochanter_medial_{side}") for side in ("left", "right")}
    assert found["leg_length_difference"] == pytest.approx(hip["left"] - hip["right"], abs=LENGTH)
    for side in ("left", "right"):
        assert found[f"hip_length_{side}"] == pytest.approx(hip[side], abs=LENGTH)
        head, drop = at(f"femoral_head_centre_{side}"), at(f"teardrop_{side}")
        trochanter = at(f"greater_trochanter_superior_{side}")
        assert found[f"hip_centre_height_{side}"] == pytest.approx(
            abs(height(f"femoral_head_centre_{side}")), abs=LENGTH
        )
        assert found[f"hip_centre_lateral_{side}"] == pytest.approx(abs(((head - drop) / across).real), abs=LENGTH)
        offset = abs(((trochanter - head) / across).real)
        assert found[f"femoral_offset_proxy_{side}"] == pytest.approx(offset, abs=LENGTH)
        outward = 1 if side == "left" else -1
        edge = -outward * tilt(1j * across, at(f"acetabular_rim_{side}") - head)
        assert found[f"centre_edge_angle_{side}"] == pytest.approx(edge, abs=ANGLE)
        corner = abs(tilt(at("sacral_plateau_centre") - head, at("symphysis_superior") - head))
        assert found[f"sacro_femoral_pubic_angle_{side}"] == pytest.approx(corner, abs=ANGLE)
    sacrum = (at("sacrococcygeal_junction") - at("symphysis_superior")) / across
    assert found["sacrum_symphysis_height"] == pytest.approx(sacrum.imag, abs=LENGTH)
    assert found["sacrum_symphysis_shift"] == pytest.approx(sacrum.real, abs=LENGTH)


@pytest.mark.parametrize("seed", SEEDS)
def test_hip(seed: int) -> None:
    sample = benchmark.hip_sample(seed)
    found, at = as_stored(sample), places(sample)
    head, drop = at("femoral_head_centre"), at("teardrop")
    axis = at("greater_trochanter_superior") - at("femoral_shaft_centre")
    wanted = {
        "femoral_offset_proxy": abs(((head - at("femoral_shaft_centre")) / (axis / abs(axis))).imag),
        "trochanter_height": (head - at("greater_trochanter_superior")).imag,
        "hip_length_upright": (drop - at("lesser_trochanter_medial")).imag,
        "hip_centre_lateral": abs((head - drop).real),
        "hip_centre_height": (head - drop).imag,
    }
    assert found == pytest.approx(wanted, abs=LENGTH)


def conic_of_rim(seed: int) -> tuple[float, float, float]:
    """Exact image of the cup's rim: long half axis in mm of the detector, its slope and arcsin(short / long), degrees.

    The rim is the circle |X - C| = r in the plane n . (X - C) = 0; the cone of its rays cut by the detector is a
    quadratic form, whose eigenvalues are the axes.
    """
    _, implant, projection, _ = benchmark.implant_view(seed)
    normal, offset = implant.cup_axis, implant.cup_centre - projection.source
    # A ray d meets the plane at t = (n . c) / (n . d): |t d - c|^2 = r^2, times (n . d)^2.
    level = normal @ offset
    form = level**2 * np.eye(3) - level * (np.outer(normal, offset) + np.outer(offset, normal))
    form += (offset @ offset - implant.cup_radius**2) * np.outer(normal, normal)
    # Detector coordinates (x, z) at depth D.
    lift = np.array([[1.0, 0, 0], [0, 0, projection.source_detector], [0, 1.0, 0]])
    flat = lift.T @ form @ lift
    quadratic, linear, constant = flat[:2, :2], flat[:2, 2], flat[2, 2]
    centre = -np.linalg.solve(quadratic, linear)
    values, vectors = np.linalg.eigh(-quadratic / (constant + linear @ centre))
    halves = 1 / np.sqrt(values)
    long = int(np.argmax(halves))
    slope = abs(math.degrees(math.atan2(vectors[1, long], vectors[0, long])))
    return halves[long], min(slope, 180 - slope), math.degrees(math.asin(halves.min() / halves.max()))


@pytest.mark.parametrize("seed", SEEDS)
def test_cup_and_stem(seed: int) -> None:
    sample = benchmark.implant_sample(seed)
    found, at = as_stored(sample), places(sample)
    long_half, slope, anteversion = conic_of_rim(seed)
    assert found["cup_inclination_image"] == pytest.approx(slope, abs=ANGLE)
    line = at("teardrop_left") - at("teardrop_right")
    opening = at("cup_rim_superior") - at("cup_rim_inferior")
    apart = abs(tilt(line, opening))
    assert found["cup_inclination"] == pytest.approx(min(apart, 180 - apart), abs=ANGLE)
    assert found["cup_anteversion"] == pytest.approx(anteversion, abs=ANGLE)
    assert found["cup_opening_diameter"] == pytest.approx(2 * long_half / sample.magnification, abs=LENGTH)
    stem = at("stem_shoulder") - at("stem_tip")
    offset = abs(((at("implant_head_centre") - at("stem_tip")) / (stem / abs(stem))).imag)
    assert found["stem_offset_proxy"] == pytest.approx(offset, abs=LENGTH)


@pytest.mark.parametrize("seed", SEEDS)
def test_knee(seed: int) -> None:
    sample = benchmark.knee_sample(seed)
    found, at = as_stored(sample), places(sample)
    condyles = at("femoral_condyle_lateral") - at("femoral_condyle_medial")
    plateau = at("tibial_plateau_lateral") - at("tibial_plateau_medial")
    epicondyles = at("femoral_epicondyle_lateral") - at("femoral_epicondyle_medial")
    outward = 1 if plateau.real > 0 else -1

    def opening(first: complex, second: complex) -> float:
        return outward * tilt(first, second)

    def above(name: str, line: complex, start: str) -> float:
        return outward * ((at(name) - at(start)) / (line / abs(line))).imag

    wanted = {
        "joint_line_convergence": opening(plateau, condyles),
        "femoral_joint_line": opening(outward, condyles),
        "tibial_slope_coronal": opening(outward, plateau),
        "femorotibial_proxy": opening(plateau, epicondyles),
        "joint_space_medial": above("femoral_condyle_medial", plateau, "tibial_plateau_medial"),
        "joint_space_lateral": above("femoral_condyle_lateral", plateau, "tibial_plateau_medial"),
        "epicondylar_width": abs(epicondyles),
        "plateau_width": abs(plateau),
        "plateau_ratio": abs(plateau) / abs(epicondyles),
        "notch_depth": above("femoral_notch", condyles, "femoral_condyle_medial"),
    }
    assert found.pop("plateau_ratio") == pytest.approx(wanted.pop("plateau_ratio"), abs=1e-3)
    assert found == pytest.approx(wanted, abs=LENGTH)


def test_right_and_left_knees_are_both_among_them() -> None:
    lateral = {
        float(np.sign((s.points["femoral_epicondyle_lateral"] - s.points["femoral_epicondyle_medial"])[1]))
        for s in map(benchmark.knee_sample, SEEDS)
    }
    assert lateral == {-1.0, 1.0}


@pytest.mark.parametrize("seed", range(3))
def test_the_offset_proper_is_the_projected_distance_of_head_and_shaft(seed: int) -> None:
    """With two points on the shaft's axis a parallel beam along the axes' common normal shows the offset itself."""
    from monai_landmarks.measure.library import with_set
    from monai_landmarks.scheme import Landmark, Scheme

    anatomy = draw_anatomy(load_shape_model(), hip_fluoroscopy.HOME_SITE.pose, np.random.default_rng(seed))
    head = anatomy.head_centres["left"]
    start, up = shaft_axis(anatomy.femurs["left"], head)
    true = benchmark.femoral_offset(anatomy, "left")
    # Look at right angles to the plane of head and axis.
    out = head - start - up * ((head - start) @ up)
    out /= np.linalg.norm(out)
    turn = np.stack([out, np.cross(up, out), up])
    view = Projection(np.array([0.0, -1e7, 0.0]), 1e7, 1.0, (1, 1), (0.0, 0.0))
    names = ("femoral_head_centre", "femoral_shaft_upper", "femoral_shaft_lower")
    scheme = with_set(Scheme(name="hip", landmarks=tuple(Landmark(name=n) for n in names)), "hip")
    solid = np.stack([head, start - 40 * up, start - 140 * up]) @ turn.T
    (offset,) = measure_points(scheme, view.project(solid), spacing=(1.0, 1.0))
    assert (offset.name, offset.value) == ("femoral_offset", pytest.approx(true, abs=0.01))


def test_bias_rows_hold_what_they_are_called() -> None:
    scheme = PRESETS["pelvis-radiograph"].scheme
    anatomy = draw_anatomy(load_shape_model(), pelvis.HOME_SITE.pose, np.random.default_rng(0))
    straight = locate_all(pelvis.RULES, anatomy, benchmark.parallel_view())
    samples = [
        benchmark.Sample(scheme, straight, 1.0, 2.0, {"hip_length_left": 10.0, "hip_length_right": 11.0}),
        benchmark.Sample(scheme, straight, 1.0, 2.0, {"hip_length_left": 12.0, "hip_length_right": 13.0}),
    ]
    (row,) = tables.bias_rows(samples)
    values = benchmark.values(scheme, straight, 1.0)
    mean = (values["hip_length_left"] + values["hip_length_right"]) / 2
    assert (row["name"], row["n"], row["unit"]) == ("hip_length", 4, "mm")
    assert row["truth"] == pytest.approx(11.5)
    assert row["bias"] == pytest.approx(mean / 2 - 11.5, abs=1e-6)
    assert row["detector_bias"] == pytest.approx(mean - 11.5, abs=1e-6)


def test_the_page_defines_the_sets_as_they_are(tmp_path: Path) -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "measurements.md"
    assert tables.definitions() in page.read_text(encoding="utf-8")
    copy = tmp_path / "page.md"
    copy.write_text(page.read_text(encoding="utf-8"), encoding="utf-8")
    tables.write_page(copy, {"bias": "| new |"})
    text = copy.read_text(encoding="utf-8")
    assert "| new |" in text
    assert "femoral_offset_proxy` | 50" not in text
    assert tables.definitions() in text
