"""What a file is, told from its first bytes: PACS exports have no extensions, and extensions lie."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Literal

Format = Literal["DICOM", "PNG", "JPEG", "TIFF", "NIfTI"]

MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
    (b"II+\x00", "TIFF"),
    (b"MM\x00+", "TIFF"),
)
# Length of a NIfTI-1 header with its extension flag; DICOM's magic and NIfTI-2's lie before it.
HEAD = 352
# A DICOM data set without the 128-byte preamble starts with a low group, then an element of that group.
BARE_DICOM = (
    b"\x02\x00\x00\x00",
    b"\x02\x00\x01\x00",
    b"\x08\x00\x00\x00",
    b"\x08\x00\x01\x00",
    b"\x08\x00\x05\x00",
)
BARE_DICOM += (
    b"\x08\x00\x08\x00",
    b"\x08\x00\x12\x00",
    b"\x08\x00\x16\x00",
    b"\x00\x08\x00\x05",
    b"\x00\x08\x00\x08",
)


def sniff(path: Path) -> Format | None:
    """The format of a file; None if it is none we read.

    Raises:
        OSError: the file cannot be opened.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    if head[128:132] == b"DICM" or head.startswith(BARE_DICOM):
        return "DICOM"
    for magic, kind in MAGIC:
        if head.startswith(magic):
            return kind
    if head.startswith(b"\x1f\x8b"):
        head = _unzip(path)
    if head[344:348] == b"n+1\x00" or head[4:8] == b"n+2\x00":
        return "NIfTI"
    return None


def _unzip(path: Path) -> bytes:
    """The first bytes inside a gzip file; none if it is damaged."""
    try:
        with gzip.open(path) as file:
            return file.read(HEAD)
    except (OSError, EOFError, ValueError):
        return b""
