"""The data set file, version 1: scheme, cases, several readers' annotations, splits.

In the file points are (x, y), pixel centres at integers; everything this module hands out is (row, column).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.json_schema import SkipJsonSchema

from monai_landmarks.data.faults import describe_fault, find_faults, header_faults, repeated
from monai_landmarks.errors import ConfigError, DatasetError
from monai_landmarks.scheme import Scheme

__all__ = [
    "FORMAT",
    "SPLITS",
    "VERSION",
    "Annotation",
    "Case",
    "LandmarkDataset",
    "Side",
    "Split",
    "State",
    "find_faults",
    "load_dataset",
    "parse_dataset",
]

FORMAT = "monai_landmarks.dataset"
VERSION = 1
Split = Literal["training", "validation", "test"]
Side = Literal["L", "R", "both"]
SPLITS: tuple[Split, ...] = get_args(Split)


class State(IntEnum):
    """What is known of a landmark in an image."""

    UNLABELLED = 0
    PRESENT = 1
    ABSENT = 2


class Annotation(BaseModel):
    """One reader's points of one image."""

    model_config = ConfigDict(extra="forbid")

    reader: str = Field(min_length=1)
    points: dict[str, tuple[float, float]] = Field(default_factory=dict)
    absent: list[str] = Field(default_factory=list)
    confidence: dict[str, float] = Field(default_factory=dict)


class Case(BaseModel):
    """One image with what is known of it."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1)
    image: str = Field(min_length=1)
    frame: int = Field(default=1, ge=1)
    size: tuple[int, int] | None = None
    patient: str | None = None
    split: Split | None = None
    side: Side | None = None
    polarity: Literal["auto", "keep", "invert"] = "auto"
    spacing_mm: tuple[float, float] | None = None
    magnification: float | None = Field(default=None, gt=0)
    attributes: dict[str, Any] = Field(default_factory=dict)
    annotations: list[Annotation] = Field(default_factory=list)

    @property
    def patient_key(self) -> str:
        """The patient, or the case itself where none is named."""
        return self.patient or self.id

    def points(self, scheme: Scheme, reader: str = "mean") -> tuple[np.ndarray, np.ndarray]:
        """Points (K, 2) as (row, column), NaN unless present, and states (K,) of `State`.

        Args:
            scheme: gives the channel order.
            reader: a reader's name, or "mean": the mean of the readers who placed the point; absent where at
                least one reader says so and none placed it.
        """
        chosen = [a for a in self.annotations if reader in ("mean", a.reader)]
        points = np.full((len(scheme.names), 2), np.nan)
        states = np.full(len(scheme.names), int(State.UNLABELLED), dtype=np.int64)
        for k, name in enumerate(scheme.names):
            placed = [a.points[name] for a in chosen if name in a.points]
            if placed:
                points[k] = np.mean(placed, axis=0)[::-1]
                states[k] = State.PRESENT
            elif any(name in a.absent for a in chosen):
                states[k] = State.ABSENT
        return points, states


class LandmarkDataset(BaseModel):
    """The content of a data set file. `root` is the folder image paths are relative to."""

    model_config = ConfigDict(extra="forbid")

    format: Literal["monai_landmarks.dataset"] = "monai_landmarks.dataset"
    version: Literal[1] = 1
    coordinates: Literal["xy_pixel_centre"] = "xy_pixel_centre"
    # What a trained bundle may be used on: modality, body_part, view, each a list of values.
    scope: dict[str, list[str]] = Field(default_factory=dict)
    scheme: Scheme
    cases: list[Case]
    root: SkipJsonSchema[Path] = Field(default=Path(), exclude=True)

    @property
    def names(self) -> tuple[str, ...]:
        """Landmark names in channel order."""
        return self.scheme.names

    @property
    def readers(self) -> list[str]:
        """Every reader, in order of first appearance."""
        return list(dict.fromkeys(a.reader for case in self.cases for a in case.annotations))

    def select(self, split: str | Sequence[str] | None) -> list[Case]:
        """Cases of a split (or several); every case for None.

        Raises:
            ConfigError: for a name that is no split; a typing error would otherwise select nothing.
        """
        wanted = [split] if isinstance(split, str) else split
        unknown = sorted(set(wanted or ()) - set(SPLITS))
        if unknown:
            raise ConfigError(f"no split is called {', '.join(unknown)}; the splits are {', '.join(SPLITS)}")
        return [case for case in self.cases if wanted is None or case.split in wanted]

    def datalist(self, split: str | Sequence[str] | None = None, reader: str = "mean") -> list[dict[str, Any]]:
        """MONAI data list: one dictionary a case, ready for `LoadRadiographd`.

        Keys: image (path), case_id, patient, points (1, K, 2) float64 (row, column) with NaN where not
        present, state (K,) int64 of `State`, frame, polarity, spacing_mm ((row, column) or None),
        magnification.

        Raises:
            ConfigError: for a split or a reader the data set does not know.
        """
        if reader != "mean" and reader not in self.readers:
            raise ConfigError(f"no reader is called {reader}; choose mean, {', '.join(self.readers)}")
        items = []
        for case in self.select(split):
            points, states = case.points(self.scheme, reader)
            items.append(
                {
                    "image": str(self.root / case.image),
                    "case_id": case.id,
                    "patient": case.patient_key,
                    "points": points[None],
                    "state": states,
                    "frame": case.frame,
                    "polarity": case.polarity,
                    "spacing_mm": case.spacing_mm,
                    "magnification": case.magnification,
                }
            )
        return items

    def digest(self) -> str:
        """Sixteen hexadecimal digits of the SHA-256 of the content, for tracking."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:16]

    def test_digest(self) -> str:
        """Sixteen hexadecimal digits that stand for the patients of the test split, whichever file they are in."""
        patients = sorted({case.patient_key for case in self.cases if case.split == "test"})
        return hashlib.sha256("\n".join(patients).encode()).hexdigest()[:16]

    def relocated(self, folder: str | Path) -> LandmarkDataset:
        """The same data set for a file in another folder, its relative image paths leading to the same files.

        They go up with `../` where needed; absolute paths stay as they are.
        """
        target = Path(folder)
        cases = [
            case
            if Path(case.image).is_absolute()
            else case.model_copy(update={"image": _relative(self.root / case.image, target)})
            for case in self.cases
        ]
        return self.model_copy(update={"cases": cases, "root": target})

    def save(self, path: str | Path) -> None:
        """Write the file, readable and stable; image paths stay as they are (see `relocated`)."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        document = self.model_dump(mode="json")
        temporary = target.with_suffix(target.suffix + ".part")
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        temporary.replace(target)


def _relative(path: Path, folder: Path) -> str:
    return Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()


def load_dataset(path: str | Path) -> LandmarkDataset:
    """Read and validate a data set file.

    Raises:
        DatasetError: with every fault of the file at once.
    """
    dataset = parse_dataset(path)
    faults = find_faults(dataset)
    if faults:
        raise DatasetError(path, faults)
    return dataset


def parse_dataset(path: str | Path) -> LandmarkDataset:
    """Read a data set file and validate the type of every field, but not the content (see `find_faults`).

    Raises:
        DatasetError: the file is missing or no JSON, or has fields that are missing, unknown or of a wrong
            type.
    """
    source = Path(path)
    twice: list[str] = []
    try:
        text = source.read_text(encoding="utf-8")
        document = json.loads(text, object_pairs_hook=lambda pairs: _object(pairs, twice))
    except FileNotFoundError:
        remedy = "create it with `monai-landmarks import` or `monai-landmarks simulate`"
        raise DatasetError(source, [f"the file does not exist; {remedy}"]) from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise DatasetError(source, [f"not a readable JSON file: {error}"]) from None
    faults = [f"key {key!r} is written twice in one object; keep one" for key in twice]
    faults += header_faults(document)
    if not faults:
        try:
            return LandmarkDataset.model_validate({**document, "root": source.parent})
        except ValidationError as error:
            faults = [describe_fault(document, e) for e in error.errors()]
    raise DatasetError(source, faults)


def _object(pairs: list[tuple[str, Any]], twice: list[str]) -> dict[str, Any]:
    """A JSON object; keys that occur twice, of which `json` would silently drop one, are noted in `twice`."""
    content = dict(pairs)
    if len(content) < len(pairs):
        twice += repeated(key for key, _ in pairs)
    return content
