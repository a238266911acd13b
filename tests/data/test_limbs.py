import numpy as np
import pytest

from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset, State
from monai_landmarks.data.limbs import limb_items, of_both_sides, only_landmarks, radiograph_items
from monai_landmarks.errors import ConfigError
from monai_landmarks.measure.library.build import build, distance
from monai_landmarks.scheme import Landmark, Scheme
from monai_landmarks.sides import both_sides

LIMB = Scheme(
    name="knee",
    landmarks=(Landmark(name="tibia"), Landmark(name="femur")),
    groups={"bones": ("tibia", "femur"), "upper": ("femur",)},
    measurements=build(distance("gap", "tibia", "femur")),
)
RIGHT = {"tibia_right": (10.0, 50.0), "femur_right": (12.0, 30.0)}
LEFT = {"tibia_left": (90.0, 51.0), "femur_left": (88.0, 31.0)}


def case(number, points, side="both", absent=(), split="training"):
    return Case(
        id=f"c{number}",
        image=f"{number}.png",
        split=split,
        side=side,
        spacing_mm=(0.2, 0.2),
        annotations=[Annotation(reader="a", points=points, absent=list(absent))],
    )


def paired(*cases):
    # Left first: the order of both_sides must not be taken for granted.
    scheme = both_sides(LIMB)
    scheme = scheme.model_copy(update={"landmarks": scheme.landmarks[::-1]})
    return LandmarkDataset(scheme=Scheme.model_validate(scheme.model_dump()), cases=list(cases))


def unpaired(*cases):
    return LandmarkDataset(scheme=LIMB, cases=list(cases))


def test_a_bilateral_radiograph_gives_two_items_in_limb_channels():
    # The file's scheme names the femur first.
    items = limb_items(paired(case(0, RIGHT | LEFT)), "training", "mean")
    assert [(item["side"], item["alone"], int(item["index"])) for item in items] == [("R", False, 0), ("L", False, 1)]
    np.testing.assert_array_equal(items[0]["points"], [[[30, 12], [50, 10]]])
    np.testing.assert_array_equal(items[1]["points"], [[[31, 88], [51, 90]]])
    assert all(item["case_id"] == "c0" and item["spacing_mm"] == (0.2, 0.2) for item in items)


def test_a_missing_limb_is_an_item_without_points_unless_its_centre_is_asked_for():
    dataset = paired(case(0, RIGHT, absent=LEFT))
    right, left = limb_items(dataset, "training", "mean")
    assert left["side"] == "L"
    assert np.isnan(left["points"]).all()
    assert left["state"].tolist() == [State.ABSENT] * 2
    assert right["state"].tolist() == [State.PRESENT] * 2
    assert [item["side"] for item in limb_items(dataset, "training", "mean", centre="tibia")] == ["R"]


def test_a_one_sided_radiograph_gives_one_item_alone():
    dataset = paired(case(0, LEFT, side="L", absent=RIGHT))
    (item,) = limb_items(dataset, "training", "mean")
    assert item["side"] == "L"
    assert item["alone"]


def test_unpaired_landmarks_take_the_side_of_their_case():
    points = {"tibia": (10.0, 50.0), "femur": (12.0, 30.0)}
    dataset = unpaired(case(0, points, "R"), case(1, points, "L"))
    items = limb_items(dataset, "training", "mean")
    assert [(item["side"], item["alone"]) for item in items] == [("R", True), ("L", True)]
    np.testing.assert_array_equal(items[1]["points"], [[[50, 10], [30, 12]]])
    whole = radiograph_items(dataset, "training", "mean")
    assert [item["side"] for item in whole] == ["R", "L"]
    assert whole[1]["state"].tolist() == [State.UNLABELLED] * 2 + [State.PRESENT] * 2
    assert of_both_sides(dataset).names == both_sides(LIMB).names


@pytest.mark.parametrize("side", [None, "both"])
def test_an_unpaired_case_without_a_side_is_named_with_its_field(side):
    with pytest.raises(ConfigError, match=r"case c1: its field `side` .*give L or R"):
        limb_items(unpaired(case(0, {}, "L"), case(1, {}, side)), "training", "mean")


def test_a_paired_case_without_a_side_shows_both_where_both_have_points():
    assert len(limb_items(paired(case(0, RIGHT | LEFT, side=None)), "training", "mean")) == 2
    with pytest.raises(ConfigError, match=r"case c0: .*`side` as L, R or both"):
        limb_items(paired(case(0, RIGHT, side=None, absent=LEFT)), "training", "mean")


def test_a_point_on_the_side_that_is_not_shown_is_no_silent_loss():
    with pytest.raises(
        ConfigError, match="case c0: its field `side` is R, but it has left landmarks, which would be lost"
    ):
        limb_items(paired(case(0, RIGHT | LEFT, side="R")), "training", "mean")


def test_readers_and_splits_are_as_elsewhere():
    dataset = paired(case(0, RIGHT | LEFT), case(1, LEFT | RIGHT, split="test"))
    assert {item["case_id"] for item in limb_items(dataset, ["training", "test"], "a")} == {"c0", "c1"}
    for wrong in ({"split": "validation", "reader": "mean"}, {"split": "test", "reader": "b"}):
        with pytest.raises(ConfigError):
            limb_items(dataset, **wrong)
    with pytest.raises(ConfigError, match="no patella; its landmarks are femur, tibia"):
        limb_items(dataset, "test", "mean", centre="patella")
    with pytest.raises(ConfigError, match="tibia"):
        limb_items(paired(case(0, {}, absent=LEFT | RIGHT)), "training", "mean", centre="tibia")


def test_only_landmarks_keeps_both_sides_and_what_they_need():
    dataset = paired(case(0, RIGHT | LEFT, absent=()), case(1, LEFT, absent=RIGHT))
    reduced = only_landmarks(dataset, "femur")
    assert reduced.names == ("femur_left", "femur_right")
    assert reduced.scheme.groups["upper"] == ("femur_right", "femur_left")
    assert not reduced.scheme.measurements
    assert set(reduced.cases[0].annotations[0].points) == set(reduced.names)
    assert reduced.cases[1].annotations[0].absent == ["femur_right"]
    assert reduced.digest() != dataset.digest()
    assert LandmarkDataset.model_validate(reduced.model_dump()).names == reduced.names


def test_a_data_set_of_nothing_else_passes_through():
    dataset = only_landmarks(paired(case(0, RIGHT | LEFT)), "tibia")
    assert only_landmarks(dataset, "tibia") is dataset
    assert only_landmarks(unpaired(case(0, {}, "L")), "tibia", "femur").scheme is LIMB


def test_unknown_landmarks_are_refused():
    with pytest.raises(ConfigError, match="no patella"):
        only_landmarks(paired(), "tibia", "patella")
    with pytest.raises(ConfigError):
        only_landmarks(paired())
