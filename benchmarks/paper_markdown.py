"""The paper's tables as Markdown, ours beside the published, and the sentences that the numbers bear out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from published import (
    BASELINE,
    BASELINE_AUGMENTED,
    NOTE,
    POINTS,
    PROPOSED,
    PROPOSED_AUGMENTED,
    TABLE_1,
    TABLE_2,
)

OURS = "our recipe"
OURS_PLAIN = "our recipe, no intensity augmentation"
ROWS = (BASELINE, BASELINE_AUGMENTED, PROPOSED_AUGMENTED, PROPOSED, OURS, OURS_PLAIN)
HOME, EXTERNAL = "home", "external"
DASH = "–"
# Results: data set -> row -> site -> a `score` of paper_scores.
Scores = Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]


def number(value: float | None, digits: int = 2) -> str:
    return DASH if value is None else f"{value:.{digits}f}"


def percent(share: float | None) -> str:
    return DASH if share is None else f"{100 * share:.1f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def home_table(scores: Scores) -> list[str]:
    """Table 1 on the home site's test images, a part for each data set, with the published columns."""
    lines = ["### Table 1: home test images, pixels at 512", "", f"Columns in *italics*: {NOTE}.", ""]
    head = ["", "RMSE", "RMSE, paper's definition", "MRE", "< 2", "< 2.5", "< 3", "< 4"]
    head += ["*RMSE, paper's*", "*< 2*", "*< 2.5*", "*< 3*", "*< 4*"]
    for name, rows in scores.items():
        known = TABLE_1.get(name)
        counts = f" (published: {known.images} images, {known.landmarks} landmarks)" if known else ""
        lines += [f"**{name}**{counts}", ""]
        body = []
        for row in (row for row in ROWS if row in rows):
            ours = rows[row][HOME]
            cells = [number(ours[key]) for key in ("rmse", "rmse_published", "mre")]
            published = known.sdr.get(row, {}) if known else {}
            theirs = [number(published.get(r)) for r in ours["sdr"]]
            rmse = number(known.rmse.get(row) if known else None)
            body.append([row, *cells, *map(percent, ours["sdr"].values()), rmse, *theirs])
        lines += [*table(head, body), ""]
    return lines


def external_table(scores: Scores) -> list[str]:
    """Table 1 on the external site, and what is lost on the way there."""
    lines = ["### Table 1, continued: external test images, pixels at 512", ""]
    lines += ["Drop: external less home; a positive drop is a loss. There is no published counterpart.", ""]
    head = ["", "RMSE", "RMSE, paper's definition", "MRE", "< 2", "< 2.5", "< 3", "< 4"]
    head += ["MRE at home", "drop, MRE", "drop, < 2 (points)"]
    for name, rows in scores.items():
        body = []
        for row in (row for row in ROWS if row in rows):
            home, external = rows[row][HOME], rows[row][EXTERNAL]
            cells = [number(external[key]) for key in ("rmse", "rmse_published", "mre")]
            shares = [percent(share) for share in external["sdr"].values()]
            drops = [
                number(_less(external["mre"], home["mre"])),
                percent(_less(home["sdr"]["2.0"], external["sdr"]["2.0"])),
            ]
            body.append([row, *cells, *shares, number(home["mre"]), *drops])
        lines += [f"**{name}**", "", *table(head, body), ""]
    return lines


def point_table(pooled: Mapping[str, Mapping[str, float | None]]) -> list[str]:
    """Table 2: mean error in mm of five pelvis points, left and right pooled; by row, then what was published."""
    lines = ["### Table 2: five points of the pelvis radiograph, mean error in mm, left and right pooled", ""]
    lines += [
        "Home test images. The published rows are of other data: they stand here for scale, not for a ranking.",
        "",
    ]
    body = [[row, *(number(values[name]) for name in (*POINTS, "mean"))] for row, values in pooled.items()]
    body += [[f"*{row}*", *map(number, values)] for row, values in TABLE_2.items()]
    return [*lines, *table(["", *POINTS, "mean"], body), ""]


def sentences(scores: Scores) -> list[str]:
    """What the home test says of the paper's claims and of our recipe."""
    complete = {name: rows for name, rows in scores.items() if all(row in rows for row in ROWS)}
    if not complete:
        return []
    key = "rmse_published"
    claims = (
        ("The paper's method (proposed) beats both baselines", PROPOSED, (BASELINE, BASELINE_AUGMENTED), key),
        ("Without the training augmentation it is better than with it", PROPOSED, (PROPOSED_AUGMENTED,), key),
        (
            "Our recipe beats the paper's method with and without augmentation",
            OURS,
            (PROPOSED, PROPOSED_AUGMENTED),
            key,
        ),
        ("Intensity augmentation helps our recipe", OURS, (OURS_PLAIN,), key),
    )
    lines = []
    for site in (HOME, EXTERNAL):
        for text, winner, others, measure in claims:
            exceptions = [name for name, rows in complete.items() if not _beats(rows, winner, others, site, measure)]
            lines.append(f"{text} {_where(exceptions, complete)} ({site} test, RMSE by the paper's definition).")
    return lines


def _beats(
    rows: Mapping[str, Mapping[str, Mapping[str, Any]]], winner: str, others: Sequence[str], site: str, key: str
) -> bool:
    value = rows[winner][site][key]
    rivals = [rows[other][site][key] for other in others]
    # A row without a finite error has lost a point altogether.
    return value is not None and all(rival is None or value < rival for rival in rivals)


def _where(exceptions: Sequence[str], names: Mapping[str, Any]) -> str:
    if not exceptions:
        return f"in every data set ({len(names)} of {len(names)})" if len(names) > 1 else f"in {next(iter(names))}"
    if len(exceptions) == len(names):
        return f"in no data set (0 of {len(names)})"
    return f"in {len(names) - len(exceptions)} of {len(names)} data sets, not in {', '.join(exceptions)}"


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
