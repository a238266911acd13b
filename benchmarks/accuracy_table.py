"""Markdown of the accuracy tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from monai_landmarks.metrics.points import PatientBootstrap
from monai_landmarks.metrics.tables import DASH, interval_text, mean_text, number, percent

TEST, VALIDATION = "test", "validation"
RADII = ("2.0", "2.5", "3.0", "4.0")
HEAD = (
    "MRE mm",
    "95 % interval",
    "median",
    *(f"< {float(radius):g} mm" for radius in RADII),
    "validation MRE",
    "epochs",
    "minutes",
    "peak memory",
    "parameters",
)


def table(title: str, results: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line a row: errors on test images, the mean on validation images, and what it cost."""
    lines = ["| " + " | ".join((title, *HEAD)) + " |", "|---" * (1 + len(HEAD)) + "|"]
    return [*lines, *("| " + " | ".join((name, *_cells(result))) + " |" for name, result in results.items()), ""]


def _cells(result: Mapping[str, Any]) -> list[str]:
    block = result["metrics"][TEST]["mm"]
    validation = result["metrics"].get(VALIDATION)
    return [
        mean_text(block),
        interval_text(block["ci95"]["mre"]),
        number(block["median"]),
        *(percent(block["sdr"][radius]) for radius in RADII),
        DASH if validation is None else mean_text(validation["mm"]),
        str(result["epochs"]),
        f"{result['minutes']:.1f}",
        f"{result['peak_mb'] / 1000:.1f} GB",
        f"{result['parameters'] / 1e6:.1f} M",
    ]


def against_peer(title: str, results: Mapping[str, Mapping[str, Any]], ours: str, peers: tuple[str, ...]) -> list[str]:
    """A sentence: our row beside the peer's best, chosen on validation; nothing where either is missing.

    The interval is that of the difference on the same points, resampled over patients.
    """
    scored = {name: results[name]["metrics"] for name in peers if name in results}
    known = {name: found[VALIDATION]["mm"]["mre"] for name, found in scored.items()}
    known = {name: value for name, value in known.items() if value is not None}
    if ours not in results or not known:
        return []
    best = min(known, key=lambda name: known[name])
    mine, theirs = (results[name]["metrics"][TEST]["mm"]["mre"] for name in (ours, best))
    verdict = "beats" if None not in (mine, theirs) and mine < theirs else "does not beat"
    low, high = _difference(*(results[name]["errors"][TEST] for name in (ours, best)))
    return [
        f"{title}: {ours} ({number(mine)} mm) {verdict} {best} ({number(theirs)} mm), the peer's best on validation; "
        f"theirs less ours, 95 %: {interval_text((low, high))} mm.",
        "",
    ]


def _difference(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> tuple[float | None, float | None]:
    """Interval of their mean error less ours; None where a point was not predicted."""
    mine, others = (np.array(row["errors"], dtype=np.float64) for row in (ours, theirs))
    if not (np.isinf(mine) | np.isinf(others)).any():
        low, high = PatientBootstrap(ours["patients"]).mean(others - mine)
        if np.isfinite(low):
            return low, high
    return None, None
