"""A row of the speed table: our milliseconds an image beside those of a limit or a peer."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from interleaved import Pairs

DASH = "–"
HEAD = ("part", "what", "size", "landmarks", "ms", "images/s", "against", "its ms", "ratio (quartiles)", "target", "MB")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement.

    Attributes:
        part: training, reading, ...
        what: is measured.
        size: of the image or the network's input.
        landmarks: how many; None where that does not matter.
        ms: of ours, an image; None in a row of memory.
        against: the limit or the peer.
        other_ms: of it, an image; None where there is none.
        ratio, quartiles: median over the pairs of ours / other.
        target: what must hold, in words.
        holds: whether it does; None where there is no target.
        mb: largest resident memory of a process that does this alone.
    """

    part: str
    what: str
    size: str
    landmarks: int | None = None
    ms: float | None = None
    against: str = ""
    other_ms: float | None = None
    ratio: float | None = None
    quartiles: tuple[float, float] | None = None
    target: str = ""
    holds: bool | None = None
    mb: float | None = None


def paired(pairs: Pairs, images: int) -> dict[str, object]:
    """The fields of a row that pairs of ours and the other give; each run was over so many images."""
    ms, other = (1000 * statistics.median(seconds) / images for seconds in (pairs.first, pairs.second))
    quartiles = pairs.quartiles() if len(pairs.first) > 3 else None
    return {"ms": ms, "other_ms": other, "ratio": pairs.ratio(), "quartiles": quartiles}


def markdown(rows: Sequence[Row]) -> list[str]:
    """The table."""
    lines = ["| " + " | ".join(HEAD) + " |", "|---" * len(HEAD) + "|"]
    return lines + ["| " + " | ".join(_cells(row)) + " |" for row in rows]


def _number(value: float | None) -> str:
    """Three digits, or all before the point."""
    if value is None:
        return DASH
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def _cells(row: Row) -> list[str]:
    ratio = DASH if row.ratio is None else f"{row.ratio:.3g}"
    if row.quartiles is not None:
        ratio += f" ({row.quartiles[0]:.3g} to {row.quartiles[1]:.3g})"
    held = {None: "", True: ": yes", False: ": **no**"}[row.holds]
    return [
        row.part,
        row.what,
        row.size,
        DASH if row.landmarks is None else str(row.landmarks),
        _number(row.ms),
        DASH if row.ms is None else _number(1000 / row.ms),
        row.against or DASH,
        _number(row.other_ms),
        ratio,
        (row.target + held) or DASH,
        DASH if row.mb is None else f"{row.mb:.0f}",
    ]
