"""One limb, or both: schemes whose landmarks come in left/right pairs, and the scheme of one side alone.

A limb scheme has the names without `_right` and `_left`; a network that looks at one limb at a time has its channels.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, TypeVar

from monai_landmarks.elements import Element
from monai_landmarks.errors import ConfigError
from monai_landmarks.measurements import Measurement
from monai_landmarks.scheme import Landmark, Scheme

LimbSide = Literal["R", "L"]
# The right side comes first, as it stands first in an image as displayed.
WORDS: Mapping[LimbSide, str] = {"R": "right", "L": "left"}
OTHER: Mapping[LimbSide, LimbSide] = {"R": "L", "L": "R"}
ElementT = TypeVar("ElementT", bound=Element)


def sided(name: str, side: LimbSide) -> str:
    """A limb's name on one side: tibia_4 -> tibia_4_right."""
    return f"{name}_{WORDS[side]}"


def side_of(name: str) -> LimbSide | None:
    """The side a name ends in; None where it ends in neither."""
    return next((side for side, word in WORDS.items() if name.endswith(f"_{word}")), None)


def without_side(name: str) -> str:
    """tibia_4_right -> tibia_4; other names stay."""
    side = side_of(name)
    return name if side is None else name.removesuffix(f"_{WORDS[side]}")


def is_paired(scheme: Scheme) -> bool:
    """Whether every landmark is X_left or X_right and names the other as its pair; False where none does.

    Raises:
        ConfigError: some do and some do not, or they are paired by other names.
    """
    odd = [landmark.name for landmark in scheme.landmarks if not _in_pair(landmark)]
    if not odd:
        return True
    if all(landmark.pair is None and side_of(landmark.name) is None for landmark in scheme.landmarks):
        return False
    raise ConfigError(
        f"scheme {scheme.name}: limbs need landmarks in pairs X_left and X_right, or none with a side; put right: "
        f"{', '.join(odd)}"
    )


def _in_pair(landmark: Landmark) -> bool:
    side = side_of(landmark.name)
    return side is not None and landmark.pair == sided(without_side(landmark.name), OTHER[side])


def limb_scheme(scheme: Scheme) -> Scheme:
    """The landmarks of one side, in order of first appearance; an unpaired scheme is returned as it is.

    Groups `left` and `right` go. Elements (`measurements`) of one side lose its name; where the sides define one of a
    name differently the first holds. Those that need both sides have no place in a limb, and go.

    Raises:
        ConfigError: as `is_paired`.
    """
    if not is_paired(scheme):
        return scheme
    landmarks: dict[str, Landmark] = {}
    for landmark in scheme.landmarks:
        name = without_side(landmark.name)
        landmarks.setdefault(name, landmark.model_copy(update={"name": name, "pair": None}))
    groups: dict[str, dict[str, None]] = {}
    for group, members in scheme.groups.items():
        if group not in WORDS.values():
            groups.setdefault(without_side(group), {}).update(dict.fromkeys(map(without_side, members)))
    return Scheme(
        name=scheme.name,
        landmarks=tuple(landmarks.values()),
        groups={group: tuple(members) for group, members in groups.items()},
        measurements=_limb_elements(scheme.measurements),
    )


def _limb_elements(elements: Sequence[ElementT]) -> tuple[ElementT, ...]:
    """Elements made from one side's landmarks only, or from none (an axis of the image), each once."""
    known = {element.name: element for element in elements}

    def sides(name: str) -> set[LimbSide]:
        if name in known:
            return {side for reference, _ in known[name].references() for side in sides(reference)}
        side = side_of(name)
        return set() if side is None else {side}

    limbs: dict[str, ElementT] = {}
    for element in elements:
        if len(sides(element.name)) < 2:
            limb = _renamed(element, without_side)
            if isinstance(limb, Measurement) and limb.label:
                label = limb.label.removesuffix(", right").removesuffix(", left")
                limb = limb.model_copy(update={"label": label})
            limbs.setdefault(limb.name, limb)
    return tuple(limbs.values())


def both_sides(limb: Scheme) -> Scheme:
    """The scheme of two limbs: every landmark on the right, then every one on the left, as pairs.

    Groups hold both sides' members, and `right` and `left` are groups too unless the limb has groups of these names.
    Every element (`measurements`) is there for each side.

    Raises:
        ConfigError: the scheme is no limb's, its landmarks have sides already.
    """
    if is_paired(limb):
        raise ConfigError(f"scheme {limb.name}: its landmarks have sides already; give the scheme of one limb")
    landmarks = [
        landmark.model_copy(update={"name": sided(landmark.name, side), "pair": sided(landmark.name, OTHER[side])})
        for side in WORDS
        for landmark in limb.landmarks
    ]
    groups = {
        group: tuple(sided(name, side) for side in WORDS for name in members) for group, members in limb.groups.items()
    }
    for side, word in WORDS.items():
        groups.setdefault(word, tuple(sided(name, side) for name in limb.names))
    elements = [_on_side(element, side) for side in WORDS for element in limb.measurements]
    return Scheme(name=limb.name, landmarks=tuple(landmarks), groups=groups, measurements=tuple(elements))


def side_channels(scheme: Scheme) -> dict[LimbSide, list[int]]:
    """The channels of each side of a paired scheme, in the limb's order.

    Raises:
        ConfigError: the scheme has no pairs.
    """
    if not is_paired(scheme):
        raise ConfigError(f"scheme {scheme.name}: its landmarks have no sides; use both_sides of it")
    limb = limb_scheme(scheme).names
    index = {name: k for k, name in enumerate(scheme.names)}
    return {side: [index[sided(name, side)] for name in limb] for side in WORDS}


def _on_side(element: ElementT, side: LimbSide) -> ElementT:
    label = {"label": f"{element.title}, {WORDS[side]}"} if isinstance(element, Measurement) else {}
    return _renamed(element, lambda name: sided(name, side)).model_copy(update=label)


def _renamed(element: ElementT, rename: Callable[[str], str]) -> ElementT:
    """An element whose own name and references to others are renamed."""
    update: dict[str, object] = {"name": rename(element.name)}
    for field in element.refers:
        value = getattr(element, field)
        if isinstance(value, str):
            update[field] = rename(value)
        elif isinstance(value, Mapping):
            update[field] = {rename(name): weight for name, weight in value.items()}
        elif value is not None:
            update[field] = tuple(rename(name) for name in value)
    return element.model_copy(update=update)
