"""Elements refer to each other by name: what is wrong with that, in which order they are computed, what they need."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

from monai_landmarks.elements import POINT, Element
from monai_landmarks.measurements import MEASURED, Ratio, Sum

ElementT = TypeVar("ElementT", bound=Element)


def element_faults(elements: Sequence[Element], landmarks: Collection[str]) -> list[str]:
    """What is wrong with a section `measurements`, all of it at once.

    Args:
        elements: the section.
        landmarks: names of the scheme's landmarks.
    """
    names = [element.name for element in elements]
    faults = [f"measurements: {name!r} is defined twice" for name in sorted({n for n in names if names.count(n) > 1})]
    faults += [f"measurements: {name!r} is a landmark's name; choose another" for name in names if name in landmarks]
    known = {element.name: element for element in elements}
    unknown = [
        f"measurements: {element.name!r} names the unknown {name!r}, neither a landmark nor an element"
        for element in elements
        for name, _ in element.references()
        if name not in landmarks and name not in known
    ]
    circles = [] if faults or unknown else _circles(known)
    if faults or unknown or circles:
        return faults + unknown + circles
    kinds = kinds_of(elements, landmarks)
    return [fault for element in elements for fault in _kind_faults(element, kinds)]


def in_order(elements: Sequence[ElementT]) -> list[ElementT]:
    """The elements, each after those it is made from. They must be free of faults."""
    known = {element.name: element for element in elements}
    done: dict[str, ElementT] = {}

    def visit(element: ElementT) -> None:
        for name, _ in element.references():
            if name in known and name not in done:
                visit(known[name])
        done[element.name] = element

    for element in elements:
        if element.name not in done:
            visit(element)
    return list(done.values())


def kinds_of(elements: Sequence[Element], landmarks: Collection[str]) -> dict[str, str]:
    """What each name stands for: a landmark or an element. References must be known and free of circles."""
    kinds = dict.fromkeys(landmarks, POINT)
    for element in in_order(elements):
        # A sum is what its terms are.
        kinds[element.name] = kinds[next(iter(element.terms))] if isinstance(element, Sum) else element.gives
    return kinds


def needed_landmarks(elements: Sequence[Element], landmarks: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The landmarks each element is made from, directly or not, by the element's name, in the landmarks' order."""
    needed: dict[str, set[str]] = {}
    for element in in_order(elements):
        needed[element.name] = set()
        for name, _ in element.references():
            needed[element.name] |= needed.get(name, {name})
    order = list(landmarks)
    return {name: tuple(sorted(members, key=order.index)) for name, members in needed.items()}


def _circles(known: Mapping[str, Element]) -> list[str]:
    """One fault for each circle of elements that are made from each other."""
    clear: set[str] = set()
    faults = []

    def walk(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = (*path[path.index(name) :], name)
            faults.append(f"measurements: a circle, each is made from the next: {' -> '.join(map(repr, circle))}")
        elif name in known and name not in clear:
            for reference, _ in known[name].references():
                walk(reference, (*path, name))
            clear.add(name)

    for name in known:
        walk(name, ())
    return faults


def _kind_faults(element: Element, kinds: Mapping[str, str]) -> list[str]:
    faults = [
        f"measurements: {element.name!r} needs a {' or a '.join(wanted)}, but {name!r} is a {kinds[name]}"
        for name, wanted in element.references()
        if kinds[name] not in wanted
    ]
    if isinstance(element, Sum | Ratio):
        found = {kinds[name] for name, _ in element.references() if kinds[name] in MEASURED}
        if len(found) > 1:
            faults.append(f"measurements: {element.name!r} mixes {' and '.join(sorted(found))}; take one kind")
    return faults
