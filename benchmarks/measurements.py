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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from measurement_samples import SAMPLES, Sample

from monai_landmarks.element_order import kinds_of
from monai_landmarks.measure import measure_points
from monai_landmarks.measure.library import LIBRARY, landmark_names
from monai_landmarks.measurements import UNITS, Measurement

MARKER, END = "<!-- {}: written by benchmarks/measurements.py -->", "<!-- end of {} -->"


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
