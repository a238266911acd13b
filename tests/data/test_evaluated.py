"""The part of a data set an evaluation is of."""

import pytest

from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset
from monai_landmarks.data.evaluated import evaluated_part
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


def test_some_landmarks_in_the_evaluations_order():
    dataset = LandmarkDataset(scheme=both_sides(LIMB), cases=[])
    assert evaluated_part(dataset, dataset.names) is dataset
    scheme = evaluated_part(dataset, ("tibia_left", "tibia_right")).scheme
    assert scheme.names == ("tibia_left", "tibia_right")
    assert scheme.mirror == (1, 0)
    assert scheme.groups == {"bones": ("tibia_right", "tibia_left"), "right": ("tibia_right",), "left": ("tibia_left",)}
    assert scheme.measurements == ()
    one = evaluated_part(dataset, ("femur_left", "tibia_left")).scheme
    assert [element.name for element in one.measurements] == ["gap_left"]
    assert one.mirror == (0, 1)
    with pytest.raises(ConfigError, match="patella_left, which the data set does not have"):
        evaluated_part(dataset, ("patella_left",))


def test_both_sides_of_a_limb():
    annotation = Annotation(reader="a", points={"tibia": (3.0, 4.0)})
    dataset = LandmarkDataset(scheme=LIMB, cases=[Case(id="c", image="c.png", side="L", annotations=[annotation])])
    part = evaluated_part(dataset, both_sides(LIMB).names)
    assert part.scheme == both_sides(LIMB)
    points, _ = part.cases[0].points(part.scheme)
    assert points[part.names.index("tibia_left")].tolist() == [4.0, 3.0]
