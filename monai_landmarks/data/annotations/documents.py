"""Annotation files as text, and numbers in them; `json_documents` and `xml_documents` build on it."""

from __future__ import annotations

from pathlib import Path

from monai_landmarks.data.numbers import finite_number
from monai_landmarks.errors import DatasetError

# Digits of a whole number.
LONGEST_NUMBER = 9


class Malformed(Exception):
    """A value is not what the format says; the text names the key or the line. `Findings.at` collects it."""


def read_text(path: Path) -> str:
    """The text of a UTF-8 file.

    Raises:
        DatasetError: it is not there or no text.
    """
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DatasetError(path, ["not UTF-8 text; save it as UTF-8"]) from None


def read_bytes(path: Path) -> bytes:
    """The content of a file.

    Raises:
        DatasetError: it is not there or cannot be opened.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DatasetError(path, ["the file does not exist"]) from None
    except OSError as error:
        raise DatasetError(path, [f"cannot be opened ({error.strerror})"]) from None


def parse_whole(text: str, where: str) -> int:
    """A whole number from text, without sign.

    Raises:
        Malformed: it is none; the message starts with `where`.
    """
    if not text.isdecimal() or len(text) > LONGEST_NUMBER:
        raise Malformed(f"{where}: {text[:40]!r} is no whole number")
    return int(text)


def parse_number(text: str, where: str) -> float:
    """A finite number from text.

    Raises:
        Malformed: it is none; the message starts with `where`.
    """
    try:
        return finite_number(text)
    except ValueError:
        raise Malformed(f"{where}: {text.strip()!r} is no number") from None
