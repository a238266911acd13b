"""A data set becomes annotation files, and what they cannot hold is said."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from monai_landmarks.data.annotations.losses import losses
from monai_landmarks.data.annotations.marks import Format, Picture, Writing
from monai_landmarks.data.annotations.registry import get_format
from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset, State
from monai_landmarks.data.faults import repeated
from monai_landmarks.data.image_files import common_folder, png_names
from monai_landmarks.data.image_size import image_size
from monai_landmarks.data.tables import OFFSETS, Origin
from monai_landmarks.errors import ConfigError

MEAN, ALL = "mean", "all"


@dataclass(frozen=True)
class Exported:
    """The files written, of how many cases, and in sentences what they do not hold."""

    files: tuple[Path, ...]
    cases: int
    notes: tuple[str, ...]


def export_annotations(
    dataset: LandmarkDataset,
    format: str,
    folder: str | Path,
    *,
    reader: str = MEAN,
    origin: Origin | None = None,
    png: bool = False,
) -> Exported:
    """Write a data set's points as another tool's files.

    Args:
        dataset: its images need exist only for formats in millimetres.
        format: a name of `FORMATS`.
        folder: made if missing; with `reader` "all" each reader has a folder in it, unless the format holds several.
        reader: a reader's name, "mean" (absent where at least one reader says so and none placed the point), or "all".
            With a name the cases that reader has not annotated are left out; else they are written without points.
        origin: where (0, 0) is to lie; the format's own convention without it.
        png: name the images' PNG copies (`export.copies`) in their place; they are looked for in `folder`.

    Raises:
        ConfigError: unknown format or reader, a format that is only read, copies for a tool that needs none, or images
            that are needed and missing.
        ReadError: an image whose size or place in space is needed cannot be read.
    """
    fmt = get_format(format)
    if fmt.write is None:
        raise ConfigError(f"the format {fmt.name} can only be imported; choose another to export")
    if origin and fmt.origin is None:
        raise ConfigError(f"--origin: the points of {fmt.tool} are in millimetres, nothing is left open; leave it out")
    if png and fmt.opens_dicom:
        raise ConfigError(f"--png: {fmt.tool} needs no PNG copies; leave it out")
    target = Path(folder)
    files: list[Path] = []
    notes: list[str] = []
    cases: set[str] = set()
    for name, part in _parts(dataset, reader, fmt):
        written, left_out = _writable(part, fmt)
        place = target / name if name else target
        cases |= {case.id for case in written.cases}
        pictures = _pictures(written, dataset, target if png else None)
        if pictures:
            files += fmt.write(Writing(place, written, pictures, OFFSETS[origin or fmt.origin or "centre"]))
        notes += [f"{name}: {note}" if name else note for note in left_out]
    if reader not in (MEAN, ALL):
        unseen = [case.id for case in dataset.cases if all(found.reader != reader for found in case.annotations)]
        notes += [f"not written, since {reader} has annotated nothing in them: {_listed(unseen)}"] if unseen else []
    if not files:
        raise ConfigError("; ".join(["nothing to write", *notes]))
    return Exported(tuple(files), len(cases), (*losses(dataset, fmt, reader, png), *notes))


def _parts(dataset: LandmarkDataset, reader: str, fmt: Format) -> list[tuple[str, LandmarkDataset]]:
    """(sub-folder, data set with at most one reader a case) for each reader asked for."""
    readers = dataset.readers
    if reader == ALL and ("readers" in fmt.holds or len(readers) < 2):
        return [("", dataset)]
    if reader == ALL:
        folders = [safe_name(name) for name in readers]
        twice = repeated(folder.lower() for folder in folders)
        if twice:
            raise ConfigError(f"several readers would be written to one folder, {', '.join(twice)}; write one by one")
        return [(folder, _with(dataset, [name])) for folder, name in zip(folders, readers)]
    if reader == MEAN:
        return [("", _with(dataset, readers))]
    if reader not in readers:
        raise ConfigError(f"no reader is called {reader}; choose mean, all, {', '.join(readers)}")
    own = [case for case in dataset.cases if any(annotation.reader == reader for annotation in case.annotations)]
    return [("", _with(dataset.model_copy(update={"cases": own}), [reader]))]


def safe_name(reader: str) -> str:
    """A reader's name as a folder's."""
    return "".join(c if c.isalnum() or c in "-_ ." else "_" for c in reader).strip(". ") or "reader"


def _with(dataset: LandmarkDataset, readers: list[str]) -> LandmarkDataset:
    """Every case with the mean of these readers."""
    name = readers[0] if len(readers) == 1 else f"mean of {', '.join(readers)}"
    cases = [case.model_copy(update={"annotations": _mean(case, dataset, readers, name)}) for case in dataset.cases]
    return dataset.model_copy(update={"cases": cases})


def _mean(case: Case, dataset: LandmarkDataset, readers: list[str], name: str) -> list[Annotation]:
    chosen = [annotation for annotation in case.annotations if annotation.reader in readers]
    if len(readers) == 1 or not chosen:
        return chosen
    points, states = case.points(dataset.scheme)
    placed = {n: (float(c), float(r)) for n, (r, c), s in zip(dataset.names, points, states) if s == State.PRESENT}
    absent = [n for n, s in zip(dataset.names, states) if s == State.ABSENT]
    return [Annotation(reader=name, points=placed, absent=absent)]


def _writable(dataset: LandmarkDataset, fmt: Format) -> tuple[LandmarkDataset, list[str]]:
    """The data set without the cases the format cannot hold at all, and a sentence for each kind of them."""
    cases, notes = dataset.cases, []
    if "frames" not in fmt.holds:
        later = [case.id for case in cases if case.frame > 1]
        if later:
            notes.append(f"not written, since {fmt.name} knows no frames: {_listed(later)}")
        cases = [case for case in cases if case.frame == 1]
    if fmt.every_point:
        names = set(dataset.names)
        short = [case.id for case in cases if not any(names <= set(a.points) for a in case.annotations)]
        if short:
            notes.append(
                f"not written, since {fmt.name} cannot leave out a landmark and these lack one: {_listed(short)}"
            )
        cases = [case for case in cases if case.id not in short]
    return dataset.model_copy(update={"cases": cases}), notes


def _listed(ids: list[str]) -> str:
    return f"{len(ids)} case(s) ({', '.join(ids[:5])}{', ...' * (len(ids) > 5)})"


def _pictures(dataset: LandmarkDataset, whole: LandmarkDataset, copies: Path | None) -> list[Picture]:
    """What to write, with the images' own names, or those of their PNG copies in the folder `copies`.

    A name depends on all images of the whole data set, written or not: on import, and among the copies, all lie there.
    """
    paths = {case.image: Path(os.path.normpath(Path.cwd() / dataset.root / case.image)) for case in whole.cases}
    common = common_folder(list(paths.values()))
    names = {image: path.relative_to(common).as_posix() for image, path in paths.items()}
    if copies is not None:
        shown = png_names(names.values())
        names = {image: shown[name] for image, name in names.items()}
        paths = {image: copies / name for image, name in names.items()}
    stems = _stems(names.values())
    return [
        Picture(
            names[case.image],
            stems[names[case.image]],
            paths[case.image],
            size_of(case, dataset.root),
            case,
            annotation,
        )
        for case in dataset.cases
        for annotation in case.annotations or [Annotation(reader="none")]
    ]


def _stems(names: Iterable[str]) -> dict[str, str]:
    stems = {name: Path(name).with_suffix("").as_posix() for name in names}
    uses = Counter(stems.values())
    return {name: stem if uses[stem] == 1 else name for name, stem in stems.items()}


def size_of(case: Case, root: Path) -> tuple[int, int]:
    """(rows, columns) of a case's image: as recorded, else as its file says.

    Raises:
        ReadError: not recorded, and the file cannot be read.
    """
    size = case.size or image_size(root / case.image, case.frame)
    if size is not None:
        return size
    # Rarely needed, and slow to import.
    from monai_landmarks.data.reader import read_radiograph

    rows, columns = read_radiograph(root / case.image, frame=case.frame).pixels.shape[1:]
    return rows, columns
