"""Finding the radiographs in files and folders as a PACS writes them, and saying why the rest was left out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pydicom

from monai_landmarks.data.dicom import why_no_image
from monai_landmarks.data.formats import sniff
from monai_landmarks.data.polarity import tag_text
from monai_landmarks.data.quiet import quiet
from monai_landmarks.errors import ReadError

# A file called like an image is to be reported as a broken one, not to be passed over.
IMAGE_SUFFIXES = (
    ".dcm",
    ".dicom",
    ".dic",
    ".ima",
    ".png",
    ".jpg",
    ".jpeg",
    ".tif",
    ".tiff",
    ".nii",
    ".nii.gz",
)
TAGS = ["SOPClassUID", "SOPInstanceUID", "Rows", "Columns"]


@dataclass(frozen=True)
class Discovery:
    """What was found.

    Attributes:
        files: images, and files that claim to be one; reading reports those that are broken.
        skipped: the other files, each with the reason.
        copies: of a file, the further files with its SOP instance; they are among the skipped.
    """

    files: list[Path] = field(default_factory=list)
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    copies: dict[Path, list[Path]] = field(default_factory=dict)


def discover(inputs: Sequence[str | Path]) -> Discovery:
    """Every radiograph in files and folders, folders searched to the bottom and in alphabetical order.

    Skipped with the reason: DICOMDIR, reports, presentation states, key objects, documents and other DICOM objects
    without an image; further copies of a SOP instance; files that are no images. Hidden files and folders are passed
    over. Any modality is let through: what a bundle may be used on is its own business.

    Raises:
        ReadError: an input does not exist.
    """
    missing = [str(path) for path in inputs if not Path(path).exists()]
    if missing:
        raise ReadError(f"{', '.join(missing)}: no such file or folder; check the path")
    found = Discovery()
    seen_files: set[Path] = set()
    seen_instances: dict[str, Path] = {}
    for path in (path for given in inputs for path in _walk(Path(given))):
        resolved = path.resolve()
        if resolved in seen_files:
            continue
        seen_files.add(resolved)
        reason, instance = _why_skipped(path)
        first = seen_instances.setdefault(instance, path) if instance else path
        if first != path:
            found.copies.setdefault(first, []).append(path)
            reason = same_image_as(first)
        if reason:
            found.skipped.append((path, reason))
        else:
            found.files.append(path)
    return found


def same_image_as(first: Path) -> str:
    """The reason to leave out a further copy of a SOP instance."""
    return f"the same image as {first}"


def _walk(given: Path) -> Iterator[Path]:
    """The file itself, or every file below a folder; links are followed, but none twice."""
    if given.is_file():
        yield given
        return
    seen: set[Path] = set()
    for folder, folders, files in os.walk(given, followlinks=True):
        real = Path(folder).resolve()
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder) / name for name in sorted(files) if not name.startswith("."))


def _why_skipped(path: Path) -> tuple[str, str]:
    """The reason to leave a file out, "" to read it; and the SOP instance of one to read, "" where unknown."""
    claims = path.name.lower().endswith(IMAGE_SUFFIXES)
    try:
        if not path.is_file():
            return "not a regular file", ""
        kind = sniff(path)
        if kind is None and not claims:
            return "empty file" if path.stat().st_size == 0 else "not an image file", ""
    except OSError:
        return "", ""
    return _why_dicom_skipped(path) if kind == "DICOM" else ("", "")


def _why_dicom_skipped(path: Path) -> tuple[str, str]:
    with quiet:
        try:
            ds = pydicom.dcmread(path, force=True, stop_before_pixels=True, specific_tags=TAGS)
            reason = why_no_image(ds)
            instance = tag_text(ds, "SOPInstanceUID")
            # A header cut short must not make the good copy a duplicate.
            complete = "Rows" in ds
        except Exception:
            return "", ""
    return reason, instance if complete and not reason else ""
