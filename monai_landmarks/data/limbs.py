"""One limb at a time: items for networks that see one side of a radiograph, from data sets of whole radiographs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset, Side, State
from monai_landmarks.data.loading import split_items
from monai_landmarks.element_order import needed_landmarks
from monai_landmarks.errors import ConfigError
from monai_landmarks.scheme import Scheme
from monai_landmarks.sides import (
    WORDS,
    LimbSide,
    both_sides,
    is_paired,
    limb_scheme,
    side_channels,
    sided,
    without_side,
)

REMEDY = "give its field `side` as L, R or both"


def limb_items(
    dataset: LandmarkDataset, split: str | Sequence[str], reader: str, centre: str | None = None
) -> list[dict[str, Any]]:
    """The data list of a split with one item a limb, in the channels of the limb scheme.

    Keys as in `split_items`, and side ("R" or "L") and alone (the image shows this limb only). Points are pixels of the
    whole radiograph. A radiograph of both sides gives two items, a missing limb's landmarks absent in its half.

    Args:
        dataset: paired landmarks X_left and X_right, or unpaired ones where every case says its side.
        split: one or several.
        reader: a reader's name, or "mean".
        centre: a limb landmark's name: only limbs that have it.

    Raises:
        ConfigError: no such cases; a case whose side is not known; an unknown landmark.
    """
    limb = limb_scheme(dataset.scheme)
    if centre is not None:
        _check_names(limb, [centre])
    items = []
    for item in radiograph_items(dataset, split, reader):
        for side, channels in side_channels(both_sides(limb)).items():
            if item["side"] not in (side, "both"):
                continue
            state = item["state"][channels]
            if centre is None or state[limb.names.index(centre)] == State.PRESENT:
                part = {"points": item["points"][:, channels], "state": state, "side": side}
                items.append({**item, **part, "alone": item["side"] != "both"})
    if not items:
        raise ConfigError(f"no case of the split has {centre}; choose another landmark as the centre")
    return [{**item, "index": np.int64(number)} for number, item in enumerate(items)]


def radiograph_items(dataset: LandmarkDataset, split: str | Sequence[str], reader: str) -> list[dict[str, Any]]:
    """The data list of a split with one item a radiograph: `split_items` of the data set `of_both_sides`, and side.

    Raises:
        ConfigError: as `limb_items`.
    """
    whole = of_both_sides(dataset)
    sides = {case.id: case.side for case in whole.cases}
    return [{**item, "side": sides[item["case_id"]]} for item in split_items(whole, split, reader)]


def of_both_sides(dataset: LandmarkDataset) -> LandmarkDataset:
    """The data set in the scheme `both_sides` of its limb: what two-stage predictions are compared with.

    Unpaired landmarks take the side of their case; a case of paired landmarks without side shows both where both have
    points.

    Raises:
        ConfigError: a case whose side is not known, or that has points on the other.
    """
    paired = is_paired(dataset.scheme)
    scheme = both_sides(limb_scheme(dataset.scheme))
    cases = [_with_side(case, scheme) if paired else _renamed(case) for case in dataset.cases]
    return dataset.model_copy(update={"scheme": scheme, "cases": cases})


def _with_side(case: Case, scheme: Scheme) -> Case:
    """A case of paired landmarks, its side known and no point on another."""
    present = case.points(scheme)[1] == State.PRESENT
    shown = {side for side, channels in side_channels(scheme).items() if present[channels].any()}
    if case.side in WORDS and shown - {case.side}:
        other = ", ".join(WORDS[side] for side in sorted(shown - {case.side}))
        raise ConfigError(
            f"case {case.id}: its field `side` is {case.side}, but it has {other} landmarks, which would be lost; "
            "correct the side (`both`?) or the points"
        )
    if case.side is not None:
        return case
    if len(shown) < len(WORDS):
        raise ConfigError(f"case {case.id}: its points do not tell whether it shows one side or both; {REMEDY}")
    return case.model_copy(update={"side": "both"})


def _renamed(case: Case) -> Case:
    """A case of unpaired landmarks, in the names of its side."""
    side = _one_side(case)

    def rename(annotation: Annotation) -> Annotation:
        return Annotation(
            reader=annotation.reader,
            points={sided(name, side): point for name, point in annotation.points.items()},
            absent=[sided(name, side) for name in annotation.absent],
            confidence={sided(name, side): value for name, value in annotation.confidence.items()},
        )

    return case.model_copy(update={"annotations": [rename(annotation) for annotation in case.annotations]})


def _one_side(case: Case) -> LimbSide:
    known: dict[Side | None, LimbSide] = {side: side for side in WORDS}
    if case.side not in known:
        said = "is missing" if case.side is None else f"is {case.side}"
        raise ConfigError(
            f"case {case.id}: its field `side` {said}, and its landmarks have no sides; give L or R, or name the "
            "landmarks X_left and X_right"
        )
    return known[case.side]


def only_landmarks(dataset: LandmarkDataset, *limb_names: str) -> LandmarkDataset:
    """The data set with these limb landmarks only, on both sides where they are paired.

    Groups keep the members that are left, measurements go where one of their landmarks goes. A data set of nothing else
    is returned as it is.

    Raises:
        ConfigError: a name the limb does not have.
    """
    scheme = dataset.scheme
    _check_names(limb_scheme(scheme), limb_names)
    bare = without_side if is_paired(scheme) else str
    return keep_landmarks(dataset, {name for name in scheme.names if bare(name) in limb_names})


def keep_landmarks(dataset: LandmarkDataset, names: Collection[str]) -> LandmarkDataset:
    """The data set with these landmarks only, as `only_landmarks` has them; one whose pair goes is no longer paired."""
    scheme = dataset.scheme
    kept = [landmark for landmark in scheme.landmarks if landmark.name in names]
    if len(kept) == len(scheme.landmarks):
        return dataset
    left = {landmark.name for landmark in kept}
    groups = {group: tuple(name for name in members if name in left) for group, members in scheme.groups.items()}
    needed = needed_landmarks(scheme.measurements, scheme.names)
    reduced = Scheme(
        name=scheme.name,
        landmarks=tuple(
            landmark if landmark.pair in left else landmark.model_copy(update={"pair": None}) for landmark in kept
        ),
        groups={group: members for group, members in groups.items() if members},
        measurements=tuple(element for element in scheme.measurements if left.issuperset(needed[element.name])),
    )
    cases = [
        case.model_copy(update={"annotations": [_only(annotation, left) for annotation in case.annotations]})
        for case in dataset.cases
    ]
    return dataset.model_copy(update={"scheme": reduced, "cases": cases})


def _only(annotation: Annotation, names: set[str]) -> Annotation:
    return Annotation(
        reader=annotation.reader,
        points={name: point for name, point in annotation.points.items() if name in names},
        absent=[name for name in annotation.absent if name in names],
        confidence={name: value for name, value in annotation.confidence.items() if name in names},
    )


def _check_names(limb: Scheme, names: Sequence[str]) -> None:
    unknown = [name for name in names if name not in limb.names]
    if unknown or not names:
        wrong = f"no {', '.join(unknown)}" if unknown else "nothing without a name"
        raise ConfigError(f"the limb has {wrong}; its landmarks are {', '.join(limb.names)}")
