"""What a file is, told from its first bytes: PACS exports have no extensions, and extensions lie."""

from __future__ import annotations

import gzip
import zlib
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
BYTE_ORDERS: tuple[Literal["little", "big"], ...] = ("little", "big")
# A DICOM data set without the 128-byte preamble starts with a low group, then an element of that group.
BARE_ELEMENTS = (0x0000, 0x0001, 0x0005, 0x0008, 0x0012, 0x0016)
BARE_DICOM = tuple(
    group.to_bytes(2, order) + element.to_bytes(2, order)
    for order in BYTE_ORDERS
    for group in (0x0002, 0x0008)
    for element in BARE_ELEMENTS
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
    except (OSError, EOFError, zlib.error):
        return b""
