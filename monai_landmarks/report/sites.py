"""Errors at several sites side by side: within one evaluation, or in two evaluations of different images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.metrics import Results
from monai_landmarks.metrics.points import PatientBootstrap, median, mre, outliers
from monai_landmarks.metrics.tables import DASH, number, percent

ATTRIBUTE = "site"


@dataclass(frozen=True)
class Cell:
    """A number, its 95 % interval, and whether a change is beyond chance."""

    text: str
    interval: str = ""
    strong: bool = False


@dataclass(frozen=True)
class SiteTable:
    """Columns of sites; with two of them a third of what changes from the first to the second, shares in their points.

    Attributes:
        columns: names of the sites.
        counts: images, patients and points, a heading and a number a column.
        rows: pooled numbers, a heading and a cell a column.
        landmarks: MRE of every landmark, likewise.
        changes: whether the last cell of a row is the change.
    """

    columns: list[str]
    counts: list[tuple[str, list[int]]]
    rows: list[tuple[str, list[Cell]]]
    landmarks: list[tuple[str, list[Cell]]]
    changes: bool


def split_by_site(results: Results, dataset: LandmarkDataset) -> dict[str, Results]:
    """The results of each site, in order of appearance; empty where all are of one, or a case names none."""
    known = {case.id: case.attributes.get(ATTRIBUTE) for case in dataset.cases}
    sites = [known.get(case_id) for case_id in results.case_ids]
    if not all(isinstance(site, str) and site for site in sites) or len(set(sites)) < 2:
        return {}
    return {str(s): results.take([i for i, site in enumerate(sites) if site == s]) for s in dict.fromkeys(sites)}


def other_images(results: Results, compared: Mapping[str, Results]) -> dict[str, Results]:
    """Those of the compared evaluations that share no image with this one: another site, or another data set."""
    return {name: other for name, other in compared.items() if not shared_images(results, other)}


def shared_images(results: Results, other: Results) -> int:
    """How many images two evaluations share: cases of one id with the same file or the same annotation.

    Ids alone do not tell: many data sets count from 001.
    """
    place = {case_id: i for i, case_id in enumerate(results.case_ids)}
    pairs = [(place[case_id], j) for j, case_id in enumerate(other.case_ids) if case_id in place]
    return sum(
        results.images[i] == other.images[j] or np.array_equal(results.truth[i], other.truth[j], equal_nan=True)
        for i, j in pairs
    )


def site_table(sites: Mapping[str, Results], unit: str, thresholds: Sequence[float], outlier: float) -> SiteTable:
    """Sites side by side.

    Args:
        sites: results by the site's name, all with the same landmarks.
        unit: "mm" or "px" of the original images.
        thresholds: of the detection rate.
        outlier: a point further off is one.
    """
    columns = [_Column(results, unit, seed) for seed, results in enumerate(sites.values())]
    changes = len(columns) == 2

    def row(heading: str, transform: Any, text: Any) -> tuple[str, list[Cell]]:
        return heading, _cells(columns, transform, text, changes)

    rows = [row("MRE", lambda errors: errors, number)]
    middle = [Cell(_finite(median(column.errors), number)) for column in columns]
    rows.append(("median", [*middle, *([Cell("")] if changes else [])]))
    for r in thresholds:
        rows.append(row(f"< {r:g} {unit}", lambda errors, r=r: np.where(np.isnan(errors), np.nan, errors < r), percent))
    beyond = [Cell(str(outliers(column.errors, outlier))) for column in columns]
    rows.append((f"points over {outlier:g} {unit}", [*beyond, *([Cell("")] if changes else [])]))
    names = next(iter(sites.values())).names
    landmarks = [row(name, lambda errors, k=k: errors[:, [k]], number) for k, name in enumerate(names)]
    counts = [(heading, [column.counts[heading] for column in columns]) for heading in columns[0].counts]
    return SiteTable(list(sites), counts, rows, landmarks, changes)


class _Column:
    """One site's errors and the resampling of its patients."""

    def __init__(self, results: Results, unit: str, seed: int) -> None:
        self.errors = results.errors_mm() if unit == "mm" else results.errors_px()
        self.resampling = PatientBootstrap(results.patients, seed=seed)
        points = int((~np.isnan(self.errors)).sum())
        self.counts = {"images": len(results.case_ids), "patients": len(set(results.patients)), "points": points}


def _cells(columns: Sequence[_Column], transform: Any, text: Any, changes: bool) -> list[Cell]:
    values = [transform(column.errors) for column in columns]
    means = [mre(value) for value in values]
    intervals = [column.resampling.mean(value) for column, value in zip(columns, values)]
    cells = [Cell(_finite(m, text), _interval(i, text)) for m, i in zip(means, intervals)]
    if changes:
        low, high = columns[0].resampling.difference(values[0], columns[1].resampling, values[1])
        change = means[1] - means[0]
        cells.append(Cell(_signed(change, text), _interval((low, high), text), strong=bool(low > 0 or high < 0)))
    return cells


def _finite(value: float, text: Any) -> str:
    return str(text(value)) if np.isfinite(value) else DASH


def _signed(value: float, text: Any) -> str:
    if not np.isfinite(value):
        return DASH
    shown = _minus(str(text(value)).removesuffix(" %"))
    return shown if shown[0] == "−" or not float(shown) else f"+{shown}"


def _interval(pair: tuple[float, float], text: Any) -> str:
    if not np.isfinite(pair).all():
        return ""
    return f"[{', '.join(_minus(str(text(value)).removesuffix(' %')) for value in pair)}]"


def _minus(text: str) -> str:
    """A number with a true minus, and without one where it is shown as zero."""
    return text.replace("-", "−" if float(text) else "")
