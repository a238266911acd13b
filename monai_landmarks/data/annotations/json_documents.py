"""JSON files whose every value knows where it stands, so that a fault names its key."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from monai_landmarks.data.annotations.documents import Malformed, read_text
from monai_landmarks.data.faults import repeated
from monai_landmarks.errors import DatasetError


@dataclass(frozen=True)
class Node:
    """A value of a JSON file and its path in it, such as `shapes[3].points`."""

    value: Any
    path: str = ""

    def __getitem__(self, key: str | int) -> Node:
        """The member of that name or number.

        Raises:
            Malformed: it is not there.
        """
        found = self.get(key)
        if found is None:
            raise Malformed(f"{self._place()}{key!r} is missing")
        return found

    def get(self, key: str | int) -> Node | None:
        """The member of that name or number; None where it is not there, or null."""
        if isinstance(key, int):
            members = self._of_kind(list, "a list")
            value = members[key] if key < len(members) else None
            return None if value is None else Node(value, f"{self.path}[{key}]")
        value = self._of_kind(dict, "an object").get(key)
        return None if value is None else Node(value, f"{self.path}.{key}".lstrip("."))

    def members(self) -> list[Node]:
        """The members of a list."""
        return [Node(value, f"{self.path}[{n}]") for n, value in enumerate(self._of_kind(list, "a list"))]

    def fields(self) -> dict[str, Node]:
        """The members of an object by name."""
        return {key: Node(value, f"{self.path}[{key!r}]") for key, value in self._of_kind(dict, "an object").items()}

    def number(self) -> float:
        """A finite number."""
        try:
            value = math.nan if isinstance(self.value, bool | str) else float(self.value)
        except (TypeError, OverflowError):
            value = math.nan
        if not math.isfinite(value):
            raise Malformed(f"{self._place()}must be a number, is {_short(self.value)}")
        return value

    def whole(self) -> int:
        """A whole number."""
        if isinstance(self.value, bool) or not isinstance(self.value, int):
            raise Malformed(f"{self._place()}must be a whole number, is {_short(self.value)}")
        return self.value

    def text(self) -> str:
        """A text that is not empty, without surrounding blanks."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise Malformed(f"{self._place()}must be a text, is {_short(self.value)}")
        return self.value.strip()

    def _of_kind(self, kind: type, name: str) -> Any:
        if not isinstance(self.value, kind):
            raise Malformed(f"{self._place()}must be {name}, is {_short(self.value)}")
        return self.value

    def _place(self) -> str:
        return f"key {self.path}: " if self.path else "file: "


def _short(value: Any) -> str:
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def load_json(path: Path) -> Node:
    """The content of a JSON file.

    Raises:
        DatasetError: no JSON (with line and column), or a key that is written twice in one object.
    """
    twice: list[str] = []
    try:
        value = json.loads(read_text(path), object_pairs_hook=lambda pairs: _object(pairs, twice))
    except json.JSONDecodeError as error:
        raise DatasetError(path, [f"line {error.lineno}, column {error.colno}: no JSON: {error.msg}"]) from None
    except (RecursionError, ValueError):
        # A million brackets, or a number of thousands of digits.
        raise DatasetError(
            path, ["no annotation file: its JSON is nested too deeply or holds absurd numbers"]
        ) from None
    if twice:
        raise DatasetError(path, [f"key {key!r} is written twice in one object; keep one" for key in twice])
    return Node(value)


def _object(pairs: list[tuple[str, Any]], twice: list[str]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        twice += repeated(key for key, _ in pairs)
    return content
