"""Pictures of gross errors: the whole image and a crop, with truth, prediction, candidates and the prior's place."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from monai_landmarks.codecs.decode import Decoded, PeakCodec
from monai_landmarks.codecs.shape_codec import ShapePriorCodec
from monai_landmarks.draw import PREDICTED, TRUTH, draw_points, to_uint8

CANDIDATE, REPAIRED = (255, 165, 0), (40, 200, 60)
HEIGHT = 640


def draw_gross_errors(
    codec: PeakCodec,
    prior: ShapePriorCodec | None,
    logits: Sequence[Tensor],
    errors: np.ndarray,
    items: Sequence[dict[str, Any]],
    names: Sequence[str],
    folder: Path,
    limit: float,
) -> list[dict[str, Any]]:
    """A picture of each point more than `limit` mm off, and what is known of it.

    Args:
        codec, prior: decode; the prior may be missing.
        logits: (K, rows, columns) of each image.
        errors: (N, K), mm.
        items: preprocessed images with their truth.
        names: of the landmarks.
        folder: where the pictures go.
        limit: mm.
    """
    told = []
    for image, landmark in np.argwhere(np.nan_to_num(errors) > limit):
        maps, item = logits[image], items[image]
        plain, found = codec.decode(maps), codec.candidates(maps[landmark][None], 5)
        repaired = plain if prior is None else prior.decode(maps)
        truth = to_network(item)
        spacing = float(errors[image, landmark] / np.linalg.norm(plain.points[landmark] - truth[landmark]))
        name = f"{item['case_id']}_{names[landmark]}"
        picture(item, truth, plain, found.points[0], repaired, int(landmark)).save(folder / f"{name}.png")
        told.append(
            {
                "case": item["case_id"],
                "landmark": names[landmark],
                "error_mm": float(errors[image, landmark]),
                "confidence": float(plain.confidence[landmark]),
                "presence": float(plain.presence[landmark]),
                "after_prior_mm": spacing * float(np.linalg.norm(repaired.points[landmark] - truth[landmark])),
                "candidates": [
                    [float(c), spacing * float(np.linalg.norm(p - truth[landmark]))]
                    for c, p in zip(found.confidence[0], found.points[0])
                ],
            }
        )
    return told


def to_network(item: dict[str, Any]) -> np.ndarray:
    """The truth (K, 2) in network pixels."""
    matrix = torch.linalg.inv(torch.as_tensor(item["to_original"])).numpy()
    points = np.asarray(item["points"])[0]
    return points @ matrix[:2, :2].T + matrix[:2, 3]


def picture(
    item: dict[str, Any], truth: np.ndarray, plain: Decoded, candidates: Tensor, repaired: Decoded, landmark: int
) -> Image.Image:
    """The network's input with every point beside an enlarged part around the truth and the wrong prediction."""
    pixels = to_uint8(item["image"].numpy())
    layers = [
        (candidates.numpy()[1:4], CANDIDATE, 4.0),
        (repaired.points[landmark].numpy()[None], REPAIRED, 6.0),
        (truth[landmark][None], TRUTH, 5.0),
        (plain.points[landmark].numpy()[None], PREDICTED, 3.5),
    ]
    every = [(truth, TRUTH, 3.0), (plain.points.numpy(), PREDICTED, 2.0)]
    centre = np.round((truth[landmark] + plain.points[landmark].numpy()) / 2)
    apart = np.abs(truth[landmark] - plain.points[landmark].numpy()).max()
    reach = int(max(24, apart * 0.75 + 8))
    low = np.maximum(0, centre - reach).astype(int)
    high = np.minimum(pixels.shape, centre + reach + 1).astype(int)
    whole = _drawn(pixels, every, np.zeros(2))
    part = _drawn(pixels[low[0] : high[0], low[1] : high[1]], layers, low)
    sheet = Image.new("RGB", (whole.width + part.width + 8, HEIGHT), (0, 0, 0))
    sheet.paste(whole, (0, 0))
    sheet.paste(part, (whole.width + 8, 0))
    return sheet


def _drawn(pixels: np.ndarray, layers: Sequence[tuple[np.ndarray, Any, float]], origin: np.ndarray) -> Image.Image:
    scale = HEIGHT / pixels.shape[0]
    size = (max(1, round(pixels.shape[1] * scale)), HEIGHT)
    canvas = Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC).convert("RGB")
    for points, colour, radius in layers:
        canvas = draw_points(canvas, (points - origin + 0.5) * scale - 0.5, colour, radius)
    return canvas
