"""The list of what a bundle's configs may name: `allowed_targets.toml` beside this module."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from monai_landmarks.sharing.layout import INFERENCE

LIST = "allowed_targets.toml"
# TOML has no null; a pinned text never has these values.
CONSTANTS = {"null": None, "false": False}


@dataclass(frozen=True)
class Allowed:
    """What the configs of one kind may name; each a closed list.

    Attributes:
        imports: whole `$import` entries, without the "$".
        targets: fully qualified names a `_target_` may have.
        short_names: MONAI's short names and what they stand for; the latter is in `targets`.
        calls: names an expression may call, as they are written after the imports.
        values: names it may use without calling them.
        methods: methods it may call on what it has.
        attributes: attributes it may read.
        pinned: keys that may have only certain values; a mapping stands for any component of its `_target_`.
        free: pinned keys that mean something else among a target's arguments.
        whole_calls: calls that may be written only in certain ways.
        required: keys that targets must be given.
        arguments: calls that may have only certain keyword arguments.
        numbers_shown: whether what is multiplied must be a number by its very form.
    """

    imports: frozenset[str]
    targets: frozenset[str]
    short_names: Mapping[str, str]
    calls: frozenset[str]
    values: frozenset[str]
    methods: frozenset[str]
    attributes: frozenset[str]
    pinned: Mapping[str, tuple[Any, ...]]
    free: Mapping[str, tuple[str, ...]]
    whole_calls: Mapping[str, tuple[str, ...]]
    required: Mapping[str, tuple[str, ...]]
    arguments: Mapping[str, tuple[str, ...]]
    numbers_shown: bool

    @property
    def roots(self) -> frozenset[str]:
        """Names that mean something already, so that no variable may take them."""
        return frozenset(name.split(".")[0] for name in self.calls | self.values)

    def target(self, name: str) -> str | None:
        """The class or function of a `_target_`, fully qualified; None for one that is not allowed."""
        full = self.short_names.get(name, name)
        return full if full in self.targets else None


@cache
def allowed_in(name: str) -> Allowed:
    """What a config file of this name may use: predict runs inference.yaml alone, so its list is the short one."""
    text = files("monai_landmarks.sharing").joinpath(LIST).read_text(encoding="utf-8")
    document = tomllib.loads(text)
    own = document["inference"]
    more = {} if name == INFERENCE else document["training"]
    strict = more or own

    def both(key: str) -> frozenset[str]:
        return frozenset([*own[key], *more.get(key, ())])

    return Allowed(
        imports=both("imports"),
        targets=both("targets"),
        short_names=document["short_names"],
        calls=both("calls"),
        values=both("values"),
        methods=both("methods"),
        attributes=both("attributes"),
        pinned={
            key: tuple(CONSTANTS.get(value, value) if isinstance(value, str) else value for value in values)
            for key, values in (document["pinned"] | strict["pinned"]).items()
        },
        free=_tuples(strict["free"]),
        whole_calls=_tuples(strict["whole_calls"]),
        required=_tuples(strict["required"]),
        arguments=_tuples(document["arguments"]),
        numbers_shown=strict["numbers_shown"],
    )


def _tuples(table: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    return {key: tuple(values) for key, values in table.items()}
