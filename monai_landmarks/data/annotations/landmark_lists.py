"""`--landmarks`: the names of landmarks in order, from the command line or from a file."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError

from monai_landmarks.data.annotations.documents import read_text
from monai_landmarks.data.annotations.json_documents import load_json
from monai_landmarks.data.faults import describe_fault, repeated
from monai_landmarks.data.tables import scheme_of
from monai_landmarks.errors import ConfigError, DatasetError
from monai_landmarks.scheme import Scheme


def landmark_list(text: str, name: str | None = None) -> Scheme:
    """The landmarks named by `a,b,c`, by a text file with a name a line, or by a data set file (its whole scheme).

    Args:
        text: names with commas between them, or a path.
        name: of the set of landmarks; a data set file brings its own, otherwise "points".

    Raises:
        ConfigError: a name twice, or none.
        DatasetError: the file cannot be read, or has no landmarks.
    """
    path = Path(text)
    if path.suffix.lower() == ".json":
        scheme = _from_json(path, name)
        return scheme.model_copy(update={"name": name}) if name else scheme
    is_file = _is_file(path)
    names = read_text(path).splitlines() if is_file else text.split(",")
    names = [entry.strip() for entry in names if entry.strip()]
    if not is_file and len(names) < 2:
        raise ConfigError(f"--landmarks: {text!r} is no file, nor a list such as hip_left,hip_right")
    return _checked(names, name)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # A list of names may be longer than the name of a file.
        return False


def _from_json(path: Path, name: str | None) -> Scheme:
    content = load_json(path).value
    if isinstance(content, list) and all(isinstance(entry, str) for entry in content):
        return _checked(content, name)
    scheme = content.get("scheme", content) if isinstance(content, dict) else content
    try:
        return Scheme.model_validate(scheme)
    except ValidationError as error:
        faults = [describe_fault(scheme, fault) for fault in error.errors()]
        raise DatasetError(path, ["holds no landmarks; give a data set file or a list of names", *faults]) from None


def _checked(names: list[str], name: str | None) -> Scheme:
    twice = repeated(names)
    if twice or not names:
        raise ConfigError(f"--landmarks: {', '.join(twice)} is named twice" if twice else "--landmarks: names nothing")
    return scheme_of(name or "points", names)
