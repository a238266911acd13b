"""Errors by what is known of a case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from monai_landmarks.data.dataset import Case
from monai_landmarks.errors import ConfigError
from monai_landmarks.metrics import Results, summarise
from monai_landmarks.metrics.attributes import Grouping
from monai_landmarks.metrics.summary import summarise_part


def cases(values: list[Any], name: str = "kl_grade") -> list[Case]:
    return [
        Case(id=f"case {i:03d}", image=f"{i}.png", attributes={} if value is None else {name: value})
        for i, value in enumerate(values)
    ]


def test_a_group_has_the_numbers_its_cases_have_alone(random_results: Callable[..., Results]) -> None:
    results = random_results()
    grades = [i % 4 for i in range(24)]
    parts = Grouping("kl_grade").split(results, cases(grades))
    assert list(parts) == ["0", "1", "2", "3"]
    alone = results.take([i for i in range(24) if grades[i] == 2])
    whole = summarise(alone, "test", bootstrap=50)
    part = summarise_part(parts["2"], bootstrap=50)
    assert part == {key: whole[key] for key in part}
    assert part["cases"] == 6
    assert sum(summarise_part(p, bootstrap=0)["points"] for p in parts.values()) == summarise(results, "t")["points"]


def test_a_limit_makes_two_groups_and_the_unknown_a_third(random_results: Callable[..., Results]) -> None:
    values = [None, 0, 1, 2, 3, 4, 2.0, 1.0]
    parts = Grouping("kl_grade < 2").split(random_results(n=8), cases(values))
    assert {label: len(part.case_ids) for label, part in parts.items()} == {"< 2": 3, ">= 2": 4, "unknown": 1}


def test_numbers_are_in_order_and_texts_are_groups(random_results: Callable[..., Results]) -> None:
    parts = Grouping("age").split(random_results(n=4), cases([70, 9, None, 70.0], "age"))
    assert list(parts) == ["9", "70", "unknown"]
    assert list(Grouping("site").split(random_results(n=3), cases(["b", "a", "b"], "site"))) == ["a", "b"]


def test_each_side_goes_by_its_own_grade(random_results: Callable[..., Results]) -> None:
    results = random_results(n=2, k=4)
    results.names = ("tibia_right", "femur_right", "tibia_left", "femur_left")
    results.state[:] = 1
    results.truth = results.predicted + 1
    both = cases([3, 1])
    both[0].attributes |= {"kl_grade_right": 3, "kl_grade_left": 0}
    parts = Grouping("kl_grade").split(results, both)
    assert {label: part.case_ids for label, part in parts.items()} == {
        "0": ["case 000"], "1": ["case 001"], "3": ["case 000"],
    }  # fmt: skip
    assert np.isfinite(parts["0"].errors_px()).tolist() == [[False, False, True, True]]
    assert np.isfinite(parts["3"].errors_px()).tolist() == [[True, True, False, False]]
    assert np.isfinite(parts["1"].errors_px()).all()


@pytest.mark.parametrize(
    ("text", "values", "message"),
    [
        ("grade", [1, 2], "no case has the attribute grade; known are kl_grade"),
        ("kl_grade < 2", [1, "two"], "case 001 has kl_grade 'two', no number"),
        ("kl_grade", list(range(30)), "30 values are too many"),
    ],
)
def test_what_makes_no_groups_is_refused(text: str, values: list[Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Grouping(text).check(cases(values))
