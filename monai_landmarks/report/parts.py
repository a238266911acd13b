"""The report's sections on parts of the cases and on knees: what metrics.json tells beside points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def attribute_sections(metrics: Mapping[str, Any], unit: str) -> list[dict[str, Any]]:
    """One a grouping: `title`, and `rows` of name, cases, patients and the unit's block; empty where there is none.

    Args:
        metrics: of the evaluation.
        unit: "mm" or "px".
    """
    return [
        {"title": text, "rows": [{"name": label, **part, "block": part[unit]} for label, part in parts.items()]}
        for text, parts in metrics.get("attributes", {}).items()
    ]


def knee_section(metrics: Mapping[str, Any]) -> dict[str, Any] | None:
    """`corners`, `radii`, and `rows` of a name and the two kinds of numbers; None where the evaluation has none."""
    if "knees" not in metrics:
        return None
    whole = metrics["knees"]
    blocks = {"all": whole}
    for text, parts in metrics.get("attributes", {}).items():
        blocks |= {f"{text}: {label}": part["knees"] for label, part in parts.items() if "knees" in part}
    rows = [
        {"name": name, "kind": kind, "count": count, "part": part}
        for name, block in blocks.items()
        for kind, count, part in (
            ("by knee", block["knees"], block["published"]),
            ("by point", block["points"]["points"], block["points"]),
        )
    ]
    return {
        "corners": whole["corners"],
        "radii": list(whole["published"]["pck"]),
        "limit": whole["published"]["outliers"]["from"],
        "rows": rows,
    }
