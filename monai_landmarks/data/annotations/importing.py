"""Annotation files and a folder of images become a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from monai_landmarks.data.annotations.documents import Malformed
from monai_landmarks.data.annotations.locating import locate
from monai_landmarks.data.annotations.marks import Findings, Format, Marks, Reading, Source, Units
from monai_landmarks.data.annotations.registry import AUTO, find_sources
from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset
from monai_landmarks.data.image_files import ImageFolder
from monai_landmarks.data.image_size import image_size
from monai_landmarks.data.pseudonyms import PSEUDONYM
from monai_landmarks.data.table_cases import READER, case_ids
from monai_landmarks.data.table_file import read_table
from monai_landmarks.data.tables import OFFSETS, Origin, import_table, scheme_of, spacing_pair
from monai_landmarks.errors import ConfigError, DatasetError
from monai_landmarks.scheme import Scheme


@dataclass(frozen=True)
class ImportOptions:
    """How to read annotation files.

    Attributes:
        images: the folder that holds the images, in sub-folders or not.
        format: a name of `FORMATS`, or "auto": told from the content.
        reader: who placed the points; "reader" without it, or the table's own column.
        scheme: the landmarks, where they are known: their order, and every other name is a fault.
        scheme_name: a name for the set of landmarks; the file's name without it.
        spacing_mm: pixel spacing of every image, (row, column) or one number.
        origin: where (0, 0) lies; the format's own convention without it.
        units: of the coordinates; only .pts files leave it open.
        extension: look only at image files that end so.
        leave_out: ids of cases not to import.
        split_names: a table's names of splits -> training, validation or test.
        ignore: columns of a table to leave out.
    """

    images: Path
    format: str = AUTO
    reader: str | None = None
    scheme: Scheme | None = None
    scheme_name: str | None = None
    spacing_mm: float | tuple[float, float] | None = None
    origin: Origin | None = None
    units: Units = "px"
    extension: str | None = None
    leave_out: Sequence[str] = ()
    split_names: dict[str, str] = field(default_factory=dict)
    ignore: Sequence[str] = ()


@dataclass(frozen=True)
class Imported:
    """A data set whose root is the folder of the images.

    Attributes:
        format: the format it came from.
        notes: what was left out or taken for something else, in sentences.
        renumbered: patients were named in the file and got new numbers, which mean nothing beside another file.
    """

    dataset: LandmarkDataset
    format: str
    notes: tuple[str, ...] = ()
    renumbered: bool = False


def import_annotations(path: str | Path, options: ImportOptions) -> Imported:
    """A data set from an annotation file, or a folder of them, and a folder of images.

    Raises:
        DatasetError: with every fault of the files, each with its line or key.
        ConfigError: options that cannot work, for this format or at all.
    """
    findings = Findings()
    fmt, sources = find_sources(Path(path), options.format, findings)
    if not options.images.is_dir():
        raise DatasetError(path, [f"{options.images} is no folder; name the folder that holds the images (--images)"])
    if options.origin and fmt.origin is None:
        raise ConfigError(f"--origin: the points of {fmt.tool} are in millimetres, nothing is left open; leave it out")
    if options.units != "px" and not fmt.any_units:
        raise ConfigError(f"--units: {path} is of the format {fmt.name}, which leaves no unit open; leave it out")
    if fmt.read is None:
        return _from_table(fmt, sources, options, findings)
    if options.split_names or options.ignore:
        raise ConfigError(f"--split-names and --ignore-column are for tables; {path} is of the format {fmt.name}")
    reading = Reading(
        ImageFolder(options.images, options.extension),
        options.scheme.names if options.scheme else None,
        options.units,
        None if options.spacing_mm is None else spacing_pair(options.spacing_mm),
        findings,
    )
    marks = _read_all(fmt, sources, reading)
    cases = _cases(marks, OFFSETS[options.origin or fmt.origin or "centre"], reading, options)
    if options.scheme is not None:
        _check_names(marks, options.scheme, findings)
    if findings.faults:
        raise DatasetError(path, findings.faults)
    scheme = options.scheme or _scheme(marks, reading, options, Path(path))
    dataset = LandmarkDataset(scheme=scheme, cases=cases, root=options.images)
    return Imported(dataset, fmt.name, tuple(findings.sentences()))


def _read_all(fmt: Format, sources: list[Source], reading: Reading) -> list[Marks]:
    assert fmt.read is not None
    found = []
    for source in sources:
        reading.findings.prefix = source.path.name if len(sources) > 1 else ""
        with reading.findings.at():
            for marks in fmt.read(source, reading):
                marks.source, marks.folder = source.path, source.folder
                found.append(marks)
    reading.findings.prefix = ""
    return found


def _cases(marks: list[Marks], offset: float, reading: Reading, options: ImportOptions) -> list[Case]:
    """The cases; two files of one image are a fault, since nothing tells which reader is right."""
    by_image: dict[str, Marks] = {}
    for item in marks:
        with reading.findings.at():
            image = locate(item.image, item.source, reading, item.folder)
            if image in by_image:
                others = f"{by_image[image].source.name} and {item.source.name}"
                raise Malformed(f"image {image} is annotated twice ({others}); import each reader's files apart")
            by_image[image] = item
    ids = case_ids([(image, 1) for image in by_image])
    for name in sorted(set(options.leave_out) - set(ids.values())):
        reading.findings.faults.append(f"there is no case {name!r} to leave out")
    cases = []
    for image, item in by_image.items():
        if ids[image, 1] not in options.leave_out:
            with reading.findings.at():
                cases.append(_case(ids[image, 1], image, item, 0.0 if item.pixels else offset, reading, options))
    return cases


def _case(case_id: str, image: str, item: Marks, offset: float, reading: Reading, options: ImportOptions) -> Case:
    size = image_size(reading.images.folder / image)
    if size and item.size and size != item.size:
        stated = f"{item.size[0]} x {item.size[1]}"
        raise Malformed(
            f"image {image!r} has {size[0]} x {size[1]} pixels (rows x columns), its annotations are of one with "
            f"{stated}; give the images that were annotated"
        )
    points = {name: (x - offset, y - offset) for name, (x, y) in item.points.items()}
    annotation = Annotation(reader=options.reader or READER, points=points, absent=item.absent)
    return Case(
        id=case_id,
        image=image,
        size=size or item.size,
        spacing_mm=reading.spacing,
        annotations=[annotation] if item.points or item.absent else [],
    )


def _check_names(marks: list[Marks], scheme: Scheme, findings: Findings) -> None:
    for item in marks:
        for name in (*item.points, *item.absent):
            if name not in scheme.names:
                findings.faults.append(
                    f"image {item.image!r}: unknown landmark {name!r}; {scheme.name} does not have it"
                )


def _scheme(marks: list[Marks], reading: Reading, options: ImportOptions, path: Path) -> Scheme:
    """The landmarks the files list, then those they only use, in the order of first appearance."""
    used = dict.fromkeys(name for item in marks for name in (*item.points, *item.absent))
    names = list(reading.declared | used)
    if not names:
        raise DatasetError(path, ["holds no point with a label; name the landmarks with --landmarks"])
    _note_rare(used, marks, reading)
    return scheme_of(options.scheme_name or path.stem.removesuffix(".mrk"), names)


def _note_rare(used: dict[str, None], marks: list[Marks], reading: Reading) -> None:
    """A landmark in one image of many is often a typing error, which no list of landmarks is there to catch."""
    if len(marks) < 4:
        return
    rare = [name for name in used if sum(name in item.points or name in item.absent for item in marks) == 1]
    if rare:
        reading.findings.notes.append(
            f"in one image only: {', '.join(rare)}; if that is a typing error, give the landmarks with --landmarks"
        )


def _from_table(fmt: Format, sources: list[Source], options: ImportOptions, findings: Findings) -> Imported:
    """`import_table`, with the landmarks checked against those given."""
    if len(sources) > 1:
        raise ConfigError("name the tables one by one instead of their folder")
    path = sources[0].path
    table = read_table(path, ignore=tuple(options.ignore))
    dataset = import_table(
        path,
        options.images,
        scheme_name=options.scheme_name,
        spacing_mm=options.spacing_mm,
        split_names=options.split_names,
        extension=options.extension,
        origin=options.origin or fmt.origin or "centre",
        ignore=options.ignore,
        leave_out=options.leave_out,
        reader=options.reader,
    )
    if options.scheme is not None:
        unknown = [name for name in dataset.names if name not in options.scheme.names]
        if unknown:
            raise DatasetError(
                path, [f"unknown landmark {n!r}; {options.scheme.name} does not have it" for n in unknown]
            )
        dataset = dataset.model_copy(update={"scheme": options.scheme})
    patients = [table.cell(row, "patient") for row in table.rows]
    renumbered = any(patient and not PSEUDONYM.fullmatch(patient) for patient in patients)
    return Imported(dataset, fmt.name, tuple(findings.sentences()), renumbered=renumbered)
