"""The largest resident memory of a process that does one thing alone; each function runs in a process of its own."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from pydicom.uid import JPEG2000Lossless
from speed_prediction import BACKENDS, DIGEST, EAGER, export_file, network_of
from speed_reading import preprocessing
from speed_row import Row
from speed_training import made_up_bundle
from training_step import bare_step

from monai_landmarks.engines.allocator import keep_freed_memory
from monai_landmarks.engines.footprint import peak_memory
from monai_landmarks.sharing.export_formats import FORMATS


def bare_memory(side: int, landmarks: int, batch_size: int) -> Row:
    """Bare steps."""
    with TemporaryDirectory() as folder:
        content = made_up_bundle(Path(folder), side, landmarks, batch_size)
        step = bare_step(content, next(iter(content("train#dataloader"))))
        for _ in range(3):
            step()
        return _row(f"bare step, batch of {batch_size}", side, landmarks)


def trainer_memory(side: int, landmarks: int, batch_size: int) -> Row:
    """An epoch of the bundle's trainer, its validation included."""
    with TemporaryDirectory() as folder:
        content = made_up_bundle(Path(folder), side, landmarks, batch_size)
        trainer = content("train#trainer")
        trainer.state.max_epochs = 1
        trainer.run()
        return _row(f"trainer, batch of {batch_size}", side, landmarks)


@torch.no_grad()
def prediction_memory(folder: Path, name: str, side: int, landmarks: int, batch: int) -> Row:
    """Two predictions by one backend; name "" is PyTorch."""
    keep_freed_memory()
    torch.set_num_threads(1)
    image = torch.rand(batch, 1, side, side)
    run = FORMATS[name].read(export_file(folder, name, landmarks), DIGEST) if name else network_of(landmarks)
    for _ in range(2):
        run(image)
    return _row(f"{BACKENDS.get(name, EAGER)}, batch of {batch}, 1 thread", side, landmarks)


def reading_memory(folder: Path, side: int, input_size: tuple[int, int]) -> Row:
    """One JPEG 2000 file of side x side to the network's input."""
    torch.set_num_threads(1)
    preprocessing(input_size)({"image": str(folder / f"{JPEG2000Lossless}.dcm")})
    return _row("reading and preprocessing, JPEG 2000", side)


def _row(what: str, side: int, landmarks: int | None = None) -> Row:
    return Row(part="memory", what=what, size=f"{side} x {side}", landmarks=landmarks, mb=peak_memory() / 1e6)
