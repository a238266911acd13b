"""The archive itself: always the same bytes for the same files, and nothing in it that is not a plain small file."""

from __future__ import annotations

import filecmp
import re
import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from monai_landmarks.sharing.layout import (
    MAX_FILES,
    MAX_TEXT,
    MAX_TOTAL,
    NAME,
    REQUIRED,
    BundleError,
    is_part,
    is_text,
)

# The first moment a zip file can hold.
MOMENT = (1980, 1, 1, 0, 0, 0)
DRIVE = re.compile(r"[A-Za-z]:")


def write_archive(folder: Path, target: Path) -> None:
    """Write all files of a folder below its own name: sorted, stored, no times, no owners.

    Nothing is compressed (weights hardly shrink), so the bytes depend on the files alone and no archive bomb can hide.
    """
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for path in files:
            info = zipfile.ZipInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}", MOMENT)
            info.create_system = 3
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.file_size = path.stat().st_size
            with path.open("rb") as source, archive.open(info, "w") as entry:
                shutil.copyfileobj(source, entry)


def extract_archive(path: Path, destination: Path) -> Path:
    """Check an archive and unpack it; nothing is written before every name and size is checked.

    Args:
        path: the packed bundle.
        destination: an empty folder of ours.

    Returns:
        The bundle's folder below `destination`.

    Raises:
        BundleError: no archive of `write_archive`, or one that holds anything but a bundle's parts.
    """
    if not path.is_file():
        raise BundleError(f"{path}: there is no such file")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            root = check_entries(path, entries)
            for entry in entries:
                _unpack(archive, entry, destination)
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, NotImplementedError) as error:
        raise BundleError(f"{path}: is damaged or no packed bundle ({error}); ask for it again") from None
    folder = destination / root
    _check_bytes(path, folder)
    return folder


def check_entries(path: Path, entries: Iterable[zipfile.ZipInfo]) -> str:
    """The one top folder of an archive whose entries are all parts of a bundle.

    Raises:
        BundleError: naming the entry.
    """
    listed = list(entries)
    if len(listed) > MAX_FILES:
        raise BundleError(f"{path}: holds {len(listed)} files, a bundle at most {MAX_FILES}: an archive bomb")
    for entry in listed:
        check_name(path, entry)
        check_kind(path, entry)
    _check_sizes(path, listed)
    names = [entry.filename for entry in listed]
    seen: set[str] = set()
    for name in names:
        # Some file systems do not tell upper from lower case.
        if name.casefold() in seen:
            raise BundleError(f"{path}: {name} is in it twice: which one counts would depend on the reader")
        seen.add(name.casefold())
    roots = {PurePosixPath(name).parts[0] for name in names}
    if len(roots) != 1 or not NAME.fullmatch(next(iter(roots))):
        raise BundleError(
            f"{path}: must hold one folder, named with letters, digits, - and _; it holds {sorted(roots)}"
        )
    root = roots.pop()
    parts = {name.removeprefix(f"{root}/") for name in names}
    if unknown := sorted(part for part in parts if not is_part(part)):
        raise BundleError(f"{path}: {unknown[0]} is no part of a bundle; no other file may travel with it")
    if missing := [part for part in REQUIRED if part not in parts]:
        raise BundleError(f"{path}: lacks {', '.join(missing)}; it is not written by monai-landmarks pack")
    return root


def check_name(path: Path, entry: zipfile.ZipInfo) -> None:
    """Refuse a name that leads out of the folder the archive is unpacked to, or that readers see differently."""
    name = entry.orig_filename
    if name.startswith(("/", "\\")) or DRIVE.match(name):
        raise BundleError(f"{path}: {name!r} is an absolute path: it would be written outside the bundle's folder")
    if ".." in re.split(r"[/\\]", name):
        raise BundleError(f"{path}: {name!r} leads out of the bundle's folder")
    if name != entry.filename or not name.isascii() or not name.isprintable() or "\\" in name:
        raise BundleError(f"{path}: {name!r} is no plain name: letters, digits, '.', '-', '_' and '/' only")


def check_kind(path: Path, entry: zipfile.ZipInfo) -> None:
    """Refuse links, folders, devices and encrypted files."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    if kind == stat.S_IFLNK:
        raise BundleError(f"{path}: {entry.filename} is a link: it could lead anywhere on this computer")
    if kind not in (0, stat.S_IFREG) or entry.is_dir():
        raise BundleError(f"{path}: {entry.filename} is no plain file")
    if entry.flag_bits & 0x1:
        raise BundleError(f"{path}: {entry.filename} is encrypted: it cannot be checked")


def _check_sizes(path: Path, entries: list[zipfile.ZipInfo]) -> None:
    for entry in entries:
        if entry.compress_type != zipfile.ZIP_STORED or entry.compress_size != entry.file_size:
            ratio = entry.file_size / max(entry.compress_size, 1)
            raise BundleError(
                f"{path}: {entry.filename} is compressed {ratio:.0f} to 1: an archive bomb, or packed by another "
                "program; a bundle is stored as it is, so use the file as it was sent"
            )
        if is_text(entry.filename) and entry.file_size > MAX_TEXT:
            raise BundleError(f"{path}: {entry.filename} is a text of {entry.file_size} bytes; {MAX_TEXT} are allowed")
    total = sum(entry.file_size for entry in entries)
    if total > MAX_TOTAL:
        raise BundleError(f"{path}: its files need {total} bytes: an archive bomb; {MAX_TOTAL} are allowed")
    if total > path.stat().st_size:
        raise BundleError(f"{path}: states {total} bytes of files but is smaller itself: its sizes lie")


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, destination: Path) -> None:
    target = destination / entry.filename
    target.parent.mkdir(parents=True, exist_ok=True)
    with archive.open(entry) as source, target.open("xb") as file:
        shutil.copyfileobj(source, file)


def _check_bytes(path: Path, folder: Path) -> None:
    """Whatever else an archive can hide (a second archive, comments, lying headers) makes it differ from ours."""
    with tempfile.TemporaryDirectory() as place:
        again = Path(place) / "again.zip"
        write_archive(folder, again)
        if not filecmp.cmp(again, path, shallow=False):
            raise BundleError(
                f"{path}: holds bytes outside its files (a second archive, a comment, changed headers), or was packed "
                "by another program; use the file as monai-landmarks pack wrote it"
            )
