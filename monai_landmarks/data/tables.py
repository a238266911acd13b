"""Import of landmark tables: CSV files, wide (a row an image and reader) or long (a row a point)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from monai_landmarks.data.dataset import SPLITS, LandmarkDataset
from monai_landmarks.data.image_files import ImageFolder
from monai_landmarks.data.image_size import image_size
from monai_landmarks.data.table_cases import CaseBuilder, RowReader
from monai_landmarks.data.table_file import Table, read_table
from monai_landmarks.errors import ConfigError, DatasetError
from monai_landmarks.names import name_fault
from monai_landmarks.scheme import Landmark, Scheme

Origin = Literal["centre", "corner"]
# In a file whose origin is the corner of the first pixel, that pixel's centre is at (0.5, 0.5).
OFFSETS: dict[str, float] = {"centre": 0.0, "corner": 0.5}
USUAL_SPLITS = {"train": "training", "val": "validation", "valid": "validation", "testing": "test"}
PAIR_ENDINGS = {"_left": "_right", "_right": "_left", "_l": "_r", "_r": "_l"}


def import_table(
    csv_path: str | Path,
    images: str | Path,
    *,
    scheme_name: str | None = None,
    spacing_mm: float | tuple[float, float] | None = None,
    split_names: Mapping[str, str] | None = None,
    extension: str | None = None,
    origin: Origin = "centre",
    ignore: Sequence[str] = (),
    leave_out: Sequence[str] = (),
    reader: str | None = None,
) -> LandmarkDataset:
    """A data set from a CSV table and a folder of images. Its root is that folder (see `relocated`).

    Wide: a row an image (and reader), columns NAME_x and NAME_y. Long: columns landmark, x, y. Both: image
    (or file, filename, case); optional reader (annotator), split (set), patient, side, frame, spacing_mm,
    magnification; every other column is an attribute of the case. An empty point is unlabelled, the word
    "absent" in place of a number means absent. Patients become P0001... (`pseudonyms`). A case's size is what the
    image's header says.

    Args:
        csv_path: the table. Comma, semicolon or tab between cells.
        images: the folder that holds the images, in sub-folders or not; their extensions may be left out.
        scheme_name: a name for the set of landmarks; the table's name without it.
        spacing_mm: pixel spacing of every image, (row, column) or one number; the table's column goes first.
        split_names: the table's names of splits -> training, validation or test.
        extension: look only at files that end so.
        origin: where (0, 0) lies: at the first pixel's "centre" or at its upper left "corner".
        ignore: columns to leave out.
        leave_out: ids of cases (file names without extension) not to import, such as known duplicates.
        reader: who placed the points, where the table does not say.

    Raises:
        DatasetError: with every fault of the table, each with its line.
        ConfigError: a split name leads to no split of ours, the spacing is not positive, or a reader is given twice.
    """
    table = read_table(Path(csv_path), ignore=tuple(ignore))
    folder = ImageFolder(_existing(Path(images), table), extension)
    spacing = None if spacing_mm is None else spacing_pair(spacing_mm)
    rows = RowReader(table, _split_table(split_names or {}), OFFSETS[origin])
    if reader and "reader" in table.headings:
        raise ConfigError(f"{csv_path} names its readers (column {table.headings['reader']}); leave --reader out")
    builder = CaseBuilder(table, folder, rows, reader)
    for row in table.rows:
        builder.add(row)
    cases = builder.cases(spacing)
    missing = sorted(set(leave_out) - {case.id for case in cases})
    builder.faults += [f"there is no case {name!r} to leave out" for name in missing]
    if builder.faults:
        raise DatasetError(csv_path, builder.faults)
    scheme = scheme_of(scheme_name or Path(csv_path).stem, builder.landmarks)
    kept = [
        case.model_copy(update={"size": image_size(folder.folder / case.image, case.frame)})
        for case in cases
        if case.id not in leave_out
    ]
    return LandmarkDataset(scheme=scheme, cases=kept, root=folder.folder)


def unused_images(dataset: LandmarkDataset, extension: str | None = None) -> list[str]:
    """Images below the data set's root that no case speaks of (just after `import_table`)."""
    used = {case.image for case in dataset.cases}
    return [path for path in ImageFolder(dataset.root, extension).paths if path not in used]


def _existing(images: Path, table: Table) -> Path:
    if not images.is_dir():
        raise DatasetError(table.path, [f"{images} is no folder; name the folder that holds the images"])
    return images


def spacing_pair(value: float | tuple[float, float]) -> tuple[float, float]:
    """One number or (row, column) as (row, column).

    Raises:
        ConfigError: not positive.
    """
    pair = (float(value), float(value)) if isinstance(value, int | float) else (float(value[0]), float(value[1]))
    if not all(math.isfinite(mm) and mm > 0 for mm in pair):
        raise ConfigError(f"the spacing {value} must be positive, in mm per pixel")
    return pair


def _split_table(given: Mapping[str, str]) -> dict[str, str]:
    wrong = sorted({ours for ours in given.values() if ours not in SPLITS})
    if wrong:
        raise ConfigError(f"no split is called {', '.join(wrong)}; the splits are {', '.join(SPLITS)}")
    usual = {name: name for name in SPLITS} | USUAL_SPLITS
    return usual | {theirs.lower(): ours for theirs, ours in given.items()}


def scheme_of(name: str, landmarks: Sequence[str]) -> Scheme:
    """Landmarks in the given order; pairs guessed from the endings _left/_right and _l/_r, in any case.

    Raises:
        ConfigError: a name that no landmark or set of landmarks may have.
    """
    if faults := [fault for fault in map(name_fault, (name, *landmarks)) if fault]:
        raise ConfigError(f"landmarks of {name!r}: " + "; ".join(faults))
    by_lower = {landmark.lower(): landmark for landmark in landmarks}
    if len(by_lower) < len(landmarks):  # names that differ by case alone: guess nothing
        by_lower = {}
    members = []
    for landmark in landmarks:
        lower = landmark.lower()
        ending = next((e for e in PAIR_ENDINGS if lower.endswith(e)), None)
        other = by_lower.get(lower.removesuffix(ending) + PAIR_ENDINGS[ending]) if ending else None
        members.append(Landmark(name=landmark, pair=other))
    return Scheme(name=name, landmarks=tuple(members))
