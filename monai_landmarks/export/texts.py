"""Texts as DICOM values."""

from __future__ import annotations

import re

# Of a long string (LO). The standard counts characters, some readers bytes.
LONGEST = 64


def one_value(text: str) -> str:
    """Without the characters that divide or end a text value."""
    return re.sub(r"[\\\x00-\x1f\x7f]", " ", text).strip()


def long_string(text: str) -> str:
    """One value, cut to the length of a long string."""
    return one_value(text).encode()[:LONGEST].decode(errors="ignore")
