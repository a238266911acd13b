import numpy as np
import pytest

from monai_landmarks.errors import ConfigError
from monai_landmarks.measure import measure_points
from monai_landmarks.measure.library.build import angle, build, distance, line, total
from monai_landmarks.scheme import Landmark, Scheme
from monai_landmarks.sides import both_sides, limb_scheme, side_channels

LIMB = Scheme(
    name="knee",
    landmarks=(Landmark(name="tibia_0", colour="#112233"), Landmark(name="tibia_1"), Landmark(name="femur_0")),
    groups={"tibia": ("tibia_0", "tibia_1")},
    measurements=build(
        {"kind": "image_axis", "name": "level", "axis": "horizontal"},
        line("plateau", "tibia_0", "tibia_1"),
        angle("slope", "level", "plateau", form="acute", label="Slope of the plateau"),
        distance("width", "tibia_0", "tibia_1"),
        total("double", {"width": 2.0}),
    ),
)


def test_both_sides_has_right_then_left_as_pairs_with_groups_and_colours():
    both = both_sides(LIMB)
    assert both.names == tuple(f"{n}_{s}" for s in ("right", "left") for n in LIMB.names)
    assert both.mirror == (3, 4, 5, 0, 1, 2)
    assert both.landmarks[3].colour == "#112233"
    assert both.groups["tibia"] == ("tibia_0_right", "tibia_1_right", "tibia_0_left", "tibia_1_left")
    assert both.groups["left"] == both.names[3:]
    assert side_channels(both) == {"R": [0, 1, 2], "L": [3, 4, 5]}


def test_both_sides_keeps_a_group_called_left():
    limb = LIMB.model_copy(update={"groups": {"left": ("tibia_0",)}})
    assert both_sides(limb).groups["left"] == ("tibia_0_right", "tibia_0_left")


def test_every_measurement_is_there_for_each_side_and_gives_the_same_value():
    both = both_sides(LIMB)
    limb = np.array([[10.0, 10.0], [14.0, 30.0], [2.0, 20.0]])
    whole = np.concatenate((limb, limb + np.array([0.0, 100.0])))
    one = {m.name: m for m in measure_points(LIMB, limb, spacing=(0.5, 0.25))}
    for m in measure_points(both, whole, spacing=(0.5, 0.25)):
        name, _, word = m.name.rpartition("_")
        assert m.value == pytest.approx(one[name].value)
        assert m.label == f"{one[name].label}, {word}"


def test_a_missing_limb_takes_its_own_measurements_only():
    points = np.full((6, 2), np.nan)
    points[:3] = [[10.0, 10.0], [14.0, 30.0], [2.0, 20.0]]
    measured = measure_points(both_sides(LIMB), points, spacing=(0.5, 0.5))
    assert all((m.value is None) == m.name.endswith("_left") for m in measured)
    assert "tibia_0_left" in next(m.reason for m in measured if m.name == "width_left")


def test_the_limb_of_both_sides_is_the_limb():
    limb = limb_scheme(both_sides(LIMB))
    assert limb.names == LIMB.names
    assert limb.groups == LIMB.groups
    assert [m.name for m in limb.measurements] == [m.name for m in LIMB.measurements]
    labels = {m.name: getattr(m, "title", None) for m in LIMB.measurements}
    assert {m.name: getattr(m, "title", None) for m in limb.measurements} == labels


def test_channels_may_stand_in_any_order():
    names = ("b_left", "a_right", "b_right", "a_left")
    pairs = {"left": "right", "right": "left"}
    scheme = Scheme(
        name="any",
        landmarks=tuple(Landmark(name=n, pair=f"{n[:2]}{pairs[n[2:]]}") for n in names),
        groups={"one_right": ("b_right",), "one_left": ("b_left", "a_left")},
    )
    assert limb_scheme(scheme).names == ("b", "a")
    assert limb_scheme(scheme).groups == {"one": ("b", "a")}
    assert side_channels(scheme) == {"R": [2, 1], "L": [0, 3]}


def test_what_needs_both_sides_has_no_place_in_a_limb():
    both = both_sides(LIMB)
    more = build(distance("between", "tibia_0_left", "tibia_0_right"), total("twice", {"between": 2.0}))
    limb = limb_scheme(both.model_copy(update={"measurements": (*both.measurements, *more)}))
    assert {"between", "twice"}.isdisjoint(m.name for m in limb.measurements)
    assert len(limb.measurements) == len(LIMB.measurements)


def test_an_axis_of_the_image_that_both_sides_use_is_kept():
    both = both_sides(LIMB)
    shared = build(
        {"kind": "image_axis", "name": "upright", "axis": "vertical"},
        line("edge_right", "tibia_0_right", "femur_0_right"),
        angle("tilt_right", "upright", "edge_right"),
    )
    limb = limb_scheme(both.model_copy(update={"measurements": shared}))
    assert [m.name for m in limb.measurements] == ["upright", "edge", "tilt"]


def test_an_unpaired_scheme_is_its_own_limb():
    assert limb_scheme(LIMB) is LIMB


@pytest.mark.parametrize(
    ("landmarks", "named"),
    [
        ([("a_left", "a_right"), ("a_right", "a_left"), ("middle", None)], "middle"),
        ([("a_left", None), ("a_right", None)], "a_left"),
        ([("links", "rechts"), ("rechts", "links")], "rechts"),
    ],
)
def test_other_schemes_are_refused_by_name(landmarks, named):
    scheme = Scheme(name="odd", landmarks=tuple(Landmark(name=n, pair=p) for n, p in landmarks))
    with pytest.raises(ConfigError, match=named):
        limb_scheme(scheme)


def test_sides_are_given_once_and_needed():
    with pytest.raises(ConfigError, match="sides already"):
        both_sides(both_sides(LIMB))
    with pytest.raises(ConfigError, match="no sides"):
        side_channels(LIMB)
