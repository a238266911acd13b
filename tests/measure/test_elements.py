"""What a section `measurements` may hold, and what is said of one that cannot be meant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.errors import DatasetError
from monai_landmarks.scheme import Landmark, Scheme

NAMES = ("a", "b", "c", "d", "e")
LINE = {"kind": "line", "name": "ab", "through": ["a", "b"]}
LENGTH = {"kind": "distance", "name": "length", "between": ["a", "b"]}
TURN = {"kind": "vertex_angle", "name": "turn", "points": ["a", "b", "c"]}


def scheme(*elements: dict[str, Any]) -> Scheme:
    return Scheme.model_validate(
        {"name": "s", "landmarks": [{"name": name} for name in NAMES], "measurements": list(elements)}
    )


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ([{**LINE, "through": ["a", "zz"]}], "'ab' names the unknown 'zz', neither a landmark nor an element"),
        ([{**LENGTH, "name": "a"}], "'a' is a landmark's name; choose another"),
        ([LENGTH, LENGTH], "'length' is defined twice"),
        ([LINE, {**LENGTH, "between": ["a", "ab"]}], "'length' needs a point, but 'ab' is a line"),
        ([{"kind": "point_line", "name": "x", "point": "c", "line": "a"}], "'x' needs a line, but 'a' is a point"),
        ([LENGTH, TURN, {"kind": "ratio", "name": "r", "of": ["length", "turn"]}], "mixes angle and distance"),
        ([LENGTH, TURN, {"kind": "sum", "name": "r", "terms": {"length": 1, "turn": 1}}], "mixes angle and distance"),
        ([{"kind": "sum", "name": "r", "terms": {"a": 1}}], "'r' needs a distance or a angle or a ratio, but 'a' is"),
        (
            [
                {"kind": "midpoint", "name": "p", "between": ["a", "q"]},
                {"kind": "midpoint", "name": "q", "between": ["p", "b"]},
            ],
            "a circle, each is made from the next: 'p' -> 'q' -> 'p'",
        ),
        ([{"kind": "midpoint", "name": "p", "between": ["a", "p"]}], "'p' -> 'p'"),
        ([{"kind": "circle", "name": "o", "rim": ["a", "b"]}], "three points of its rim"),
        ([{"kind": "ellipse", "name": "o", "rim": ["a", "b", "c", "d"]}], "five rim points"),
        ([{**LENGTH, "normal": [5, 5]}], "normal range"),
        ([LINE, {"kind": "angle", "name": "x", "lines": ["ab", "ab"], "towards": "c"}], "must be 'signed'"),
        ([{**LENGTH, "kind": "length"}], "does not match any of the expected tags"),
        ([{**LENGTH, "colour": "red"}], "Extra inputs"),
        ([{"kind": "distance", "name": "length"}], "Field required"),
        ([{"name": "length"}], "discriminator"),
    ],
)
def test_what_cannot_be_meant_is_named(elements: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        scheme(*elements)
    assert message in str(caught.value)


def test_every_fault_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        scheme({**LENGTH, "between": ["x", "y"]}, LENGTH, {**TURN, "name": "c"})
    assert all(part in str(caught.value) for part in ("'x'", "'y'", "defined twice", "landmark's name"))


def test_elements_may_stand_in_any_order() -> None:
    found = scheme({"kind": "point_line", "name": "apart", "point": "c", "line": "ab"}, LINE)
    assert [element.name for element in found.measurements] == ["apart", "ab"]


def test_a_data_set_file_keeps_its_measurements_and_an_old_one_its_digest(tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    old = {
        "format": "monai_landmarks.dataset", "version": 1, "coordinates": "xy_pixel_centre",
        "scheme": {"name": "s", "landmarks": [{"name": n} for n in NAMES], "groups": {}, "measurements": []},
        "cases": [{"id": "1", "image": "a.png"}],
    }  # fmt: skip
    path = tmp_path / "dataset.json"
    path.write_text(json.dumps(old))
    before = load_dataset(path)
    assert before.scheme.measurements == ()
    assert before.digest() == "c2a5bbf12f0b65d5"
    old["scheme"]["measurements"] = [LINE, LENGTH]  # type: ignore[index]
    path.write_text(json.dumps(old))
    found = load_dataset(path)
    assert found.scheme == scheme(LINE, LENGTH)
    found.save(path)
    assert load_dataset(path).scheme == found.scheme
    old["scheme"]["measurements"] = [{**LENGTH, "between": ["a"]}]  # type: ignore[index]
    path.write_text(json.dumps(old))
    with pytest.raises(DatasetError, match=r"scheme\.measurements\.0\.distance\.between"):
        load_dataset(path)


def test_a_measurement_is_called_by_its_label_or_name() -> None:
    elements = scheme({**LENGTH, "name": "leg_length"}, {**TURN, "label": "ANB"}).measurements
    assert [element.title for element in elements] == ["Leg length", "ANB"]  # type: ignore[union-attr]


def test_landmark_and_scheme_are_still_made_without_measurements() -> None:
    assert Scheme(name="s", landmarks=(Landmark(name="a"),)).measurements == ()
