"""Writes predictions while an evaluator runs over a stream of radiographs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Events
from monai.engines.workflow import Workflow
from monai.utils import CommonKeys

from monai_landmarks.data.stream import RadiographStream
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

    Attributes:
        images: what was found so far.
        notes: name of an image, and what there is to know of its DICOM results.

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
    ) -> None:
        self.directory = Path(directory)
        self.stream = stream
        self.scheme = scheme
        self.model = model
        self.overlays = overlays
        kinds = result_kinds(dicom)
        self.results = ResultWriter(self.directory / "dicom", kinds, model, scheme.name) if kinds else None
        self.images: list[PredictedImage] = []
        self.notes: list[tuple[str, str]] = []
        self.taken: list[str] = []

    def attach(self, engine: Workflow) -> None:
        """Register on an evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.iteration_completed)
        engine.add_event_handler(Events.COMPLETED, self.completed)

    def iteration_completed(self, engine: Workflow) -> None:
        """Take the points of a batch."""
        for item, output in zip(engine.state.batch, engine.state.output):
            image = self.measured(self.predicted(item, np.asarray(output[CommonKeys.PRED])))
            self.images.append(image)
            stem = self.free_stem(image.name)
            if self.overlays:
                target = self.directory / "overlays" / f"{stem}.png"
                target.parent.mkdir(parents=True, exist_ok=True)
                picture_of(image).save(target)
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

        measurements = measure_points(self.scheme, image.coordinates(), spacing=image.spacing, plane=image.plane)
        return replace(image, measurements=tuple(measurements))

    def free_stem(self, image: str) -> str:
        """What the names of this image's files begin with, and no other image's."""
        stem = file_stem(image)
        number = sum(taken == stem for taken in self.taken)
        self.taken.append(stem)
        return stem if number == 0 else f"{stem}-{number + 1}"

    def completed(self, engine: Workflow) -> None:
        """Write the tables; leave the notes where whoever runs the engine finds them."""
        engine.state.notes = self.notes
        skipped = [(self.stream.name_of(path), reason) for path, reason in self.stream.skipped]
        failed = [(self.stream.name_of(path), reason) for path, reason in self.stream.failed]
        write_predictions(self.directory, self.images, skipped, failed, self.model, self.notes)
