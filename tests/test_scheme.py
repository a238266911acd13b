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
