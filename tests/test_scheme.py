import pytest
from pydantic import ValidationError

from monai_landmarks.scheme import Landmark, Scheme


def scheme(*landmarks, **fields):
    return Scheme(name="s", landmarks=[Landmark(**landmark) for landmark in landmarks], **fields)


def test_names_mirror_and_groups():
    s = scheme(
        {"name": "a_left", "pair": "a_right"},
        {"name": "middle"},
        {"name": "a_right", "pair": "a_left"},
        groups={"a": ("a_right", "a_left"), "none": ()},
    )
    assert s.names == ("a_left", "middle", "a_right")
    assert s.mirror == (2, 1, 0)
    assert s.group_indices() == {"a": [2, 0], "none": []}


def test_every_fault_is_named_at_once():
    with pytest.raises(ValidationError) as caught:
        scheme(
            {"name": "a", "pair": "a"},
            {"name": "b", "pair": "nowhere"},
            {"name": "c", "pair": "d"},
            {"name": "d", "pair": None},
            {"name": "e"},
            {"name": "e"},
            groups={"g": ("c", "zzz", "c")},
        )
    text = str(caught.value)
    for part in (
        "'a' names itself",
        "unknown pair 'nowhere'",
        "'c' names 'd' as its pair, which names None",
        "'e' is listed twice",
        "unknown landmark 'zzz'",
        "'g' lists 'c' twice",
    ):
        assert part in text


@pytest.mark.parametrize("landmark", [{"name": ""}, {"name": "a", "colour": "red"}, {"name": "a", "color": "#ff0000"}])
def test_landmarks_are_strict(landmark):
    with pytest.raises(ValidationError):
        scheme(landmark)


def test_a_scheme_needs_a_landmark():
    with pytest.raises(ValidationError, match="landmarks"):
        scheme()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("=HYPERLINK(\"http://x\")", "begins with '='"), ("+1", r"begins with '\+'"), ("-1", "begins with '-'"),
        ("@SUM(A1)", "begins with '@'"), (" =1", "begins with '='"), ("\t=1", "begins with '='"),
        ("\uff1d1", "begins with '\uff1d', which a spreadsheet takes for a formula; choose another"),
        ("a\n=1", "holds a line break or a control character; leave that out"), ("a\rb", "holds a line break"),
        ("a\x1b[2A", "holds a line break"), ("a\u2028b", "holds a line break"), ("a\u202eb", "holds a line break"),
        ("", "a name is empty; give one"), (" ", "a name is empty"),
    ],
)  # fmt: skip
def test_no_name_is_a_formula_or_more_than_a_line(name, reason):
    """Names from a stranger's file are cells of the tables that people open."""
    good = {"name": "s", "landmarks": [{"name": "a"}, {"name": "b"}]}
    length = {"kind": "distance", "name": "length", "between": ["a", "b"]}
    wrong = {
        "landmarks.0.name": {"landmarks": [{"name": name}]},
        "groups": {"groups": {name: ["a"]}},
        "measurements.0.distance.name": {"measurements": [length | {"name": name}]},
        "measurements.0.distance.label": {"measurements": [length | {"label": name}]},
        "name": {"name": name},
    }
    for field, change in wrong.items():
        with pytest.raises(ValidationError, match=reason) as caught:
            Scheme.model_validate(good | change)
        assert field in ".".join(map(str, caught.value.errors()[0]["loc"]))


@pytest.mark.parametrize("name", ["A", "A-B", "H\u00fcftkopf rechts", "L5/S1", "1", "ANB (deg)", "\u53f3"])
def test_other_names_are_free(name):
    assert scheme({"name": name}).names == (name,)
