"""What every format's reader hands over and every writer receives, before and after the data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from monai_landmarks.data.annotations.documents import Malformed
from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset
from monai_landmarks.data.image_files import ImageFolder
from monai_landmarks.data.tables import Origin

Units = Literal["px", "mm"]
XY = tuple[float, float]
# What a data set can say of an image besides points; a format's `holds` names those it keeps.
TRAITS = (
    "absent",
    "readers",
    "confidence",
    "splits",
    "patients",
    "sides",
    "frames",
    "spacing",
    "polarity",
    "attributes",
)


@dataclass
class Findings:
    """Faults, which stop an import, and notes, which are printed; `counts` are notes that hold for many things."""

    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    prefix: str = ""

    @contextmanager
    def at(self, where: str = "") -> Iterator[None]:
        """Go on after a malformed part, noting it with its place."""
        try:
            yield
        except Malformed as error:
            self.faults.append(": ".join(part for part in (self.prefix, where, str(error)) if part))

    def count(self, sentence: str) -> None:
        """Note one more thing of a kind; `{n}` in the sentence becomes their number."""
        self.counts[sentence] += 1

    def sentences(self) -> list[str]:
        """All notes."""
        return self.notes + [text.replace("{n}", str(number)) for text, number in self.counts.items()]


@dataclass
class Marks:
    """What a file says of one image, in the file's own coordinates (x, y).

    Attributes:
        image: the image as the file names it.
        size: (rows, columns) as the file states it; None where it does not.
        pixels: the points are pixels with centres at integers already, whatever the format's origin.
        source: the file, and `folder` the one that was given, where the file was found in one.
    """

    image: str
    points: dict[str, XY] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    size: tuple[int, int] | None = None
    pixels: bool = False
    source: Path = Path()
    folder: Path | None = None

    def place(self, name: str, point: XY | None) -> None:
        """Set a landmark's point; None: absent.

        Raises:
            Malformed: it has one already, or is called absent already.
        """
        if name in self.points or name in self.absent:
            raise Malformed(f"image {self.image!r}: landmark {name!r} is labelled twice; keep one")
        if point is None:
            self.absent.append(name)
        else:
            self.points[name] = point


@dataclass
class Reading:
    """What a format's reader is given.

    Attributes:
        images: the folder of the images.
        names: the landmarks in order, where they are known.
        units: of the coordinates, for the formats that leave it open.
        spacing: the user's, (row, column) in mm.
        declared: landmarks in the order the files list them; readers add to it.
    """

    images: ImageFolder
    names: tuple[str, ...] | None = None
    units: Units = "px"
    spacing: tuple[float, float] | None = None
    findings: Findings = field(default_factory=Findings)
    declared: dict[str, None] = field(default_factory=dict)

    def declare(self, names: Sequence[str]) -> None:
        """Take over the order in which a file lists its landmarks."""
        self.declared |= dict.fromkeys(names)

    def assign(self, names: Sequence[str]) -> None:
        """Take over an order for points whose file names none; one that was given is noted."""
        self.declare(names)
        if self.names:
            order = f"{len(names)} landmarks from {names[0]!r} to {names[-1]!r}"
            self.findings.count(f"{{n}} file(s) do not name their points; they are taken in the order given: {order}")


@dataclass(frozen=True)
class Source:
    """An annotation file.

    Attributes:
        content: a `Node` (JSON), an `Element` (XML) or text, by the suffix.
        folder: the folder that was given, where the file was found in one.
    """

    path: Path
    content: Any
    folder: Path | None = None

    @property
    def stem(self) -> str:
        """The file's path in that folder without extension: the image of a format that does not name it."""
        path = self.path.relative_to(self.folder) if self.folder else Path(self.path.name)
        return path.with_suffix("").as_posix()


@dataclass(frozen=True)
class Picture:
    """One image to write.

    Attributes:
        name: path relative to what all images have in common, `/` between its parts.
        stem: the same without extension, or with it where two images differ by it alone.
        path: the file.
        size: (rows, columns).
        annotation: the chosen reader's; empty where that reader has not seen the image.
    """

    name: str
    stem: str
    path: Path
    size: tuple[int, int]
    case: Case
    annotation: Annotation

    def xy(self, offset: float) -> dict[str, XY]:
        """The points, `offset` added, to a ten-thousandth of a pixel."""
        return {name: (round(x + offset, 4), round(y + offset, 4)) for name, (x, y) in self.annotation.points.items()}


@dataclass(frozen=True)
class Writing:
    """What a format's writer is given: the folder, the data set, its images, and what to add to x and y."""

    folder: Path
    dataset: LandmarkDataset
    pictures: list[Picture]
    offset: float

    def file(self, name: str) -> Path:
        """A file's path in the folder, its own folder made."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


@dataclass(frozen=True)
class Format:
    """One annotation format.

    Attributes:
        name: as in `--format`.
        tool: who writes it.
        suffixes: of its files, in lower case.
        origin: where the tool's (0, 0) lies; None where points are in millimetres and nothing is left open.
        recognise: told from the content of a `Source`.
        read: marks of a file; None for the plain table, which says more than marks.
        write: files written; None where the format is read only.
        holds: which of `TRAITS` it keeps.
        every_point: it has no way to leave a landmark out.
        opens_dicom: the tool shows DICOM files, or there is no tool.
        any_units: a file may be in pixels or millimetres and does not say.
    """

    name: str
    tool: str
    suffixes: tuple[str, ...]
    origin: Origin | None
    recognise: Callable[[Any], bool]
    read: Callable[[Source, Reading], list[Marks]] | None
    write: Callable[[Writing], list[Path]] | None
    holds: frozenset[str] = frozenset()
    every_point: bool = False
    opens_dicom: bool = False
    any_units: bool = False
