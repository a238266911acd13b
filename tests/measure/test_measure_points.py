"""Values, units, planes, reasons and uncertainties of hand-made points."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset, load_dataset
from monai_landmarks.measure import coordinate_errors, measure_batch, measure_points
from monai_landmarks.measure.annotated import measure_annotated
from monai_landmarks.measure.evaluate import difference
from monai_landmarks.scheme import Scheme

NAN = float("nan")


def measure(elements: list[dict[str, Any]], points: dict[str, tuple[float, float]], **more: Any) -> dict[str, Any]:
    """Measured by name; points are (row, column)."""
    scheme = Scheme.model_validate(
        {"name": "s", "landmarks": [{"name": name} for name in points], "measurements": elements}
    )
    array = np.array(list(points.values()), dtype=float)
    return {m.name: m for m in measure_points(scheme, array, **{"spacing": (1.0, 1.0), **more})}


def lines(first: tuple[str, str], second: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"kind": "line", "name": "one", "through": first},
        {"kind": "line", "name": "two", "through": second},
    ]


def test_distances_by_hand() -> None:
    points = {"a": (0.0, 0.0), "b": (0.0, 10.0), "c": (-3.0, 4.0), "d": (6.0, 2.0)}
    found = measure(
        [
            *lines(("a", "b"), ("b", "a")),
            {"kind": "distance", "name": "length", "between": ["a", "c"]},
            {"kind": "distance", "name": "ahead", "between": ["a", "c"], "sign_along": "one"},
            {"kind": "distance", "name": "behind", "between": ["a", "c"], "sign_along": "two"},
            {"kind": "point_line", "name": "apart", "point": "c", "line": "one"},
            {"kind": "point_line", "name": "same_side", "point": "c", "line": "one", "towards": "c"},
            {"kind": "point_line", "name": "other_side", "point": "c", "line": "one", "towards": "d"},
            {"kind": "along", "name": "along", "between": ["a", "d"], "line": "one"},
            {"kind": "along", "name": "against", "between": ["a", "d"], "line": "two"},
            {"kind": "along", "name": "either", "between": ["a", "d"], "line": "two", "absolute": True},
        ],
        points,
    )
    values = {name: m.value for name, m in found.items()}
    assert values == pytest.approx(
        {
            "length": 5.0, "ahead": 5.0, "behind": -5.0, "apart": 3.0, "same_side": 3.0, "other_side": -3.0,
            "along": 2.0, "against": -2.0, "either": 2.0,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    ("second", "signed", "absolute", "acute"),
    [((-1.0, 1.0), 45.0, 45.0, 45.0), ((1.0, 1.0), -45.0, 45.0, 45.0), ((-1.0, -1.0), 135.0, 135.0, 45.0),
     ((0.0, -1.0), 180.0, 180.0, 0.0)],
)  # fmt: skip
def test_forms_of_an_angle(second: tuple[float, float], signed: float, absolute: float, acute: float) -> None:
    points = {"o": (0.0, 0.0), "x": (0.0, 1.0), "p": second}
    forms = [{"kind": "angle", "name": f, "lines": ["one", "two"], "form": f} for f in ("signed", "absolute", "acute")]
    found = measure([*lines(("o", "x"), ("o", "p")), *forms], points)
    assert found["signed"].value == pytest.approx(signed)
    assert (found["absolute"].value, found["acute"].value) == (pytest.approx(absolute), pytest.approx(acute))


def test_a_mirrored_angle_reads_alike() -> None:
    elements = [
        *lines(("o", "x"), ("o", "p")),
        {"kind": "angle", "name": "angle", "lines": ["one", "two"], "form": "signed", "towards": "q"},
        {"kind": "angle", "name": "screen", "lines": ["one", "two"], "form": "signed"},
    ]
    points = {"o": (3.0, 2.0), "x": (4.0, 9.0), "p": (-1.0, 5.0), "q": (-8.0, 4.0)}
    mirrored = {name: (row, -column) for name, (row, column) in points.items()}
    one, other = measure(elements, points), measure(elements, mirrored)
    assert one["angle"].value == pytest.approx(other["angle"].value)
    assert one["angle"].value > 0
    assert one["screen"].value == pytest.approx(-other["screen"].value)


def test_constructions_by_hand() -> None:
    points = {"a": (0.0, 0.0), "b": (0.0, 8.0), "c": (6.0, 0.0), "d": (6.0, 8.0), "e": (-2.0, 3.0)}
    found = measure(
        [
            *lines(("a", "d"), ("b", "c")),
            {"kind": "line", "name": "top", "through": ["a", "b"]},
            {"kind": "intersection", "name": "cross", "lines": ["one", "two"]},
            {"kind": "midpoint", "name": "middle", "between": ["a", "d"]},
            {"kind": "centroid", "name": "centroid", "of": ["a", "b", "c", "d"]},
            {"kind": "foot", "name": "foot", "point": "e", "line": "top"},
            {"kind": "perpendicular", "name": "up", "to": "top", "through": "e"},
            {"kind": "image_axis", "name": "vertical", "axis": "vertical"},
            {"kind": "circle", "name": "circle", "rim": ["a", "b", "c"]},
            {"kind": "circle", "name": "about", "rim": ["b", "c"], "centre": "a"},
            {"kind": "centre", "name": "centre", "of": "circle"},
            {"kind": "distance", "name": "none", "between": ["cross", "middle"]},
            {"kind": "distance", "name": "none_too", "between": ["cross", "centroid"]},
            {"kind": "distance", "name": "neither", "between": ["cross", "centre"]},
            {"kind": "distance", "name": "three", "between": ["a", "foot"]},
            {"kind": "diameter", "name": "ten", "of": "circle"},
            {"kind": "diameter", "name": "fourteen", "of": "about"},
            {"kind": "angle", "name": "straight", "lines": ["up", "vertical"]},
            {"kind": "ratio", "name": "share", "of": ["three", "ten"]},
            {"kind": "sum", "name": "less", "terms": {"three": 2.0, "ten": -1.0}, "constant": 1.0},
            {"kind": "sum", "name": "size", "terms": {"three": 2.0, "ten": -1.0}, "absolute": True},
        ],
        points,
    )
    values = {name: m.value for name, m in found.items()}
    zero = {"none": 0.0, "none_too": 0.0, "neither": 0.0, "straight": 0.0}
    wanted = {**zero, "three": 3.0, "ten": 10.0, "fourteen": 14.0, "share": 0.3, "less": -3.0, "size": 4.0}
    assert values == pytest.approx(wanted, abs=1e-9)
    assert (found["share"].kind, found["share"].unit) == ("ratio", "1")
    assert found["less"].kind == "distance"


@pytest.mark.parametrize("turn", [0.0, 0.3, 1.2, 2.5])
@pytest.mark.parametrize("short", [3.0, 9.9])
def test_ellipses_of_both_kinds(turn: float, short: float) -> None:
    phase = np.array([0.2, 0.9, 2.0, 3.3, 4.4, 5.9])
    x, y = 10 * np.cos(phase), short * np.sin(phase)
    middle = np.array([50.0, 70.0])
    rim = middle + np.stack([np.sin(turn) * x + np.cos(turn) * y, np.cos(turn) * x - np.sin(turn) * y], axis=1)
    half = 10 * np.array([np.sin(turn), np.cos(turn)])
    points = {f"r{k}": tuple(point) for k, point in enumerate(rim)}
    points |= {"p": tuple(middle + half), "q": tuple(middle - half)}
    found = measure(
        [
            {"kind": "ellipse", "name": "fitted", "rim": [f"r{k}" for k in range(6)]},
            {"kind": "ellipse", "name": "given", "rim": ["r1", "r2"], "long_axis": ["p", "q"]},
            {"kind": "long_axis", "name": "axis", "of": "fitted"},
            {"kind": "line", "name": "pq", "through": ["p", "q"]},
            {"kind": "centre", "name": "centre", "of": "fitted"},
            {"kind": "ellipse_tilt", "name": "tilt", "of": "fitted"},
            {"kind": "ellipse_tilt", "name": "tilt_too", "of": "given"},
            {"kind": "angle", "name": "off", "lines": ["axis", "pq"], "form": "acute"},
            {"kind": "distance", "name": "half", "between": ["centre", "p"]},
        ],
        points,
    )
    tilt = math.degrees(math.asin(short / 10))
    assert (found["tilt"].value, found["tilt_too"].value) == (pytest.approx(tilt), pytest.approx(tilt))
    assert found["off"].value == pytest.approx(0.0, abs=1e-4)
    assert found["half"].value == pytest.approx(10.0)


ANGLE = {"kind": "vertex_angle", "name": "angle", "points": ["a", "o", "b"]}
LENGTH = {"kind": "distance", "name": "length", "between": ["a", "b"], "normal": [1.0, 9.0]}
CORNER = {"o": (0.0, 0.0), "a": (10.0, 0.0), "b": (0.0, 10.0), "c": (7.0, 7.0)}
HALF = {"kind": "vertex_angle", "name": "half", "points": ["c", "o", "b"]}


def test_anisotropic_pixels_are_measured_in_millimetres() -> None:
    found = measure([ANGLE, LENGTH, HALF], CORNER, spacing=(0.2, 0.1), plane="calibrated")
    assert found["length"].value == pytest.approx(math.hypot(2.0, 1.0))
    assert found["half"].value == pytest.approx(math.degrees(math.atan2(1.4, 0.7)))
    # The angle owes its value to the spacing too.
    assert found["length"].plane == found["half"].plane == "calibrated"
    assert (found["length"].unit, found["length"].normal, found["length"].within_normal) == ("mm", (1.0, 9.0), True)


def test_without_spacing_lengths_are_pixels_and_angles_those_of_square_pixels() -> None:
    found = measure([ANGLE, LENGTH, HALF], CORNER, spacing=None, plane="unknown", errors_mm=dict.fromkeys(CORNER, 1.0))
    assert (found["length"].unit, found["length"].plane) == ("px", "")
    assert found["length"].value == pytest.approx(math.sqrt(200))
    assert (found["length"].normal, found["length"].within_normal, found["length"].uncertainty) == (None, None, None)
    assert (found["half"].value, found["half"].unit, found["half"].plane) == (pytest.approx(45.0), "deg", "")


def test_square_pixels_leave_angles_free_of_the_plane() -> None:
    found = measure([ANGLE, LENGTH], CORNER, spacing=(0.3, 0.3), plane="detector_plane")
    assert (found["angle"].plane, found["length"].plane) == ("", "detector_plane")


def test_missing_landmarks_are_named() -> None:
    elements = [
        ANGLE,
        LENGTH,
        HALF,
        {"kind": "sum", "name": "sum", "terms": {"angle": 1, "half": 1}},
    ]
    found = measure(elements, {**CORNER, "a": (NAN, NAN), "c": (NAN, NAN)}, errors_mm=dict.fromkeys(CORNER, 1.0))
    assert found["length"].value is None
    assert found["length"].uncertainty is None
    assert found["length"].reason == "a is absent"
    assert found["length"].within_normal is None
    assert found["sum"].reason == "a, c are absent"
    assert found["sum"].landmarks == ("o", "a", "b", "c")


def test_what_nobody_labelled_is_not_called_absent() -> None:
    elements = [ANGLE, LENGTH, HALF, {"kind": "sum", "name": "sum", "terms": {"angle": 1, "half": 1}}]
    points = {**CORNER, "a": (NAN, NAN), "c": (NAN, NAN)}
    found = measure(elements, points, unlabelled=["a"])
    assert found["length"].reason == "a is unlabelled"
    assert found["sum"].reason == "c is absent; a is unlabelled"


def test_the_measurements_of_a_data_set_tell_absent_from_unlabelled(tmp_path: Path) -> None:
    scheme = Scheme.model_validate(
        {
            "name": "s",
            "landmarks": [{"name": name} for name in "abc"],
            "measurements": [
                {"kind": "distance", "name": "ab", "between": ["a", "b"]},
                {"kind": "distance", "name": "ac", "between": ["a", "c"]},
            ],
        }
    )
    annotation = Annotation(reader="one", points={"a": (1.0, 2.0)}, absent=["b"])
    case = Case(id="1", image="1.png", spacing_mm=(1.0, 1.0), annotations=[annotation])
    Image.new("L", (4, 4)).save(tmp_path / "1.png")
    LandmarkDataset(scheme=scheme, cases=[case]).save(tmp_path / "dataset.json")
    (values,), _ = measure_annotated(load_dataset(tmp_path / "dataset.json"))
    assert [m.reason for m in values.measured] == ["b is absent", "c is unlabelled"]


def test_points_without_an_answer_say_so() -> None:
    points = {"a": (0.0, 0.0), "b": (0.0, 5.0), "c": (2.0, 0.0), "d": (2.0, 5.0), "e": (0.0, 0.0)}
    found = measure(
        [
            *lines(("a", "b"), ("c", "d")),
            {"kind": "line", "name": "no_line", "through": ["a", "e"]},
            {"kind": "intersection", "name": "nowhere", "lines": ["one", "two"]},
            {"kind": "distance", "name": "far", "between": ["a", "nowhere"]},
            {"kind": "point_line", "name": "off", "point": "c", "line": "no_line"},
            {"kind": "circle", "name": "straight", "rim": ["a", "b", "e"]},
            {"kind": "diameter", "name": "wide", "of": "straight"},
            {"kind": "distance", "name": "zero", "between": ["a", "e"]},
            {"kind": "distance", "name": "five", "between": ["a", "b"]},
            {"kind": "ratio", "name": "share", "of": ["five", "zero"]},
        ],
        points,
    )
    for name in ("far", "off", "wide", "share"):
        assert found[name].value is None
        assert "give no answer" in found[name].reason
    assert found["zero"].value == 0.0


def test_uncertainty_by_hand() -> None:
    elements = [
        LENGTH,
        {"kind": "line", "name": "ob", "through": ["o", "b"]},
        {"kind": "point_line", "name": "height", "point": "a", "line": "ob"},
        {"kind": "sum", "name": "twice", "terms": {"length": 2.0}},
        ANGLE,
    ]
    found = measure(elements, CORNER, spacing=(0.5, 0.5), errors_mm={"a": 0.3, "b": 0.4, "o": 0.2})
    assert found["length"].uncertainty == pytest.approx(0.5, rel=1e-6)
    assert found["twice"].uncertainty == pytest.approx(1.0, rel=1e-6)
    # a lies over o: b has no say.
    assert found["height"].uncertainty == pytest.approx(math.hypot(0.3, 0.2), rel=1e-6)
    # At o, each arm is 5 mm long; moving o turns both.
    angle = math.degrees(math.sqrt((0.3 / 5) ** 2 + (0.4 / 5) ** 2 + 2 * (0.2 / 5) ** 2))
    assert found["angle"].uncertainty == pytest.approx(angle, rel=1e-5)
    assert measure(elements, CORNER, errors_mm={"a": 0.3})["length"].uncertainty is None


def test_uncertainty_agrees_with_drawing_errors() -> None:
    rng = np.random.default_rng(0)
    points = {"a": (0.0, 0.0), "b": (40.0, 30.0), "c": (90.0, -20.0), "d": (20.0, 100.0)}
    elements = [
        *lines(("a", "b"), ("c", "d")),
        {"kind": "angle", "name": "angle", "lines": ["one", "two"]},
        {"kind": "point_line", "name": "apart", "point": "d", "line": "one"},
        {"kind": "intersection", "name": "meet", "lines": ["one", "two"]},
        {"kind": "distance", "name": "length", "between": ["a", "meet"]},
    ]
    errors = {"a": 0.3, "b": 0.2, "c": 0.5, "d": 0.1}
    found = measure(elements, points, errors_mm=errors)
    sigma = np.array([errors[name] for name in points])[None, :, None]
    drawn = np.array(list(points.values())) + sigma * rng.normal(size=(20000, 4, 2))
    scheme = Scheme.model_validate({"name": "s", "landmarks": [{"name": n} for n in points], "measurements": elements})
    spread = measure_batch(scheme, drawn, np.ones((20000, 2))).std(axis=0)
    assert [found[n].uncertainty for n in ("angle", "apart", "length")] == pytest.approx(spread, rel=0.03)


def test_a_batch_is_what_its_images_are() -> None:
    scheme = Scheme.model_validate(
        {"name": "s", "landmarks": [{"name": n} for n in CORNER], "measurements": [ANGLE, LENGTH, HALF]}
    )
    rng = np.random.default_rng(1)
    points, spacing = rng.uniform(0, 100, (5, 4, 2)), rng.uniform(0.1, 0.5, (5, 2))
    points[2, 1] = NAN
    batch = measure_batch(scheme, points, spacing)
    for i in range(5):
        single = measure_points(scheme, points[i], spacing=(float(spacing[i, 0]), float(spacing[i, 1])))
        assert [NAN if m.value is None else m.value for m in single] == pytest.approx(list(batch[i]), nan_ok=True)
    axis = {"kind": "image_axis", "name": "h", "axis": "horizontal"}
    constant = [axis, {"kind": "angle", "name": "zero", "lines": ["h", "h"]}]
    scheme = Scheme.model_validate({"name": "s", "landmarks": [{"name": "a"}], "measurements": constant})
    assert measure_batch(scheme, points[:, :1], spacing).shape == (5, 1)


def test_wrong_shape_is_refused() -> None:
    scheme = Scheme.model_validate({"name": "s", "landmarks": [{"name": "a"}]})
    with pytest.raises(ValueError, match=r"\(2, 2\), expected \(1, 2\)"):
        measure_points(scheme, np.zeros((2, 2)), spacing=None)


def test_angles_differ_the_shorter_way_round() -> None:
    assert difference("angle", np.array(179.0), np.array(-179.0)) == pytest.approx(2.0)
    assert difference("distance", np.array(179.0), np.array(-179.0)) == pytest.approx(-358.0)


def test_errors_from_an_evaluation() -> None:
    metrics = {"landmarks": {"a": {"mm": {"rmse": 2.0}}, "b": {"mm": {"rmse": None}}, "c": {"mm": None}}}
    assert coordinate_errors(metrics) == pytest.approx({"a": math.sqrt(2.0)})
