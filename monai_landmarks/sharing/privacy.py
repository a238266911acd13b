"""What must not leave the house: paths of this computer, and names of patients, cases, images and readers."""

from __future__ import annotations

import ast
import csv
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import monai_landmarks
from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.data.table_cases import READER
from monai_landmarks.networks.mutual import TEMPLATE_IMAGE
from monai_landmarks.sharing.layout import WEIGHTS, BundleError, is_text
from monai_landmarks.sharing.safe_expressions import parsed
from monai_landmarks.sharing.safe_files import entries, read_json, read_yaml
from monai_landmarks.sharing.safe_weights import read_weights
from monai_landmarks.simulate.presets import PRESETS

# A folder of the root and something below it; not the rest of an address or of "a/b", nor what a config appends to a
# folder (`@bundle_root + '/models/second_pass'`), nor the manuals' /path/to/ and /workspace/.
ABSOLUTE = re.compile(
    r"""(?<![\w./:)\]}<>*-])(?<!\+\ ['"])/(?!path/to/|workspace/)[\w.~-]+/[\w.~-]"""
    r"""|(?<![\w])[A-Za-z]:[\\/](?!/)|(?<!\\)\\\\[\w.-]+\\|(?<!\w)~[\w.-]*/|file:/""",
    re.VERBOSE | re.IGNORECASE,
)
HOME = re.compile(rb"/(?:home|Users|root)/[\w.-]+/|(?i:[a-z]:\\users\\[\w.-]+)")
# The end of its name in `networks.mutual`.
# What a config says of the computer or the people it was trained with, and what it may say all the same.
PRIVATE_SETTINGS = {
    "reader": ("mean",),
    "run_name": ("second pass", "fine stage"),
    "tracking_uri": (),
    "dataset_file": (),
    "dataset_dir": (),
    "encoder_weights": ("package",),
    "dino_weights": ("",),
}
# What an expression for one of them may name: the package's simulated data sets, and the folder of their images.
PUBLIC = frozenset({*PRESETS, "images"})
# A shorter name, or a shorter number, would be found in any text; a number is told by the word before it.
SHORTEST, SHORTEST_NUMBER = 4, 6
NUMBERED = r"(?<![\w])(?:patient|case|subject|image|reader)(?:[ _-]?(?:id|no|number))?[ \t'\"]*[.:#=_-]?[ \t'\"]*"


def check_texts(folder: Path, identifiers: Iterable[str]) -> None:
    """Look through every file of a bundle that is about to be packed.

    Args:
        folder: its folder.
        identifiers: what may not occur in it (`identifiers_of`).

    Raises:
        BundleError: naming the file, the line or key, and what was found there.
    """
    any_name = _pattern(identifiers)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            continue
        if not is_text(name):
            check_binary(path, name)
            continue
        for place, text in _texts(path, name):
            if found := ABSOLUTE.search(text):
                raise BundleError(f"{name}, {place}: holds a path of this computer: {_around(text, found)}")
            if any_name is not None and (found := any_name.search(text)):
                raise BundleError(f"{name}, {place}: holds {found.group()!r}, a patient, case, image or reader")


def check_settings(folder: Path) -> None:
    """Look for settings that tell of people and computers, in the configs.

    Raises:
        BundleError: naming the file and the key.
    """
    for path in sorted((folder / "configs").glob("*.yaml")):
        name = f"configs/{path.name}"
        for place, value in entries(read_yaml(path, name), name):
            key = next((part for part in place.split("#") if part in PRIVATE_SETTINGS), None)
            if key is None or not isinstance(value, str):
                continue
            allowed = PRIVATE_SETTINGS[key]
            if told := [text for text in _literals(value) if text not in allowed]:
                raise BundleError(
                    f"{name}, {place}: {told[0]!r} tells of your people or computers; set it to "
                    f"{' or '.join((*allowed, 'null'))} there and give it on the command line when you train"
                )


def check_template(folder: Path) -> None:
    """Refuse a one-shot model that holds its template's image, not its descriptors alone: it is a patient's radiograph.

    Raises:
        BundleError: naming the file and the remedy.
    """
    if any(key.endswith(TEMPLATE_IMAGE) for key in read_weights(folder / WEIGHTS, WEIGHTS)):
        raise BundleError(
            f"{WEIGHTS}: holds the radiograph of its template, which mutual matches need; pack the model of a training "
            "without matching.yaml"
        )


def identifiers_of(evaluation: Path, dataset: Path | None) -> set[str]:
    """Patients, cases, images and readers an evaluation and a data set file name."""
    found: set[str] = set()
    metrics = json.loads((evaluation / "metrics.json").read_text(encoding="utf-8"))
    found.update(metrics.get("images") or {})
    table = evaluation / "cases.csv"
    if table.is_file():
        with table.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                found.update((row["case_id"], row["patient"], PurePosixPath(row["image"]).name, row["image"]))
    if dataset is not None:
        for case in load_dataset(dataset).cases:
            found.update((case.id, case.patient or "", PurePosixPath(case.image).name, case.image))
            found.update(annotation.reader for annotation in case.annotations)
    # "mean", the simulator and "reader", who is named where nobody is, are words of this package, not people.
    return {name for name in found if name.casefold() not in ("", "mean", "simulator", READER)}


def _texts(path: Path, name: str) -> Iterator[tuple[str, str]]:
    """Values and keys where the file has keys (JSON's lines may hold them escaped), then every line."""
    content: Any = None
    if name.endswith(".yaml"):
        content = read_yaml(path, name)
    elif name.endswith(".json"):
        content = read_json(path, name)
    for place, value in entries(content, name):
        for text in value if isinstance(value, dict) else [value]:
            if isinstance(text, str):
                yield place or "top level", text
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise BundleError(f"{name}: is no UTF-8 text ({error.reason}); save it as UTF-8") from None
    for number, line in enumerate(lines, start=1):
        yield f"line {number}", line


def _pattern(identifiers: Iterable[str]) -> re.Pattern[str] | None:
    """What finds any of the names, in upper or lower case, and short numbers where a word says what they number."""
    forms = []
    for name in sorted(set(identifiers), key=len, reverse=True):
        if len(name) >= (SHORTEST_NUMBER if name.isdigit() else SHORTEST):
            forms.append(rf"(?<![\w.-]){re.escape(name)}(?![\w-])")
        elif name.isdigit():
            forms.append(rf"{NUMBERED}{name}(?![\w-]|\.[0-9])")
    return re.compile("|".join(forms), re.IGNORECASE) if forms else None


def _literals(value: str) -> list[str]:
    """The texts a config's value holds: itself, or those in an expression; a reference holds none."""
    if value.startswith("@"):
        return []
    if not value.startswith("$"):
        return [value]
    nodes = list(ast.walk(parsed(value)))
    # A reference has become a subscript, and its key a text.
    keys = {id(node.slice) for node in nodes if isinstance(node, ast.Subscript)}
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and id(node) not in keys]
    return [text for text in texts if isinstance(text, str) and text not in PUBLIC]


def check_binary(path: Path, name: str) -> None:
    """Exported models may carry the source files' places as debug information."""
    content = path.read_bytes()
    own = {str(place) + "/" for place in (Path.home(), sys.prefix, Path(monai_landmarks.__file__).parents[1])}
    found = [match.group().decode() for match in HOME.finditer(content)]
    found += [place for place in own if len(place) > 2 and place.encode() in content]
    if found:
        raise BundleError(f"{name}: holds a path of this computer, {found[0]}; export the model again without it")


def _around(text: str, found: re.Match[str]) -> str:
    return repr(text[found.start() : found.end() + 40].split("'")[0].split('"')[0][:60])
