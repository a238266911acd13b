"""What an evaluation found: one row of numbers an image and landmark, and its CSV file."""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from monai_landmarks.data.dataset import State
from monai_landmarks.data.faults import repeated
from monai_landmarks.errors import LandmarksError
from monai_landmarks.metrics.points import distances

COLUMNS = (
    "case_id", "patient", "image", "landmark", "state",
    "truth_row", "truth_column", "predicted_row", "predicted_column", "confidence", "presence",
    "spacing_row", "spacing_column", "spacing_plane", "scale_row", "scale_column",
    "error_px", "error_mm", "error_network_px",
)  # fmt: skip
LISTS = ("case_ids", "patients", "images", "planes")
ARRAYS = ("truth", "state", "predicted", "confidence", "presence", "spacing", "network_scale")
NUMBERS = tuple(name for name in COLUMNS[5:16] if name != "spacing_plane")


@dataclass
class Results:
    """Truth and prediction of N images and K landmarks, in original pixels.

    Attributes:
        names: K landmark names in channel order.
        groups: channel numbers of each group of landmarks.
        case_ids: N case ids.
        patients: N patients, the unit of resampling.
        images: N image paths.
        truth: (N, K, 2) (row, column), NaN unless present.
        state: (N, K) of `State`.
        predicted: (N, K, 2) (row, column).
        confidence: (N, K).
        presence: (N, K) probability that the landmark is in the image.
        spacing: (N, 2) mm per pixel (row, column), NaN where unknown.
        planes: N planes the spacing holds in (`calibrated`, `patient_plane`, `detector_plane`, ...).
        network_scale: (N, 2) network pixels per original pixel (row, column).
    """

    names: tuple[str, ...]
    groups: dict[str, list[int]]
    case_ids: list[str]
    patients: list[str]
    images: list[str]
    truth: np.ndarray
    state: np.ndarray
    predicted: np.ndarray
    confidence: np.ndarray
    presence: np.ndarray
    spacing: np.ndarray
    planes: list[str]
    network_scale: np.ndarray

    def __post_init__(self) -> None:
        n, k = len(self.case_ids), len(self.names)
        wanted = {"truth": (n, k, 2), "state": (n, k), "predicted": (n, k, 2), "confidence": (n, k)}
        wanted |= {"presence": (n, k), "spacing": (n, 2), "network_scale": (n, 2)}
        for name, shape in wanted.items():
            kind = np.int64 if name == "state" else np.float64
            value = np.asarray(getattr(self, name), dtype=kind)
            if value.shape != shape:
                raise ValueError(f"{name} has shape {value.shape}, expected {shape}: {n} cases, {k} landmarks")
            setattr(self, name, value)
        for name in ("patients", "images", "planes"):
            if len(getattr(self, name)) != n:
                raise ValueError(f"{name} has {len(getattr(self, name))} entries for {n} cases")

    def errors_px(self) -> np.ndarray:
        """(N, K) distances in original pixels; see `points.distances` for NaN and infinity."""
        return distances(self.predicted, self.truth, self.state, np.ones_like(self.spacing))

    def errors_mm(self) -> np.ndarray:
        """(N, K) distances in millimetres of each image's plane; NaN also where the image has no spacing."""
        return distances(self.predicted, self.truth, self.state, self.spacing)

    def errors_network_px(self) -> np.ndarray:
        """(N, K) distances in pixels of the network's input."""
        return distances(self.predicted, self.truth, self.state, self.network_scale)

    def take(self, rows: Sequence[int]) -> Results:
        """The results of some of the images, in this order."""
        lists: dict[str, Any] = {name: [getattr(self, name)[i] for i in rows] for name in LISTS}
        arrays: dict[str, Any] = {name: getattr(self, name)[list(rows)] for name in ARRAYS}
        return replace(self, **lists, **arrays)

    def only(self, chosen: np.ndarray) -> Results:
        """The points `chosen` (N, K), of the images that have one; what is not chosen counts as unlabelled."""
        state = np.where(chosen, self.state, int(State.UNLABELLED))
        truth = np.where(chosen[..., None], self.truth, np.nan)
        rows = np.flatnonzero(chosen.any(axis=1)).tolist()
        return replace(self, state=state, truth=truth).take(rows)

    def write_csv(self, path: str | Path) -> None:
        """Write `cases.csv`, a row per case and landmark: floats exact, unknown empty, paths relative."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        errors = np.stack([self.errors_px(), self.errors_mm(), self.errors_network_px()], axis=-1)
        temporary = target.with_suffix(target.suffix + ".part")
        with temporary.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            for i, case_id in enumerate(self.case_ids):
                # Lexical on purpose, here and when reading: a link to the images stays a link.
                image = Path(os.path.relpath(self.images[i], target.parent)).as_posix()
                for k, name in enumerate(self.names):
                    about = [case_id, self.patients[i], image, name]
                    writer.writerow([*about, *self._cells(i, k), *_text(errors[i, k])])
        temporary.replace(target)

    def _cells(self, i: int, k: int) -> list[str]:
        measured = [*self.truth[i, k], *self.predicted[i, k], self.confidence[i, k], self.presence[i, k]]
        state = State(int(self.state[i, k])).name.lower()
        return [state, *_text([*measured, *self.spacing[i]]), self.planes[i], *_text(self.network_scale[i])]

    @classmethod
    def joined(cls, parts: Sequence[Results]) -> Results:
        """Results of the same landmarks of different images as one.

        Raises:
            LandmarksError: the landmarks differ, or an image is in two parts.
        """
        first = parts[0]
        if any(part.names != first.names for part in parts):
            raise LandmarksError("evaluations of different landmarks cannot be joined")
        lists: dict[str, Any] = {name: [entry for part in parts for entry in getattr(part, name)] for name in LISTS}
        arrays: dict[str, Any] = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ARRAYS}
        if twice := repeated(lists["case_ids"]):
            raise LandmarksError(f"evaluations that share cases cannot be joined: {', '.join(twice)}")
        return replace(first, **lists, **arrays)

    @classmethod
    def read_csv(cls, path: str | Path, groups: Mapping[str, Sequence[int]] | None = None) -> Results:
        """Read what `write_csv` wrote; image paths come back absolute. The file holds no groups: pass them.

        Raises:
            LandmarksError: the file is missing, is no such table, or its rows do not fit together.
        """
        source = Path(path)
        rows = _read_rows(source)
        names = tuple(dict.fromkeys(row["landmark"] for row in rows))
        k = len(names)
        firsts = rows[::k]
        expected = [(first["case_id"], name) for first in firsts for name in names]
        case_ids = [first["case_id"] for first in firsts]
        found = [(row["case_id"], row["landmark"]) for row in rows]
        if found != expected or len(set(case_ids)) != len(case_ids):
            raise LandmarksError(f"{source}: not one row per case and landmark, in order; evaluate the model again")
        shape = (len(firsts), k)
        folder = source.parent.absolute()
        try:
            number = {name: np.array([_number(row[name]) for row in rows]).reshape(shape) for name in NUMBERS}
            state = np.array([State[row["state"].upper()] for row in rows]).reshape(shape)
        except (KeyError, ValueError) as error:
            raise LandmarksError(f"{source}: a value cannot be read: {error}; evaluate the model again") from None
        return cls(
            names=names,
            groups={group: list(members) for group, members in (groups or {}).items()},
            case_ids=case_ids,
            patients=[first["patient"] for first in firsts],
            images=[os.path.normpath(folder / first["image"]) for first in firsts],
            truth=np.stack([number["truth_row"], number["truth_column"]], axis=-1),
            state=state,
            predicted=np.stack([number["predicted_row"], number["predicted_column"]], axis=-1),
            confidence=number["confidence"],
            presence=number["presence"],
            spacing=np.stack([number["spacing_row"][:, 0], number["spacing_column"][:, 0]], axis=-1),
            planes=[first["spacing_plane"] for first in firsts],
            network_scale=np.stack([number["scale_row"][:, 0], number["scale_column"][:, 0]], axis=-1),
        )


def _text(values: Sequence[float] | np.ndarray) -> list[str]:
    """Shortest text that reads back as the same float; empty for NaN."""
    return ["" if np.isnan(value) else repr(float(value)) for value in values]


def _number(text: str) -> float:
    return float(text) if text else float("nan")


def _read_rows(source: Path) -> list[dict[str, str]]:
    try:
        with source.open(newline="", encoding="utf-8") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            rows = list(reader)
    except FileNotFoundError:
        raise LandmarksError(f"{source}: no such file; evaluate the model to write it") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise LandmarksError(f"{source}: not a readable CSV file: {error}") from None
    if missing:
        raise LandmarksError(f"{source}: lacks the columns {', '.join(missing)}; it is not written by an evaluation")
    if not rows:
        raise LandmarksError(f"{source}: holds no case; evaluate the model on a split that has cases")
    return rows
