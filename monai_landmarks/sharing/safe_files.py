"""Reading a bundle's YAML and JSON so that no two readers see different things, and nothing is built from tags."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from monai_landmarks.sharing.layout import BundleError

MAX_CONFIG = 1 << 18
MAX_DEPTH = 24
PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "map", "seq"))


class StrictLoader(yaml.SafeLoader):
    """PyYAML's safe loader less tags, anchors, merges and repeated keys.

    An anchor used many times over grows without bound when it is walked; a repeated key shows one value to a reader
    and another to the program.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """A node, if it is a plain one."""
        event = self.peek_event()
        if getattr(event, "anchor", None) is not None:
            raise yaml.constructor.ConstructorError(
                None, None, "anchors and aliases are refused; write the value out", event.start_mark
            )
        node = super().compose_node(parent, index)
        if node is not None and node.tag not in PLAIN_TAGS:
            raise yaml.constructor.ConstructorError(
                None, None, f"the tag {node.tag} is refused; plain values only", node.start_mark
            )
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """A mapping whose keys are texts, each there once."""
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:str":
                raise yaml.constructor.ConstructorError(None, None, f"the key {key.value!r} is no text", key.start_mark)
            if key.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key.value!r} is there twice", key.start_mark
                )
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, name: str) -> dict[str, Any]:
    """A config file, in plain ASCII.

    Raises:
        BundleError: too large, not ASCII, no YAML, or YAML beyond mappings, lists and plain values.
    """
    text = read_ascii(path, name)
    try:
        content = yaml.load(text, StrictLoader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BundleError(f"{name}: {_one_line(error)}") from None
    return _mapping(content, name)


def read_json(path: Path, name: str) -> dict[str, Any]:
    """A JSON object without repeated keys, NaN or infinity.

    Raises:
        BundleError: no such JSON.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text, object_pairs_hook=_once, parse_constant=_no_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise BundleError(f"{name}: is no valid JSON: {_one_line(error)}") from None
    return _mapping(content, name)


def read_ascii(path: Path, name: str) -> str:
    """A small text without characters that could look like others.

    Raises:
        BundleError: too large, or another character.
    """
    content = path.read_bytes()
    if len(content) > MAX_CONFIG:
        raise BundleError(f"{name}: has {len(content)} bytes, a config at most {MAX_CONFIG}")
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.removesuffix(b"\r").isascii() or not line.removesuffix(b"\r").decode().isprintable():
            raise BundleError(f"{name}, line {number}: plain ASCII only; another character could pass for one of these")
    return content.decode("ascii")


def entries(content: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every value of a file with the path to it, `train#handlers#0#interval`, containers included.

    Raises:
        BundleError: nested deeper than any config is.
    """
    yield from _walk(content, "", name)


def _walk(content: Any, key: str, name: str) -> Iterator[tuple[str, Any]]:
    yield key, content
    if key.count("#") > MAX_DEPTH:
        raise BundleError(f"{name}, {key.split('#')[0]}: nested too deep")
    pairs: Iterator[tuple[Any, Any]]
    if isinstance(content, dict):
        pairs = iter(content.items())
    elif isinstance(content, list):
        pairs = iter(enumerate(content))
    else:
        return
    for part, value in pairs:
        yield from _walk(value, f"{key}#{part}" if key else str(part), name)


def _mapping(content: Any, name: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise BundleError(f"{name}: must hold keys and values, holds {type(content).__name__}")
    return content


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError(f"a key is there twice among {', '.join(key for key, _ in pairs)[:200]}")
    return content


def _no_constant(text: str) -> float:
    raise ValueError(f"{text} is no JSON number")


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
