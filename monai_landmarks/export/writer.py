"""Writes predictions while an evaluator runs over a stream of radiographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ignite.engine import Events
from monai.engines.workflow import Workflow
from monai.utils import CommonKeys

from monai_landmarks.data.reader import read_radiograph
from monai_landmarks.data.stream import RadiographStream
from monai_landmarks.draw import overlay
from monai_landmarks.export.predictions import (
    PredictedImage,
    PredictedPoint,
    known_spacing,
    overlay_name,
    write_predictions,
)


class PredictionWriter:
    """Collects each image's points and writes predictions.csv, predictions.json and overlays.

    Args:
        directory: where they go.
        stream: the data set that is run over; what it skipped and what failed goes into the JSON file.
        names: the landmarks, in channel order.
        model: name, version and training data of the model, for the JSON file.
        overlays: draw each image with its points into `directory`/overlays.
    """

    def __init__(
        self,
        directory: str | Path,
        stream: RadiographStream,
        names: Sequence[str],
        model: dict[str, Any],
        overlays: bool = True,
    ) -> None:
        self.directory = Path(directory)
        self.stream = stream
        self.names = tuple(names)
        self.model = model
        self.overlays = overlays
        self.images: list[PredictedImage] = []
        self.taken: list[str] = []

    def attach(self, engine: Workflow) -> None:
        """Register on an evaluator."""
        engine.add_event_handler(Events.ITERATION_COMPLETED, self.iteration_completed)
        engine.add_event_handler(Events.COMPLETED, self.completed)

    def iteration_completed(self, engine: Workflow) -> None:
        """Take the points of a batch."""
        for item, output in zip(engine.state.batch, engine.state.output):
            values = np.asarray(output[CommonKeys.PRED])
            image = PredictedImage(
                name=str(item["case_id"]),
                size=(int(item["size"][0]), int(item["size"][1])),
                spacing=known_spacing(item["spacing"]),
                plane=str(item["spacing_plane"]),
                points=tuple(PredictedPoint(name, *(float(v) for v in row)) for name, row in zip(self.names, values)),
            )
            self.images.append(image)
            if self.overlays:
                self.draw(image, Path(item["file"]))

    def draw(self, image: PredictedImage, file: Path) -> None:
        """Overlay of the points that are believed present."""
        points = np.array([[p.row, p.column] if p.present else [np.nan, np.nan] for p in image.points])
        picture = overlay(read_radiograph(file).pixels, predicted=points, names=self.names)
        target = self.directory / "overlays" / self.free_name(image.name)
        target.parent.mkdir(parents=True, exist_ok=True)
        picture.save(target)

    def free_name(self, image: str) -> str:
        """An overlay's file name that no other image has taken."""
        name = overlay_name(image)
        number = sum(taken == name for taken in self.taken)
        self.taken.append(name)
        return name if number == 0 else f"{name.removesuffix('.png')}-{number + 1}.png"

    def completed(self, engine: Workflow) -> None:
        """Write the tables."""
        skipped = [(self.stream.name_of(path), reason) for path, reason in self.stream.skipped]
        failed = [(self.stream.name_of(path), reason) for path, reason in self.stream.failed]
        write_predictions(self.directory, self.images, skipped, failed, self.model)
