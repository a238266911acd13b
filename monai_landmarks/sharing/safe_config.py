"""Judging a bundle's config files before MONAI reads them. Nothing of theirs is evaluated, imported or built.

docs/explanation/bundle_safety.md says what this protects from and what it does not.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from monai_landmarks.sharing.allowed import LIST, Allowed, allowed_in
from monai_landmarks.sharing.layout import BUNDLE_METADATA, CONFIG, CONFIGS, LOGGING, MAX_TEXT, BundleError
from monai_landmarks.sharing.safe_expressions import MAX_NUMBER, check_expression, is_import
from monai_landmarks.sharing.safe_files import entries, read_json, read_yaml
from monai_landmarks.sharing.safe_logging import check_logging

KEY = re.compile(r"[A-Za-z0-9_]+(#[A-Za-z0-9_]+)*")
TARGET = "_target_"
# _mode_ and _debug_ start a debugger or hand a class out uncalled.
SPECIAL_KEYS = (TARGET, "_disabled_", "_requires_", "_desc_")
RELATIVE = re.compile(r"[@%](#|::)")
# An import's value is the module or function itself: nothing may pass it on.
IMPORTS = "imports"
# MONAI adds this list to the imports of the file before.
MORE_IMPORTS = "+imports"
IMPORTED = re.compile(rf"[@%]{IMPORTS}\b")


def check_configs(folder: Path) -> None:
    """Judge every config of an unpacked bundle: YAML files, metadata.json and logging.conf.

    Raises:
        BundleError: naming the file, the key and what is wrong with it.
    """
    for path in sorted((folder / CONFIGS).iterdir()):
        name = path.relative_to(folder).as_posix()
        if name == BUNDLE_METADATA:
            check_metadata_texts(path, name)
        elif name == LOGGING:
            check_logging(path, name)
        elif CONFIG.fullmatch(name):
            check_config(path, name)
        else:
            raise BundleError(f"{name}: is no config of a bundle; its name must be lower case and end with .yaml")


def check_config(path: Path, name: str) -> None:
    """Judge one YAML file.

    Args:
        path: the file.
        name: what it is called in the bundle; inference.yaml may use less than the others.

    Raises:
        BundleError: naming the file, the key and what is wrong with it.
    """
    allowed = allowed_in(name)
    for place, value in entries(read_yaml(path, name), name):
        try:
            if isinstance(value, dict):
                _check_keys(value, allowed)
            elif isinstance(value, str):
                check_text(value, allowed)
                listed = place.startswith((f"{IMPORTS}#", f"{MORE_IMPORTS}#"))
                if value.startswith("$") and is_import(value) and not listed:
                    raise BundleError(f"{value!r} stands outside the list {IMPORTS}; move it there")
            elif isinstance(value, int) and abs(value) > MAX_NUMBER:
                raise BundleError(f"a number beyond {MAX_NUMBER} is not allowed")
        except BundleError as error:
            remedy = f"; {LIST} lists what is" if "list of allowed" in str(error) else ""
            raise BundleError(f"{name}, {place or 'top level'}: {error}{remedy}") from None


def check_text(value: str, allowed: Allowed) -> None:
    """Judge a value: an expression, a reference, or a text that means nothing to MONAI."""
    if value.startswith("%"):
        raise BundleError(f"{value!r} includes another file or part; includes are refused")
    if RELATIVE.search(value):
        raise BundleError(f"{value!r} holds a relative reference; write the whole one")
    if IMPORTED.search(value):
        raise BundleError(f"{value!r} refers to an import; use what it imports by its name")
    if value.startswith("$"):
        check_expression(value, allowed)


def check_metadata_texts(path: Path, name: str) -> None:
    """MONAI merges metadata.json into the config it runs, so nothing in it may mean anything to MONAI.

    Raises:
        BundleError: naming the file and the key.
    """
    if path.stat().st_size > MAX_TEXT:
        raise BundleError(f"{name}: is too large")
    for place, value in entries(read_json(path, name), name):
        if isinstance(value, dict) and any(key.rsplit("#")[-1].rsplit(":")[-1] == TARGET for key in value):
            raise BundleError(f"{name}, {place or 'top level'}: {TARGET} has no place in metadata")
        if isinstance(value, str) and value.startswith(("$", "@", "%")):
            raise BundleError(f"{name}, {place}: {value!r} would be evaluated; metadata holds plain texts")


def _check_keys(mapping: dict[str, Any], allowed: Allowed) -> None:
    target = allowed.target(str(mapping.get(TARGET)))
    free = allowed.free.get(target or "", ())
    for key, value in mapping.items():
        if not KEY.fullmatch(key) and key != MORE_IMPORTS:
            raise BundleError(f"the key {key!r} must be letters, digits and _, with # between levels")
        *above, last = key.split("#")
        if last.startswith("_") and last not in SPECIAL_KEYS:
            raise BundleError(f"the key {key} is refused; of MONAI's own only {', '.join(SPECIAL_KEYS)} are allowed")
        if last == TARGET and (not isinstance(value, str) or allowed.target(value) is None):
            raise BundleError(f"the target {value!r} is not in the list of allowed targets")
        pinned = () if key in free else allowed.pinned.get(last, ())
        if pinned and not any(_fits(value, choice, allowed) for choice in pinned):
            choices = " or ".join(f"a {v[TARGET]}" if isinstance(v, dict) else repr(v) for v in pinned)
            raise BundleError(
                f"{key} must be {choices} in a bundle: it reads its own checked files, and who runs it says where data "
                "come from and go to"
            )
        if changed := [part for part in above if part in allowed.pinned]:
            raise BundleError(f"{key} changes a part of {changed[0]}; write it where {changed[0]} stands")
    if missing := [key for key in allowed.required.get(target or "", ()) if key not in mapping]:
        raise BundleError(f"{target} lacks {missing[0]}: who runs the bundle relies on it")


def _fits(value: Any, choice: Any, allowed: Allowed) -> bool:
    """Whether a key's value is the pinned one, or a component of the pinned target."""
    if isinstance(choice, dict):
        return isinstance(value, dict) and allowed.target(str(value.get(TARGET))) == choice[TARGET]
    # Not 0 for False.
    return value is choice or bool(value == choice != 0)
