"""Radiographs as they come: files and folders in, items out, what cannot be used kept with its reason."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.data import MetaTensor
from torch.utils.data import IterableDataset

from monai_landmarks.data.discover import discover, same_image_as
from monai_landmarks.data.spacing import needed_spacing
from monai_landmarks.errors import ConfigError, LandmarksError, ReadError, UnsupportedObjectError, find_cause

# Planes whose spacing a magnification may divide.
UNCORRECTED_PLANES = ("detector_plane", "unspecified")
# Header field in the image's meta for each entry of a bundle's scope.
SCOPE_FIELDS = ("modality", "body_part", "view")


class ScopeError(LandmarksError):
    """An image of a kind the model was not trained on."""


def check_scope(meta: Mapping[str, Any], scope: Mapping[str, Sequence[str]]) -> None:
    """Compare an image's header with what a model was trained on. A field the header leaves empty says nothing.

    Raises:
        ScopeError: naming the field, what it says and what is allowed.
    """
    for field in SCOPE_FIELDS:
        found, allowed = str(meta.get(field, "")), [value.upper() for value in scope.get(field, [])]
        if found and allowed and found.upper() not in allowed:
            raise ScopeError(
                f"{field.replace('_', ' ')} is {found}, the model was trained on {', '.join(allowed)}; use "
                "--out-of-scope to try all the same"
            )


class RadiographStream(IterableDataset):
    """Reads radiographs one after the other; a file that cannot be used never stops the rest.

    Where several files hold the same DICOM image, the first that can be read is used.

    Args:
        inputs: files and folders.
        transform: the bundle's preprocessing, from a path under "image" on.
        scope: what the model was trained on (modality, body_part, view); empty allows anything.
        spacing_mm: (row, column) spacing for images that have none.
        magnification: for images whose spacing is not corrected for it, and for `spacing_mm`.
        ball_spacing_mm: (row, column) spacing in the plane of a marker ball (measure.ball), for images without spacing
            and for those whose spacing is not corrected for magnification, which it replaces.
        needs_spacing: images whose spacing stays unknown, or cannot be meant, fail.

    Raises:
        ConfigError: a ball and a spacing or magnification: two answers to one question.

    Attributes:
        skipped: files that are no radiographs, with the reason.
        failed: radiographs that could not be read or are out of scope, with the reason.
    """

    def __init__(
        self,
        inputs: Sequence[str | Path],
        transform: Callable[[Any], Any],
        scope: Mapping[str, Sequence[str]] | None = None,
        spacing_mm: Sequence[float] | None = None,
        magnification: float | None = None,
        ball_spacing_mm: Sequence[float] | None = None,
        needs_spacing: bool = False,
    ) -> None:
        if ball_spacing_mm is not None and (spacing_mm is not None or magnification is not None):
            raise ConfigError("a ball gives the spacing of the anatomy's plane; leave spacing and magnification out")
        self.roots = [Path(path) for path in inputs]
        self.transform = transform
        self.scope = scope or {}
        self.spacing_mm = tuple(spacing_mm) if spacing_mm is not None else None
        self.magnification = magnification
        self.ball_spacing_mm = tuple(ball_spacing_mm) if ball_spacing_mm is not None else None
        self.needs_spacing = needs_spacing
        found = discover(self.roots)
        self.files = found.files
        self.copies = found.copies
        self.skipped: list[tuple[Path, str]] = list(found.skipped)
        self.failed: list[tuple[Path, str]] = []

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Items in the order of the files."""
        for number, path in enumerate(self.files):
            fault = None
            for file in (path, *self.copies.get(path, ())):
                item = {"image": str(file), "case_id": self.name_of(file), "file": str(file), "index": number}
                try:
                    loaded = self.load(item)
                    check_scope(_meta(loaded["image"]), self.scope)
                    if self.needs_spacing:
                        needed_spacing(loaded["spacing"], loaded["size"])
                except Exception as error:
                    reason = find_cause(error)
                    if not isinstance(reason, (ReadError, ScopeError)):
                        raise
                    fault = fault or reason
                    continue
                if fault is not None:
                    self._exchange(path, file, fault)
                yield loaded
                break
            else:
                target = self.skipped if isinstance(fault, UnsupportedObjectError) else self.failed
                target.append((path, str(fault)))

    def _exchange(self, path: Path, copy: Path, fault: LandmarksError) -> None:
        """Skip a file that cannot be read instead of the copy of it that can."""
        again = {other: same_image_as(copy) for other in self.copies[path]}
        self.skipped = [(file, again.get(file, reason)) for file, reason in self.skipped if file != copy]
        self.skipped.append((path, f"its copy {copy} is used instead: {fault}"))

    def load(self, item: dict[str, Any]) -> dict[str, Any]:
        """An item as its file has it; read once more with the user's spacing or magnification where it lacks them."""
        loaded = self.transform(item)
        plane = str(loaded["spacing_plane"])
        if self.ball_spacing_mm is not None and plane in ("unknown", *UNCORRECTED_PLANES):
            given: dict[str, Any] = {"spacing_mm": self.ball_spacing_mm}
        elif plane == "unknown" and self.spacing_mm is not None:
            given = {"spacing_mm": self.spacing_mm, "magnification": self.magnification}
        elif plane in UNCORRECTED_PLANES and self.magnification is not None:
            given = {"magnification": self.magnification}
        else:
            return loaded
        return self.transform({**item, **given})

    def name_of(self, path: Path) -> str:
        """Path below the one input folder; below the folder all inputs share where there are several."""
        root = self.roots[0]
        if len(self.roots) > 1:
            root = Path(os.path.commonpath([r.resolve() if r.is_dir() else r.resolve().parent for r in self.roots]))
            return path.resolve().relative_to(root).as_posix()
        return path.relative_to(root).as_posix() if root.is_dir() else path.name


def _meta(image: Any) -> Mapping[str, Any]:
    return image.meta if isinstance(image, MetaTensor) else {}
