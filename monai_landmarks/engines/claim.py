"""A folder that belongs to one run of a command, and is continued by the same command alone.

Several processes may start the same command at once, a job array say: one of them fills the folder, the others wait.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from monai_landmarks.errors import ConfigError, writing
from monai_landmarks.locks import alone

# Held while a folder is filled or its parts are joined.
LOCK = ".lock"


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
        ConfigError: the folder is another run's, and what differs is named; or it is a file, or the marker is damaged.
        WriteError: the folder cannot be written to.
    """
    with alone(marker.parent / LOCK):
        if marker.is_file():
            known = _read(marker, what)
            if different := [key for key in {**known, **settings} if known.get(key) != settings.get(key)]:
                raise ConfigError(
                    f"{marker.parent} holds {what} with other {', '.join(different)} ({marker}); repeat its command "
                    "to continue it, or choose another folder"
                )
            return
        temporary = marker.with_name(f".{marker.name}.part")
        with writing(marker):
            temporary.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")
            temporary.replace(marker)


def _read(marker: Path, what: str) -> dict[str, Any]:
    try:
        return dict(json.loads(marker.read_text(encoding="utf-8")))
    except (OSError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{marker} cannot be read ({error}); if {marker.parent} holds {what} with the settings of this command, "
            "delete that file and repeat the command to continue it, else choose another folder"
        ) from None


def keep_bundle(source: Path, copy: Path) -> None:
    """Copy a bundle into a run's folder, once: its configs stay as they are, whatever becomes of the source.

    Args:
        source: the bundle; what it has trained is left out.
        copy: the folder to write, complete or not there at all.

    Raises:
        WriteError: it cannot be written.
    """
    with alone(copy.parent / LOCK):
        if (copy / "configs").is_dir():
            return
        temporary = copy.with_name(f".{copy.name}.part")
        shutil.rmtree(temporary, ignore_errors=True)
        ignored = shutil.ignore_patterns("models", "eval", "predictions", "__pycache__")
        with writing(copy):
            shutil.copytree(source, temporary, ignore=ignored)
            temporary.replace(copy)
