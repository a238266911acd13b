"""Finding the image a table's row speaks of, by its name with or without folder and extension."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from monai_landmarks.data.discover import IMAGE_SUFFIXES

# What may lie beside the images under the same name.
OTHER_SUFFIXES = frozenset({".csv", ".json", ".txt", ".xml", ".md", ".xlsx", ".xls", ".pdf", ".tsv", ".yaml"})


class ImageFolder:
    """The image files below a folder.

    Args:
        folder: searched with its sub-folders; hidden files and tables are left out.
        extension: only files that end so, such as "png".
    """

    def __init__(self, folder: Path, extension: str | None = None) -> None:
        suffix = f".{extension.lstrip('.').lower()}" if extension else None
        self.folder = folder
        self.paths: list[str] = []
        for file in sorted(folder.rglob("*")):
            unwanted = file.suffix.lower() in OTHER_SUFFIXES or file.name.startswith(".")
            if file.is_file() and not unwanted and suffix in (None, file.suffix.lower()):
                self.paths.append(file.relative_to(folder).as_posix())
        self._levels = [defaultdict(list) for _ in range(4)]  # type: list[defaultdict[str, list[str]]]
        for path in self.paths:
            pure = Path(path)
            keys = (path, pure.with_suffix("").as_posix(), pure.name, pure.stem)
            for level, key in zip(self._levels, keys):
                level[key].append(path)

    def find(self, name: str) -> str:
        """The path (relative to the folder, `/` between its parts) of the only file `name` can mean.

        A full relative path wins over one without extension, then a file name anywhere below, then a stem.

        Raises:
            LookupError: saying that no file, or which several files, have that name.
        """
        wanted = name.replace("\\", "/").removeprefix("./")
        for level in self._levels:
            found = level.get(wanted, [])
            if len(found) == 1:
                return found[0]
            if found:
                raise LookupError(f"image {name!r} can mean {', '.join(found)}; write the full name")
        raise LookupError(f"no image {name!r} in {self.folder}{self._hint(wanted)}")

    def _hint(self, name: str) -> str:
        alike = [stem for stem in self._levels[3] if name.isdigit() and stem.isdigit() and int(stem) == int(name)]
        return f" (there is {alike[0]!r}: did a spreadsheet drop the zeros in front?)" if alike else ""


def common_folder(files: Sequence[Path]) -> Path:
    """The deepest folder that all files lie in, absolute; links are not followed."""
    return Path(os.path.commonpath([Path(os.path.normpath(Path.cwd() / file)).parent for file in files]))


def png_names(images: Iterable[str]) -> dict[str, str]:
    """The names of PNG copies: .png for an image's extension, or behind its whole name where two would be one.

    A name may hold dots that are no extension: 1.2.840 becomes 1.2.840.png.
    """
    short = {name: _without_extension(name) + ".png" for name in images}
    uses = Counter(name.lower() for name in short.values())
    return {name: copy if uses[copy.lower()] == 1 else f"{name}.png" for name, copy in short.items()}


def _without_extension(name: str) -> str:
    path = Path(name)
    return path.with_suffix("").as_posix() if path.suffix.lower() in IMAGE_SUFFIXES else name
