"""A folder that belongs to one run of a command, and is continued by the same command alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from monai_landmarks.errors import ConfigError


def recipe(bundle: Path) -> str:
    """Digest of a bundle's configs."""
    files = sorted((bundle / "configs").glob("*.yaml"))
    return sha256(b"".join(file.name.encode() + file.read_bytes() for file in files)).hexdigest()[:16]


def claim_folder(marker: Path, settings: Mapping[str, Any], what: str) -> None:
    """Make a folder this run's, or find that it is already.

    Args:
        marker: the JSON file in the folder that says whose it is.
        settings: what must be the same for a run to go on in it; JSON values.
        what: the folder holds, such as "a search".

    Raises:
        ConfigError: the folder is another run's; what differs is named.
    """
    if marker.is_file():
        known = json.loads(marker.read_text(encoding="utf-8"))
        if different := [key for key in settings if known.get(key) != settings[key]]:
            raise ConfigError(
                f"{marker.parent} holds {what} with other {', '.join(different)} ({marker}); repeat its command to "
                "continue it, or choose another --output"
            )
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
