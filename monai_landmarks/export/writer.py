"""Writes predictions while an evaluator runs over a stream of radiographs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Events
from monai.engines.workflow import Workflow
from monai.utils import CommonKeys

from monai_landmarks.data.stream import RadiographStream
from monai_landmarks.errors import WriteError, find_cause, writing
from monai_landmarks.export.dicom import ResultWriter
from monai_landmarks.export.kinds import result_kinds
from monai_landmarks.export.pictures import picture_of
from monai_landmarks.export.predictions import (
    PredictedImage,
    PredictedPoint,
    file_stem,
    known_spacing,
    write_predictions,
)
from monai_landmarks.scheme import Scheme


class PredictionWriter:
    """Collects each image's points and writes predictions.csv, measurements.csv, predictions.json and pictures.

    Args:
        directory: where they go.
        stream: the data set that is run over; what it skipped and what failed goes into the JSON file.
        scheme: the landmarks, in channel order, and what is measured from them.
        model: name, version and training data of the model, for the JSON file and the DICOM results.
        overlays: draw each image with its points into `directory`/overlays.
        dicom: which DICOM results ("sr", "gsps", "sc") to write into `directory`/dicom.
        errors_mm: standard deviation of each landmark's coordinates, by name, for the measurements' uncertainty.

    Attributes:
        images: what was found so far.
        notes: name of an image, and what there is to know of it and of its DICOM results.

    Raises:
        ConfigError: there is no such DICOM result, or the package that writes it is not installed.
    """

    def __init__(
        self,
        directory: str | Path,
        stream: RadiographStream,
        scheme: Scheme,
        model: dict[str, Any],
        overlays: bool = True,
        dicom: Sequence[str] = (),
        errors_mm: Mapping[str, float] | None = None,
    ) -> None:
        self.directory = Path(directory)
        self.stream = stream
        self.scheme = scheme
        self.model = model
        self.overlays = overlays
        self.errors_mm = errors_mm or {}
        kinds = result_kinds(dicom)
        self.results = ResultWriter(self.directory / "dicom", kinds, model, scheme.name) if kinds else None
        self.images: list[PredictedImage] = []
        self.notes: list[tuple[str, str]] = []
        self.taken: set[str] = set()
        self.stopped: str | None = None

    def attach(self, engine: Workflow) -> None:
        """Register on an evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.iteration_completed)
        engine.add_event_handler(Events.COMPLETED, self.completed)
        engine.add_event_handler(Events.EXCEPTION_RAISED, self.exception_raised)

    def iteration_completed(self, engine: Workflow) -> None:
        """Take the points of a batch.

        Raises:
            WriteError: a picture or a DICOM result cannot be written.
        """
        for item, output in zip(engine.state.batch, engine.state.output):
            image = self.measured(self.predicted(item, np.asarray(output[CommonKeys.PRED])))
            self.images.append(image)
            frames = int(item["image"].meta.get("frames", 1))
            if frames > 1:
                self.notes.append((image.name, f"has {frames} frames; only the first is predicted"))
            stem = self.free_stem(image.name)
            if self.overlays:
                target = self.directory / "overlays" / f"{stem}.png"
                picture = picture_of(image)
                with writing(target):
                    target.parent.mkdir(parents=True, exist_ok=True)
                    picture.save(target)
            if self.results:
                self.notes += [(image.name, note) for note in self.results.write(image, stem)]

    def predicted(self, item: dict[str, Any], values: np.ndarray) -> PredictedImage:
        """An item of the stream with its output (K, 4): row, column, confidence, presence."""
        return PredictedImage(
            name=str(item["case_id"]),
            size=(int(item["size"][0]), int(item["size"][1])),
            spacing=known_spacing(item["spacing"]),
            plane=str(item["spacing_plane"]),
            points=tuple(
                PredictedPoint(name, *(float(v) for v in row)) for name, row in zip(self.scheme.names, values)
            ),
            file=Path(item["file"]),
        )

    def measured(self, image: PredictedImage) -> PredictedImage:
        """The image with what the scheme measures."""
        if not self.scheme.measurements:
            return image
        from monai_landmarks.measure import measure_points

        measurements = measure_points(
            self.scheme,
            image.coordinates(),
            spacing=image.spacing,
            plane=image.plane,
            errors_mm=self.errors_mm,
            unlabelled=[point.name for point in image.points if not point.sought],
        )
        return replace(image, measurements=tuple(measurements))

    def free_stem(self, image: str) -> str:
        """What the names of this image's files begin with, and no other image's."""
        stem = free = file_stem(image)
        number = 1
        # Some file systems do not tell capital letters apart.
        while free.lower() in self.taken:
            number += 1
            free = f"{stem}-{number}"
        self.taken.add(free.lower())
        return free

    def completed(self, engine: Workflow) -> None:
        """Write the tables; leave the notes where whoever runs the engine finds them."""
        engine.state.notes = self.notes
        self.write_tables()

    def exception_raised(self, engine: Workflow, error: Exception) -> None:
        """Write the tables of what was predicted so far. Ignite leaves raising the error to this handler.

        Raises:
            Exception: the error itself.
            WriteError: the error, and that the tables cannot be written either.
        """
        # Ignite comes twice: for the epoch and for the run.
        if self.stopped is None:
            self.stopped = str(find_cause(error) or type(error).__name__)
            try:
                self.write_tables()
            except WriteError as second:
                raise WriteError(f"{self.stopped}; the tables are incomplete, too: {second}") from error
        raise error

    def write_tables(self) -> None:
        """Write what there is, and why it is not all."""
        stopped = None if self.stopped is None else self.below(self.stopped)
        skipped = [(self.stream.name_of(path), self.below(reason)) for path, reason in self.stream.skipped]
        failed = [(self.stream.name_of(path), self.below(reason)) for path, reason in self.stream.failed]
        notes = [(image, self.below(note)) for image, note in self.notes]
        write_predictions(self.directory, self.images, skipped, failed, self.model, notes, stopped)

    def below(self, text: str) -> str:
        """A message without the folders above the inputs: tables are passed on, and folders may name people."""
        for root in self.stream.roots:
            text = text.replace(f"{root if root.is_dir() else root.parent}{os.sep}", "")
        return text
