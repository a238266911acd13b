"""The manifest: SHA-256 and size of every file of a packed bundle, in one canonical form."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from monai_landmarks.sharing.layout import BUNDLE_METADATA, MANIFEST, SIGNATURE, BundleError
from monai_landmarks.sharing.metadata import BundleMetadata
from monai_landmarks.sharing.safe_files import read_json

FORMAT = "monai_landmarks.bundle"
VERSION = 1


def write_manifest(folder: Path, name: str, version: str) -> Path:
    """Write manifest.json of all files below `folder`; the same files give the same bytes."""
    document = {"format": FORMAT, "version": VERSION, "name": name, "bundle_version": version, "files": digests(folder)}
    path = folder / MANIFEST
    path.write_bytes(canonical(document))
    return path


def check_manifest(folder: Path) -> dict[str, Any]:
    """The manifest, if every file is as it says.

    Raises:
        BundleError: naming the file that was changed, added or removed, or what is wrong with the manifest.
    """
    path = folder / MANIFEST
    document = read_json(path, MANIFEST)
    if document.get("format") != FORMAT or not isinstance(document.get("files"), dict):
        raise BundleError(f"{MANIFEST}: is no {FORMAT} manifest")
    if document.get("version") != VERSION:
        raise BundleError(
            f"{MANIFEST}: is of version {document.get('version')}, this program reads {VERSION}; update monai_landmarks"
        )
    if path.read_bytes() != canonical(document):
        raise BundleError(f"{MANIFEST}: was changed: it is not in the form in which it is written")
    stated, found = document["files"], digests(folder)
    for name in sorted(stated.keys() | found.keys()):
        if name not in stated:
            raise BundleError(f"{name}: was added: the manifest does not list it")
        if name not in found:
            raise BundleError(f"{name}: was removed: the manifest lists it")
        if stated[name] != found[name]:
            raise BundleError(f"{name}: was changed: its SHA-256 or size is not the manifest's")
    if document.get("name") != folder.name:
        raise BundleError(f"{MANIFEST}: names the bundle {document.get('name')!r}, its folder is {folder.name!r}")
    return document


def check_labels(manifest: dict[str, Any], metadata: BundleMetadata) -> None:
    """Compare the name and the version in the manifest with the metadata's, which results carry.

    Raises:
        BundleError: they differ.
    """
    listed, told = (manifest.get("name"), manifest.get("bundle_version")), (metadata.name, metadata.version)
    if listed != told:
        raise BundleError(
            f"{BUNDLE_METADATA}: says the bundle is {' '.join(told)}, {MANIFEST} says {' '.join(map(str, listed))}; "
            "ask its sender which it is"
        )


def digests(folder: Path) -> dict[str, dict[str, Any]]:
    """SHA-256 and size of every file below a folder but the manifest's own two."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name not in (MANIFEST, SIGNATURE):
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            found[name] = {"sha256": digest, "size": path.stat().st_size}
    return found


def canonical(document: Any) -> bytes:
    """The one form of a JSON document: sorted keys, ASCII, a line break at the end."""
    return (json.dumps(document, sort_keys=True, indent=1, ensure_ascii=True, allow_nan=False) + "\n").encode()
