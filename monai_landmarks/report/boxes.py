"""Box plots small enough for a table cell, drawn as SVG on one shared axis."""

from __future__ import annotations

from html import escape

import numpy as np

WIDTH, HEIGHT = 300, 24
MARGIN, TAIL = 6, 34
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


def axis_limit(errors: np.ndarray, thresholds: list[float]) -> float:
    """A round number that holds the largest threshold and nearly every error."""
    known = errors[np.isfinite(errors)]
    wanted = max(1.25 * max(thresholds, default=1.0), np.percentile(known, 97) if known.size else 0.0)
    power = 10.0 ** np.floor(np.log10(wanted))
    return float(power * min(step for step in STEPS if step * power >= wanted * (1 - 1e-9)))


def ticks(limit: float) -> list[float]:
    """Four or five round numbers from 0 to the limit."""
    parts = 4 if round(limit / 10.0 ** np.floor(np.log10(limit)), 6) in (1.0, 2.0) else 5
    return [limit * i / parts for i in range(parts + 1)]


def _x(value: float, limit: float) -> float:
    return round(MARGIN + (WIDTH - MARGIN - TAIL) * min(value, limit) / limit, 1)


def _grid(limit: float) -> str:
    return "".join(
        f'<line class="g" x1="{_x(t, limit)}" x2="{_x(t, limit)}" y1="0" y2="{HEIGHT}"/>' for t in ticks(limit)
    )


def axis_svg(limit: float) -> str:
    """The axis that stands in the column's heading."""
    labels = "".join(f'<text x="{_x(t, limit)}" y="15" text-anchor="middle">{t:g}</text>' for t in ticks(limit))
    return f'<svg class="box" viewBox="0 0 {WIDTH} 20" role="img" aria-label="axis">{labels}</svg>'


def box_svg(errors: np.ndarray, limit: float, unit: str) -> str:
    """Median, quartiles, whiskers to 1.5 interquartile ranges, a dot for each point beyond them.

    Args:
        errors: any shape; NaN does not count, infinity is beyond every limit.
        limit: right end of the axis; what lies beyond it is a number at the edge.
        unit: for the text that screen readers speak.
    """
    known = errors[~np.isnan(errors)]
    start = f'<svg class="box" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label='
    if not known.size:
        return f'{start}"no points">{_grid(limit)}</svg>'
    # Finite stand-in: interpolating towards infinity is not a number.
    known = np.where(np.isfinite(known), known, 1e6 * limit)
    low, middle, high = np.percentile(known, (25, 50, 75))
    inside = known[(known >= low - 1.5 * (high - low)) & (known <= high + 1.5 * (high - low))]
    dots = known[(known < inside.min()) | (known > inside.max()) & (known <= limit)]
    beyond = int(np.sum(known > limit))
    y = HEIGHT / 2
    spoken = escape(f"median {middle:.2f}, quartiles {low:.2f} and {high:.2f} {unit}, {beyond} beyond the axis")
    left, right = _x(low, limit), _x(high, limit)
    shapes = [
        f'<line class="w" x1="{_x(inside.min(), limit)}" x2="{_x(inside.max(), limit)}" y1="{y}" y2="{y}"/>',
        f'<rect class="b" x="{left}" y="5" width="{max(right - left, 1):.1f}" height="{HEIGHT - 10}"/>',
        f'<line class="m" x1="{_x(middle, limit)}" x2="{_x(middle, limit)}" y1="4" y2="{HEIGHT - 4}"/>',
        *(f'<circle class="o" cx="{_x(d, limit)}" cy="{y}" r="1.8"/>' for d in dots),
    ]
    if beyond:
        shapes.append(f'<text class="e" x="{WIDTH - TAIL + 7}" y="{y + 4}">▸{beyond}</text>')
    return f'{start}"{spoken}">{_grid(limit)}{"".join(shapes)}</svg>'
