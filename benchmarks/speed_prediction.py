"""The network's prediction and its decoding: PyTorch, ONNX Runtime and torch.export's file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from interleaved import interleave
from speed_row import Row, paired
from torch import Tensor

from monai_landmarks.codecs.decode import ArgmaxCodec, Categorical, LocalSoftArgmaxCodec
from monai_landmarks.engines.allocator import keep_freed_memory
from monai_landmarks.networks.unet import LandmarkUNet
from monai_landmarks.sharing.export_formats import FORMATS

BACKENDS = {"onnx": "ONNX Runtime", "pt2": ".pt2 (torch.export)"}
EAGER = "PyTorch"
DIGEST = "speed"


def network_of(landmarks: int) -> LandmarkUNet:
    """The recipe's network; random weights take the same time."""
    torch.manual_seed(0)
    return LandmarkUNet(landmarks).eval()


def prediction_rows(folder: Path, plan: Sequence[tuple[str, int, int, int, int, int]]) -> list[Row]:
    """A row for each backend, side, landmarks, batch, threads and pairs; the exported files stay in the folder."""
    keep_freed_memory()
    write_exports(folder, {one[2]: None for one in plan})
    return [_prediction_row(folder, *one) for one in plan]


def write_exports(folder: Path, landmarks: Iterable[int]) -> None:
    """The network in every format, for so many landmarks each."""
    for count in landmarks:
        for name in BACKENDS:
            FORMATS[name].write(network_of(count), export_file(folder, name, count), DIGEST)


def export_file(folder: Path, name: str, landmarks: int) -> Path:
    """Where a format's file of the network lies."""
    return folder / f"{landmarks}{FORMATS[name].suffix}"


@torch.no_grad()
def _prediction_row(folder: Path, name: str, side: int, landmarks: int, batch: int, threads: int, pairs: int) -> Row:
    """A file against the network it was made from."""
    torch.set_num_threads(threads)
    image = torch.rand(batch, 1, side, side)
    run, network = FORMATS[name].read(export_file(folder, name, landmarks), DIGEST), network_of(landmarks)
    fields: dict[str, Any] = paired(interleave(partial(run, image), partial(network, image), pairs=pairs), batch)
    return Row(
        part="prediction",
        what=f"{BACKENDS[name]}, batch of {batch}, {threads} thread{'s' if threads > 1 else ''}",
        size=f"{side} x {side}",
        landmarks=landmarks,
        against=EAGER,
        **fields,
    )


def decoding_rows(plan: Sequence[tuple[int, int, int]]) -> list[Row]:
    """From logits to points below the pixel, against looking for the largest pixel; by side, landmarks and pairs."""
    keep_freed_memory()
    torch.set_num_threads(1)
    return [_decoding_row(*one) for one in plan]


def _decoding_row(side: int, landmarks: int, pairs: int) -> Row:
    logits: Tensor = torch.randn(1, landmarks, side, side)
    ours, least = LocalSoftArgmaxCodec(Categorical()), ArgmaxCodec(Categorical())
    timed = interleave(partial(ours.decode, logits), partial(least.decode, logits), pairs=pairs)
    fields: dict[str, Any] = paired(timed, 1)
    return Row(
        part="decoding",
        what="window's mean, 1 thread",
        size=f"{side} x {side}",
        landmarks=landmarks,
        against="largest pixel and its probability",
        **fields,
    )
