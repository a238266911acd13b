"""Numbers in files that people and tools write."""

from __future__ import annotations

import math


def finite_number(text: str) -> float:
    """A finite number from text, without the underscores that Python allows: 1_0 is a slip, not 10.

    Raises:
        ValueError: it is none.
    """
    value = math.nan if "_" in text else float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is no number")
    return value
