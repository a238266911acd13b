"""Which points belong together by what is known of their case, or of its left or right side: a grade, a device."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from monai_landmarks.data.dataset import Case
from monai_landmarks.errors import ConfigError
from monai_landmarks.metrics.results import Results
from monai_landmarks.sides import WORDS, side_of

UNKNOWN = "unknown"
MOST_VALUES = 20
BELOW = re.compile(r"(?P<attribute>[^<>=]+?)\s*<\s*(?P<limit>-?[0-9]+(\.[0-9]+)?)")


@dataclass(frozen=True)
class Grouping:
    """A partition of the points by a case attribute.

    "kl_grade" has a group for each value; "kl_grade < 2" has two, "< 2" and ">= 2". Where a case has an attribute
    `kl_grade_left` too, it and not `kl_grade` is that of the landmarks on its left side; so for the right.

    Args:
        text: as above.
    """

    text: str

    @property
    def attribute(self) -> str:
        """The attribute's name."""
        found = BELOW.fullmatch(self.text.strip())
        return found["attribute"] if found else self.text.strip()

    @property
    def limit(self) -> float | None:
        """What values are compared with, if they are."""
        found = BELOW.fullmatch(self.text.strip())
        return float(found["limit"]) if found else None

    def check(self, cases: Sequence[Case]) -> None:
        """Refuse what would leave an evaluation without its groups.

        Raises:
            ConfigError: no case has the attribute, one has no number to compare, or there are too many values.
        """
        values = [(case.id, value) for case in cases for value in self._values(case) if value is not None]
        if not values:
            known = ", ".join(sorted({name for case in cases for name in case.attributes})) or "none"
            raise ConfigError(f"group_by {self.text}: no case has the attribute {self.attribute}; known are {known}")
        for case_id, value in values:
            if self.limit is not None and not is_number(value):
                raise ConfigError(f"group_by {self.text}: case {case_id} has {self.attribute} {value!r}, no number")
        labels = {self.label(value) for _, value in values}
        if len(labels) > MOST_VALUES:
            remedy = f"compare it with a limit, such as '{self.attribute} < {values[0][1]}'"
            raise ConfigError(f"group_by {self.text}: {len(labels)} values are too many for a table; {remedy}")

    def label(self, value: Any) -> str:
        """The group of a value."""
        if value is None:
            return UNKNOWN
        if self.limit is None:
            return f"{value:g}" if is_number(value) else str(value)
        return f"< {self.limit:g}" if value < self.limit else f">= {self.limit:g}"

    def split(self, results: Results, cases: Sequence[Case]) -> dict[str, Results]:
        """The results of each group, in order of the values; an image whose sides differ is in two.

        Args:
            results: of an evaluation.
            cases: of its data set, which have the attributes.
        """
        known = {case.id: case for case in cases}
        labels = np.array([[self._of(known[c], name) for name in results.names] for c in results.case_ids])
        return {label: results.only(labels == label) for label in sorted(set(labels.flat), key=_order)}

    def _of(self, case: Case, landmark: str) -> str:
        side = side_of(landmark)
        if side is None and case.side in ("L", "R"):
            side = case.side
        own = None if side is None else case.attributes.get(f"{self.attribute}_{WORDS[side]}")
        return self.label(case.attributes.get(self.attribute) if own is None else own)

    def _values(self, case: Case) -> list[Any]:
        names = [self.attribute, *(f"{self.attribute}_{word}" for word in WORDS.values())]
        return [case.attributes.get(name) for name in names]


def is_number(value: Any) -> bool:
    """Whether it can be compared."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def _order(label: str) -> tuple[bool, float, str]:
    """Numbers by their value, then texts, what is unknown last."""
    try:
        return label == UNKNOWN, float(label), label
    except ValueError:
        return label == UNKNOWN, float("inf"), label
