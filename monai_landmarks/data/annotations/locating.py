"""Which image of the folder an annotation file means."""

from __future__ import annotations

import os
from pathlib import Path

from monai_landmarks.data.annotations.documents import Malformed
from monai_landmarks.data.annotations.marks import Reading
from monai_landmarks.data.discover import IMAGE_SUFFIXES

ELSEWHERE = "{n} image(s) were found by their name alone, in another folder than the annotations say"
COPY = "{n} image(s) have another extension than the annotations say; the file of that name is taken for the same image"


def locate(image: str, source: Path, reading: Reading, given: Path | None = None) -> str:
    """The image's path in the folder: as the file leads to it, by its name, or a copy in another format by its stem.

    Args:
        image: as the annotation file names it, `/` or `\\` between its parts.
        source: the annotation file, from which a relative path starts.
        reading: has the folder, and takes a note of copies.
        given: the folder the annotation file was found in; copies may lie in it as the images do in theirs.

    Raises:
        Malformed: no image, or several, can be meant.
    """
    folder = reading.images
    name = Path(image.replace("\\", "/"))
    root = folder.folder.resolve()
    try:
        beside = (source.parent / name).resolve()
        if beside.is_file() and beside.is_relative_to(root):
            image = beside.relative_to(root).as_posix()
    except (OSError, ValueError):
        raise Malformed(f"image {image[:40]!r}...: no file can have that name") from None
    try:
        return folder.find(image)
    except LookupError as error:
        fault = Malformed(str(error.args[0]))
    # Without an extension of its own a name may hold dots that are no extension: 1.2.840.10008 is not 1.2.840.dcm.
    bare = name.with_suffix("") if name.suffix.lower() in IMAGE_SUFFIXES else Path()
    below = os.path.normpath(source.parent.relative_to(given) / bare) if given else ""
    for wanted, note in ((below, COPY), (bare.as_posix(), COPY), (name.name, ELSEWHERE), (bare.name, COPY)):
        try:
            path = folder.find(wanted)
        except LookupError:
            continue
        reading.findings.count(note)
        return path
    raise fault
