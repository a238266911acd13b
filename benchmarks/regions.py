"""Label regions of a whole batch against SciPy's iterated dilation of each one-pixel mask.

    python benchmarks/regions.py

18 images, 20 landmarks, 512 x 512, radius 65: the paper's first stage. Median of 30 interleaved pairs; every byte of
each result is read. Two rows a type:

- kept: both give the whole batch's regions. The target holds for this row.
- dropped: SciPy's dilations are read one by one and dropped at once; no batch could be trained with these.

SciPy gets its one-pixel masks ready-made.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable

import numpy as np
import torch
from interleaved import Pairs, interleave, write
from rich.console import Console
from rich.table import Table
from scipy import ndimage

from monai_landmarks.curriculum import constant
from monai_landmarks.transforms.regions import ScheduledRegions

IMAGES, LANDMARKS, SIZE, RADIUS = 18, 20, (512, 512), 65
TARGETS = {torch.bool: 50.0, torch.float32: 15.0}


def masks_of(points: np.ndarray) -> np.ndarray:
    """(B, K, rows, columns) boolean, one pixel each, of integer points (B, K, 2)."""
    masks = np.zeros((*points.shape[:-1], *SIZE), dtype=bool)
    flat = masks.reshape(-1, *SIZE)
    flat[np.arange(len(flat)), points[..., 0].ravel(), points[..., 1].ravel()] = True
    return masks


def scipy_regions(masks: np.ndarray, out: torch.Tensor) -> torch.Tensor:
    """The whole tensor, dilated RADIUS times mask by mask, by SciPy's quickest way."""
    channels = out.numpy().reshape(-1, *SIZE)
    for mask, channel in zip(masks.reshape(-1, *SIZE), channels):
        if out.dtype == torch.bool:
            ndimage.binary_dilation(mask, iterations=RADIUS, output=channel)
        else:
            channel[:] = ndimage.binary_dilation(mask, iterations=RADIUS)
    return out


def scipy_dropped(masks: np.ndarray) -> int:
    """SciPy's dilations, read and forgotten."""
    channels = masks.reshape(-1, *SIZE)
    return sum(int(ndimage.binary_dilation(mask, iterations=RADIUS).view(np.int64).sum()) for mask in channels)


def read(regions: torch.Tensor) -> int:
    """Every byte, once, as 64-bit words: the quickest reader there is."""
    return int(regions.view(torch.int64).sum())


def contests(masks: np.ndarray, points: torch.Tensor, dtype: torch.dtype) -> dict[str, tuple[Callable[[], int], ...]]:
    """By row: SciPy's work and ours.

    Raises:
        SystemExit: the two do not give the same regions.
    """
    ours = ScheduledRegions(constant(RADIUS), dtype=dtype)
    if not torch.equal(ours(points, SIZE), scipy_regions(masks, torch.empty(masks.shape, dtype=dtype))):
        raise SystemExit(f"{dtype}: our regions are not SciPy's")
    return {
        "kept": (
            lambda: read(scipy_regions(masks, torch.empty(masks.shape, dtype=dtype))),
            lambda: read(ours(points, SIZE)),
        ),
        "dropped": (lambda: scipy_dropped(masks), lambda: read(ours(points, SIZE))),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=30)
    parser.add_argument("--images", type=int, default=IMAGES)
    given = parser.parse_args()
    # Uniform over the image: some regions are cut at its border.
    pixels = np.random.default_rng(0).integers(0, SIZE, (given.images, LANDMARKS, 2))
    masks, points = masks_of(pixels), torch.from_numpy(pixels.astype(np.float32))
    table = Table(title=f"{given.images} x {LANDMARKS} regions of {SIZE[0]} x {SIZE[1]}, k = {RADIUS}")
    for heading in ("type", "results", "SciPy s", "ours s", "times faster", "quartiles", "target"):
        table.add_column(heading, justify="right")
    rows = []
    for dtype, target in TARGETS.items():
        for results, (theirs, ours) in contests(masks, points, dtype).items():
            pairs = interleave(theirs, ours, pairs=given.pairs)
            aim = target if results == "kept" else None
            table.add_row(str(dtype).removeprefix("torch."), results, *cells(pairs), f">= {aim:g}" if aim else "")
            row = {"type": str(dtype), "results": results, "ratio": pairs.ratio(), "target": aim}
            rows.append(row | {"scipy": pairs.first, "ours": pairs.second})
    Console().print(table)
    print(write("regions", {"images": given.images, "landmarks": LANDMARKS, "size": SIZE, "rows": rows}))


def cells(pairs: Pairs) -> list[str]:
    low, high = pairs.quartiles()
    seconds = [f"{statistics.median(pairs.first):.3f}", f"{statistics.median(pairs.second):.4f}"]
    return [*seconds, f"{pairs.ratio():.1f}", f"{low:.1f} to {high:.1f}"]


if __name__ == "__main__":
    main()
