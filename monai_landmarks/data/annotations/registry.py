"""The formats by name, and telling a file's format from its content."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from monai_landmarks.data.annotations import coco, cvat, isbi, labelme, pts, slicer, table, via, via_csv
from monai_landmarks.data.annotations.documents import read_text
from monai_landmarks.data.annotations.json_documents import Node, load_json
from monai_landmarks.data.annotations.marks import Findings, Format, Source
from monai_landmarks.data.annotations.xml_documents import load_xml
from monai_landmarks.errors import ConfigError, DatasetError

# In the order they are asked whether a file is theirs: the plain table takes every CSV file.
FORMATS: dict[str, Format] = {
    module.FORMAT.name: module.FORMAT for module in (via, via_csv, coco, labelme, cvat, slicer, isbi, pts, table)
}
AUTO = "auto"
SUFFIXES = tuple(dict.fromkeys(suffix for fmt in FORMATS.values() for suffix in fmt.suffixes))


def get_format(name: str) -> Format:
    """The format of that name.

    Raises:
        ConfigError: there is none; the message lists those there are.
    """
    if name not in FORMATS:
        raise ConfigError(f"no annotation format is called {name!r}; choose one of {', '.join(FORMATS)}")
    return FORMATS[name]


def load(path: Path, folder: Path | None = None) -> Source:
    """A file, found in a folder or not, and its content, by its suffix.

    Raises:
        DatasetError: it cannot be read as what its suffix says.
    """
    loaders: dict[str, Any] = {".json": load_json, ".xml": load_xml}
    return Source(path, loaders.get(path.suffix.lower(), read_text)(path), folder)


def find_sources(path: Path, name: str, findings: Findings) -> tuple[Format, list[Source]]:
    """The format of a file, or of a folder's files, and those files.

    In a folder, sub-folders included, files of other formats are noted and left out, unless they are damaged.

    Args:
        path: file or folder.
        name: of the format, or `AUTO`.
        findings: takes the notes.

    Raises:
        ConfigError: unknown format.
        DatasetError: no such file, a damaged one, none of that format, or files of several.
    """
    candidates = [FORMATS[key] for key in FORMATS] if name == AUTO else [get_format(name)]
    if name == via.FORMAT.name:
        candidates.append(via_csv.FORMAT)
    if not path.is_dir():
        source = load(path)
        return _format_of(source, candidates, asked=name != AUTO), [source]
    found: dict[str, list[Source]] = {}
    for file in sorted(path.rglob("*")):
        if file.is_file() and not file.name.startswith(".") and file.suffix.lower() in SUFFIXES:
            _sort_in(file, path, candidates, found, findings)
    if not found:
        raise DatasetError(path, [f"no annotation file in this folder is of the format {name}"])
    if len(found) > 1:
        names = ", ".join(f"{sources[0].path.name} is {key}" for key, sources in found.items())
        raise DatasetError(path, [f"files of several formats ({names}); choose one with --format, or name the file"])
    key, sources = found.popitem()
    return FORMATS[key], sources


def _sort_in(
    file: Path, folder: Path, candidates: list[Format], found: dict[str, list[Source]], findings: Findings
) -> None:
    if not any(file.suffix.lower() in fmt.suffixes for fmt in candidates):
        return
    source = load(file, folder)
    fmt = _recognised(source, candidates)
    if fmt is None:
        findings.notes.append(f"{file} is no annotation file of that format and is left out")
    else:
        found.setdefault(fmt.name, []).append(source)


def _recognised(source: Source, candidates: list[Format]) -> Format | None:
    suffix = source.path.suffix.lower()
    return next((fmt for fmt in candidates if suffix in fmt.suffixes and fmt.recognise(source.content)), None)


def _format_of(source: Source, candidates: list[Format], asked: bool) -> Format:
    """The format that takes the file; one that was asked for takes it by its suffix, and says what is missing."""
    suffix = source.path.suffix.lower()
    fitting = [fmt for fmt in candidates if suffix in fmt.suffixes]
    fmt = fitting[0] if asked and fitting else _recognised(source, candidates)
    if fmt is not None:
        return fmt
    if isinstance(source.content, Node) and _our_own(source.content.value):
        remedy = "it is a data set or a predictions file of ours already: use it as it is, or `--merge` it"
        raise DatasetError(source.path, [remedy])
    names = ", ".join(fmt.name for fmt in candidates)
    fault = f"is no annotation file of a known format ({names}); choose one with --format to hear what it lacks"
    if asked:
        fault = f"is no {candidates[0].name} file: these end in {', '.join(s for f in candidates for s in f.suffixes)}"
    raise DatasetError(source.path, [fault])


def _our_own(value: Any) -> bool:
    return isinstance(value, dict) and str(value.get("format", "")).startswith("monai_landmarks.")
