"""Copies of radiographs as PNG files, for tools that do not open DICOM."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from monai_landmarks.data.image_files import png_names
from monai_landmarks.data.stream import RadiographStream
from monai_landmarks.draw import to_uint8
from monai_landmarks.errors import writing


@dataclass(frozen=True)
class Copies:
    """The files written, and what to know of an image, by its name."""

    files: tuple[Path, ...]
    notes: tuple[tuple[str, str], ...]


def write_copies(stream: RadiographStream, folder: Path) -> Copies:
    """Write every radiograph of a stream as 8-bit grey PNG of the same size: bone bright, the grey values of overlays.

    Nothing but pixels goes into a file. Its name is that of the image with .png for its extension.

    Args:
        stream: gives items with `image` (1, rows, columns) as read; what it left out is known to it afterwards.
        folder: sub-folders of the images are kept below it.

    Raises:
        WriteError: a file cannot be written.
    """
    copies = [copy for several in stream.copies.values() for copy in several]
    names = png_names([stream.name_of(path) for path in (*stream.files, *copies)])
    files, notes = [], []
    for item in stream:
        name = item["case_id"]
        path = folder / names[name]
        picture = Image.fromarray(to_uint8(np.asarray(item["image"])))
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)
        files.append(path)
        frames = int(item["image"].meta.get("frames", 1))
        if frames > 1:
            notes.append((name, f"has {frames} frames; only the first is copied"))
    return Copies(tuple(files), tuple(notes))
