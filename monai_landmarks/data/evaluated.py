"""The part of a data set an evaluation is of: a network may find some of its landmarks, or both sides of a limb."""

from __future__ import annotations

from collections.abc import Sequence

from monai_landmarks.data.dataset import LandmarkDataset
from monai_landmarks.data.limbs import of_both_sides
from monai_landmarks.element_order import needed_landmarks
from monai_landmarks.errors import ConfigError
from monai_landmarks.scheme import Scheme
from monai_landmarks.sides import without_side


def evaluated_part(dataset: LandmarkDataset, names: Sequence[str]) -> LandmarkDataset:
    """The data set in the scheme of the landmarks that were evaluated, in their order.

    These are all of its landmarks, some (a network of joint centres), or both sides of a limb whose cases say their
    side. Groups and measurements keep what is left of them.

    Raises:
        ConfigError: they are not of this data set.
    """
    if tuple(names) == dataset.names:
        return dataset
    sided = not set(names) <= set(dataset.names) and {without_side(name) for name in names} <= set(dataset.names)
    whole = of_both_sides(dataset) if sided else dataset
    if unknown := [name for name in names if name not in whole.names]:
        raise ConfigError(f"the evaluation is of {', '.join(unknown)}, which the data set does not have")
    return whole.model_copy(update={"scheme": _reduced(whole.scheme, names)})


def _reduced(scheme: Scheme, names: Sequence[str]) -> Scheme:
    known = {landmark.name: landmark for landmark in scheme.landmarks}
    pairs = {name: known[name].pair if known[name].pair in names else None for name in names}
    groups = {group: tuple(name for name in members if name in names) for group, members in scheme.groups.items()}
    needed = needed_landmarks(scheme.measurements, scheme.names)
    return Scheme(
        name=scheme.name,
        landmarks=tuple(known[name].model_copy(update={"pair": pair}) for name, pair in pairs.items()),
        groups={group: members for group, members in groups.items() if members},
        measurements=tuple(element for element in scheme.measurements if set(needed[element.name]) <= set(names)),
    )
