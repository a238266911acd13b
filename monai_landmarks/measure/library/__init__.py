"""Ready sets of measurements, and how they come into a scheme."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from monai_landmarks.element_order import in_order
from monai_landmarks.errors import ConfigError
from monai_landmarks.measure.library.cephalogram import CEPHALOGRAM
from monai_landmarks.measure.library.hip import HIP
from monai_landmarks.measure.library.implant import IMPLANT
from monai_landmarks.measure.library.knee import KNEE
from monai_landmarks.measure.library.knees import KNEES
from monai_landmarks.measure.library.pelvis import PELVIS
from monai_landmarks.measurements import AnyElement, Measurement
from monai_landmarks.scheme import Scheme

# For anteroposterior views of the pelvis, of one hip, of a hip replacement, of a knee, of both
# knees; for a lateral cephalogram.
LIBRARY: dict[str, tuple[AnyElement, ...]] = {
    "pelvis": PELVIS,
    "hip": HIP,
    "implant": IMPLANT,
    "knee": KNEE,
    "knees": KNEES,
    "cephalogram": CEPHALOGRAM,
}


def get_set(name: str) -> tuple[AnyElement, ...]:
    """The ready set of that name.

    Raises:
        ConfigError: there is none; the message lists those there are.
    """
    if name not in LIBRARY:
        raise ConfigError(f"there is no set of measurements {name!r}; choose one of: {', '.join(LIBRARY)}")
    return LIBRARY[name]


def fitting(elements: Sequence[AnyElement], landmarks: Collection[str]) -> tuple[AnyElement, ...]:
    """The measurements that can be made from these landmarks, with the constructions they are made from."""
    possible: dict[str, AnyElement] = {}
    for element in in_order(elements):
        if all(name in landmarks or name in possible for name, _ in element.references()):
            possible[element.name] = element
    used: set[str] = set()
    for element in reversed(possible.values()):
        if isinstance(element, Measurement) or element.name in used:
            used |= {element.name, *(name for name, _ in element.references())}
    return tuple(element for name, element in possible.items() if name in used)


def with_set(scheme: Scheme, name: str, called: Mapping[str, str] | None = None) -> Scheme:
    """The scheme with what it allows of a ready set; an element that it has already under that name is replaced.

    Args:
        scheme: its landmarks decide what can be measured.
        name: of the set.
        called: the scheme's name for a landmark the set knows under another: {"subspinale_A": "A"}.

    Raises:
        ConfigError: no such set, nothing of it fits the landmarks, or `called` names a landmark that is not there.
    """
    names = dict(called or {})
    elements = get_set(name)
    known = landmark_names(elements)
    unknown = [theirs for theirs in names if theirs not in known] + [o for o in names.values() if o not in scheme.names]
    if unknown:
        raise ConfigError(
            f"{', '.join(map(repr, unknown))}: no landmark of the set {name} or of the scheme {scheme.name}; "
            f"the set's are {', '.join(sorted(known))}"
        )
    added = fitting([_renamed(element, names) for element in elements], scheme.names)
    if not added:
        raise ConfigError(
            f"nothing of the set {name} can be measured with the landmarks of {scheme.name}: it needs some of "
            f"{', '.join(sorted(known))}; say which of yours is which"
        )
    fresh = {element.name for element in added}
    kept = [element for element in scheme.measurements if element.name not in fresh]
    document = scheme.model_dump() | {"measurements": [element.model_dump() for element in (*kept, *added)]}
    return Scheme.model_validate(document)


def landmark_names(elements: Sequence[AnyElement]) -> set[str]:
    """The names that elements refer to and none of them defines: landmarks."""
    own = {element.name for element in elements}
    return {name for element in elements for name, _ in element.references()} - own


def _renamed(element: AnyElement, names: Mapping[str, str]) -> AnyElement:
    """The element with other names for what it refers to."""
    changes: dict[str, object] = {}
    for field in element.refers:
        value = getattr(element, field)
        if isinstance(value, str):
            changes[field] = names.get(value, value)
        elif isinstance(value, tuple):
            changes[field] = tuple(names.get(item, item) for item in value)
        elif isinstance(value, dict):
            changes[field] = {names.get(item, item): weight for item, weight in value.items()}
    return element.model_copy(update=changes)
