"""Sites side by side."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.metrics import Results
from monai_landmarks.report.sites import other_images, shared_images, site_table, split_by_site


def elsewhere(results: Results, **more: object) -> Results:
    moved = {"images": [f"/elsewhere/{i}.png" for i in range(12)], "truth": results.truth + 1}
    return dataclasses.replace(results, **{**moved, "predicted": results.predicted + 1, **more})  # type: ignore[arg-type]


def test_a_part_of_the_results_keeps_everything_together(evaluate: Callable[..., Results]) -> None:
    results = evaluate()
    part = results.take([7, 2])
    assert part.case_ids == ["image 07", "image 02"]
    np.testing.assert_array_equal(part.errors_mm(), results.errors_mm()[[7, 2]])
    assert part.names == results.names


def test_cases_are_grouped_by_the_site_they_name(evaluate: Callable[..., Results], dataset: LandmarkDataset) -> None:
    results = evaluate()
    assert split_by_site(results, dataset) == {}
    for i, case in enumerate(dataset.cases):
        case.attributes["site"] = "home" if i % 3 else "external"
    sites = split_by_site(results, dataset)
    assert {name: len(part.case_ids) for name, part in sites.items()} == {"external": 4, "home": 8}
    dataset.cases[5].attributes["site"] = 3
    assert split_by_site(results, dataset) == {}


def test_images_are_told_apart_by_more_than_their_ids(evaluate: Callable[..., Results]) -> None:
    results = evaluate()
    same_file = dataclasses.replace(evaluate(), truth=results.truth + 3)
    moved_data = dataclasses.replace(evaluate(), images=[f"/elsewhere/{i}.png" for i in range(12)])
    compared = {"reader": same_file, "moved": moved_data, "external": elsewhere(evaluate())}
    assert [shared_images(results, other) for other in compared.values()] == [12, 12, 0]
    assert list(other_images(results, compared)) == ["external"]


def test_the_change_is_the_second_less_the_first(evaluate: Callable[..., Results]) -> None:
    home = evaluate(1.0)
    away = elsewhere(home, predicted=home.truth + 1 + 4 * (home.predicted - home.truth))
    table = site_table({"home": home, "external": away}, "mm", [2.0], 10.0)
    rows = dict(table.rows)
    assert table.changes
    assert [number for _, numbers in table.counts for number in numbers] == [12, 12, 6, 6, 46, 46]
    mean = np.nanmean(home.errors_mm())
    assert [cell.text for cell in rows["MRE"]] == [f"{mean:.2f}", f"{4 * mean:.2f}", f"+{3 * mean:.2f}"]
    assert rows["MRE"][2].strong
    low, high = (float(part) for part in rows["MRE"][2].interval.strip("[]").split(", "))
    assert 0 < low < 3 * mean < high
    assert rows["< 2 mm"][0].text == "100.0 %"
    assert rows["< 2 mm"][2].text.startswith("−")
    assert not rows["< 2 mm"][2].text.endswith("%")
    assert [name for name, _ in table.landmarks] == list(home.names)


def test_no_change_is_not_bold_and_three_sites_have_none(evaluate: Callable[..., Results]) -> None:
    home = evaluate()
    table = site_table({"a": home, "b": elsewhere(home)}, "mm", [2.0], 10.0)
    change = dict(table.rows)["MRE"][2]
    assert (change.text, change.strong) == ("0.00", False)
    three = site_table({"a": home, "b": elsewhere(home), "c": evaluate(2.0)}, "px", [2.0], 10.0)
    assert not three.changes
    assert all(len(cells) == 3 for _, cells in three.rows + three.landmarks)


@pytest.mark.parametrize("kind", ["missing", "nothing"])
def test_what_cannot_be_computed_is_a_dash(evaluate: Callable[..., Results], kind: str) -> None:
    home, away = evaluate(), elsewhere(evaluate())
    if kind == "missing":
        away.predicted[:, 0] = np.nan
    else:
        away.state[:, 0] = 0
    cells = dict(site_table({"a": home, "b": away}, "mm", [2.0], 10.0).landmarks)["head_left"]
    assert [cell.text for cell in cells[1:]] == ["–", "–"]
    assert [cell.interval for cell in cells[1:]] == ["", ""]
