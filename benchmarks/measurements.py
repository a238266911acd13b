"""Bias of every ready measurement against the 3-D truth of the simulator's anatomy; no image is rendered.

`python benchmarks/measurements.py --cases 50 --json runs/measurements.json --markdown docs/reference/measurements.md`
draws patients and views as the presets do, measures the true points as a radiograph shows them, and compares with the
truth: the same anatomy in a neutral position in a parallel beam at its true size, or what the simulator knows in 3-D
(cup angles, cup diameter, pelvic obliquity; what proxies stand for). The tables replace what
stands between the page's markers.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from monai_landmarks.element_order import kinds_of
from monai_landmarks.measure import measure_points
from monai_landmarks.measure.library import IMPLANT, LIBRARY, fitting, landmark_names
from monai_landmarks.measurements import UNITS, Measurement
from monai_landmarks.scheme import Landmark, Scheme
from monai_landmarks.simulate import PRESETS, hip_fluoroscopy, implant_radiograph, knee, knee_landmarks, pelvis
from monai_landmarks.simulate.anatomy import ASIS, PUBIC_TUBERCLE, Anatomy, PoseRanges, draw_anatomy
from monai_landmarks.simulate.hip_implant import HipImplant, implant_hip
from monai_landmarks.simulate.hip_stem import shaft_axis
from monai_landmarks.simulate.knee_anatomy import BONES, draw_knee
from monai_landmarks.simulate.landmarks import locate_all, locate_side
from monai_landmarks.simulate.projection import Projection, ellipse_axes
from monai_landmarks.simulate.shape_model import load_shape_model

MARKER, END = "<!-- {}: written by benchmarks/measurements.py -->", "<!-- end of {} -->"
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
    """Degrees the plane of spines and tubercles leans backward, and the line of the spines turns backward at the left."""
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


def bias_rows(samples: list[Sample]) -> list[dict[str, Any]]:
    """A row a measurement: mean truth, bias and SD in the corrected plane, bias in the detector's plane.

    The left and the right of a measurement share a row.
    """
    kinds = {m.name: m.unit for m in measure_points(samples[0].scheme, _any_points(samples[0]), spacing=(1.0, 1.0))}
    collected: dict[str, list[tuple[float, float, float]]] = {}
    for sample in samples:
        corrected, raw = sample.measured(sample.magnification), sample.measured(1.0)
        for name, truth in sample.truth.items():
            row = collected.setdefault(name.removesuffix("_left").removesuffix("_right"), [])
            row.append((truth, corrected[name], raw[name]))
    rows = []
    for name, triples in collected.items():
        truth, corrected, raw = np.array(triples).T
        unit = kinds.get(name) or kinds[f"{name}_left"]
        rows.append(
            {
                "name": name,
                "unit": unit,
                "n": len(triples),
                "truth": float(truth.mean()),
                "truth_sd": float(truth.std(ddof=1)),
                "bias": float((corrected - truth).mean()),
                "sd": float((corrected - truth).std(ddof=1)),
                "detector_bias": float((raw - truth).mean()) if unit == "mm" else None,
            }
        )
    return rows


def proxy_rows(samples: list[Sample]) -> list[dict[str, Any]]:
    """A row a proxy: correlation with what it stands for, the fitted line, and what stays unexplained.

    The line gives the quantity from the proxy: quantity = slope * proxy + intercept, with a residual SD.
    """
    collected: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for sample in samples:
        measured = sample.measured(sample.magnification)
        for name, (quantity, value) in sample.stands_for.items():
            key = (name.removesuffix("_left").removesuffix("_right"), quantity)
            collected.setdefault(key, []).append((measured[name], value))
    rows = []
    for (name, quantity), pairs in collected.items():
        proxy, value = np.array(pairs).T
        slope, intercept = np.polyfit(proxy, value, 1)
        rest = value - slope * proxy - intercept
        rows.append(
            {
                "name": name,
                "stands_for": quantity,
                "n": len(pairs),
                "proxy": float(proxy.mean()),
                "quantity": float(value.mean()),
                "correlation": float(np.corrcoef(proxy, value)[0, 1]),
                "slope": float(slope),
                "intercept": float(intercept),
                "residual_sd": float(rest.std(ddof=2)),
            }
        )
    return rows


def _any_points(sample: Sample) -> np.ndarray:
    return np.stack([sample.points[name] for name in sample.scheme.names])


def markdown(tables: Mapping[str, dict[str, list[dict[str, Any]]]]) -> str:
    """A table of biases a preset, and one of all proxies."""
    lines = []
    for preset, table in tables.items():
        lines += ["", f"**{preset}**", ""]
        lines.append("| measurement | n | unit | truth, mean ± SD | bias | SD | bias uncorrected |")
        lines.append("|---|---|---|---|---|---|---|")
        for row in table["bias"]:
            digits = 3 if row["unit"] == "1" else 2
            raw = "" if row["detector_bias"] is None else f"{row['detector_bias']:+.{digits}f}"
            lines.append(
                f"| `{row['name']}` | {row['n']} | {row['unit']} | {row['truth']:.{digits}f} ± "
                f"{row['truth_sd']:.{digits}f} | {row['bias']:+.{digits}f} | {row['sd']:.{digits}f} | {raw} |"
            )
    lines += ["", "**Proxies**", "", "| preset | proxy | stands for | n | r | quantity from proxy | residual SD |"]
    lines.append("|---|---|---|---|---|---|---|")
    for preset, table in tables.items():
        lines += [
            f"| {preset} | `{row['name']}` | {row['stands_for']} | {row['n']} | {row['correlation']:.2f} | "
            f"{row['slope']:.2f} p {row['intercept']:+.1f} | {row['residual_sd']:.1f} |"
            for row in table["proxies"]
        ]
    return "\n".join([*lines, ""])


def definitions() -> str:
    """A table a ready set; both sides share a row."""
    lines = []
    for name, elements in LIBRARY.items():
        kinds = kinds_of(elements, landmark_names(elements))
        lines += ["", f"**{name}**", "", "| name | unit | definition | normal | source |", "|---|---|---|---|---|"]
        names = {element.name for element in elements}
        for element in elements:
            base = element.name.removesuffix("_left").removesuffix("_right")
            paired = {f"{base}_left", f"{base}_right"} <= names
            if not isinstance(element, Measurement) or (paired and element.name.endswith("_right")):
                continue
            shown = f"{base}_left, _right" if paired else element.name
            normal = f"{element.normal[0]:g} to {element.normal[1]:g}" if element.normal else ""
            cells = (
                UNITS[kinds[element.name]],
                element.description or f"{element.title}.",
                normal,
                element.source or "",
            )
            lines.append(f"| `{shown}` | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def write_page(page: Path, parts: Mapping[str, str]) -> None:
    """Put the tables between the page's markers."""
    text = page.read_text(encoding="utf-8")
    for part, table in parts.items():
        before, _, rest = text.partition(MARKER.format(part))
        _, _, after = rest.partition(END.format(part))
        text = f"{before}{MARKER.format(part)}\n{table}\n{END.format(part)}{after}"
    page.write_text(text, encoding="utf-8")


def main() -> None:
    """Draw, measure, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=50)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--markdown", type=Path, help="a page with the markers")
    arguments = parser.parse_args()
    tables = {}
    for name, draw in SAMPLES.items():
        samples = [draw(seed) for seed in range(arguments.cases)]
        tables[name] = {"bias": bias_rows(samples), "proxies": proxy_rows(samples)}
    text = markdown(tables)
    print(text)
    if arguments.json:
        arguments.json.parent.mkdir(parents=True, exist_ok=True)
        arguments.json.write_text(json.dumps(tables, indent=1) + "\n", encoding="utf-8")
    if arguments.markdown:
        write_page(arguments.markdown, {"definitions": definitions(), "bias": text})


if __name__ == "__main__":
    main()
