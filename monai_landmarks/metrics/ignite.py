"""The evaluation as a MONAI metric: collects every point, synchronises ranks, hands the table on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from monai.metrics import CumulativeIterationMetric
from monai.utils import convert_to_tensor

from monai_landmarks.data.dataset import Case, LandmarkDataset
from monai_landmarks.errors import ConfigError
from monai_landmarks.metrics import points
from monai_landmarks.metrics.results import Results

PREDICTED, CONFIDENCE, PRESENCE = slice(0, 2), 2, 3
TRUTH, STATE, SPACING, SCALE, INDEX = slice(4, 6), 6, slice(7, 9), slice(9, 11), 11


class LandmarkErrors(CumulativeIterationMetric):
    """Point errors of a whole split. Use it through `monai.handlers.IgniteMetricHandler`.

    Called with batches, or lists of samples as decollated engine output has them:

    - `y_pred` (K, 4): row, column (original pixels), confidence, presence.
    - `y` (K, 8): row, column (NaN unless present), state, spacing row, spacing column (mm per pixel, NaN if
      unknown), scale row, scale column (network pixels per original pixel), number of the case in the split.
      What belongs to the image is repeated on its K rows.

    `aggregate` gives the pooled MRE: in millimetres if every image has a pixel spacing, else in original
    pixels. A point that was not predicted (not finite) makes it infinite: such a model is never the best one.
    """

    def aggregate(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Pooled MRE as a scalar tensor; NaN if nothing is annotated.

        Raises:
            ConfigError: before the first batch.
        """
        array = self.arrays()
        spacing = array[:, 0, SPACING]
        scale = spacing if self.unit(array) == "mm" else np.ones_like(spacing)
        errors = points.distances(array[..., PREDICTED], array[..., TRUTH], array[..., STATE], scale)
        return torch.tensor(points.mre(errors), dtype=torch.float64)

    @staticmethod
    def unit(array: np.ndarray) -> str:
        """Unit of `aggregate` for what `arrays` gave: "mm" or "px"."""
        return "mm" if np.isfinite(array[..., SPACING]).all() else "px"

    def arrays(self) -> np.ndarray:
        """What every rank has seen: (N, K, 12), `y_pred` then `y`, float64, sorted by case, each case once.

        Samplers repeat cases to give every rank equally many; the repetitions are dropped here.

        Raises:
            ConfigError: before the first batch.
        """
        buffer = self.get_buffer()
        if buffer is None:
            raise ConfigError("no case was evaluated: give the split cases in the data set file")
        array = buffer.cpu().numpy()
        _, first = np.unique(array[:, 0, INDEX], return_index=True)
        return array[first]

    def _compute_tensor(self, y_pred: torch.Tensor, y: torch.Tensor | None = None, **kwargs: Any) -> torch.Tensor:
        if y is None or y_pred.ndim != 3 or y_pred.shape[-1] != 4 or y.shape != (*y_pred.shape[:2], 8):
            shapes = f"{tuple(y_pred.shape)} and {None if y is None else tuple(y.shape)}"
            raise ValueError(f"y_pred must be (B, K, 4) and y (B, K, 8), got {shapes}")
        predicted = convert_to_tensor(y_pred, dtype=torch.float64, track_meta=False)
        truth = convert_to_tensor(y, dtype=torch.float64, device=predicted.device, track_meta=False)
        return torch.cat([predicted, truth], dim=-1)


def results_from_arrays(
    array: np.ndarray, dataset: LandmarkDataset, cases: Sequence[Case], planes: Sequence[str]
) -> Results:
    """Name what `LandmarkErrors.arrays` collected.

    Args:
        array: (N, K, 12), K in the order of the data set's landmarks.
        dataset: gives names, groups and the folder of the images.
        cases: the evaluated cases; the array's last column counts in them.
        planes: for each of `cases`, the plane its spacing holds in.

    Raises:
        ValueError: the array does not fit the data set or the cases.
    """
    if array.ndim != 3 or array.shape[1:] != (len(dataset.names), 12):
        raise ValueError(f"the array has shape {array.shape}, expected (N, {len(dataset.names)}, 12)")
    numbers = array[:, 0, INDEX].astype(int)
    if len(planes) != len(cases) or (numbers < 0).any() or (numbers >= len(cases)).any():
        raise ValueError(f"case numbers {numbers.min()} to {numbers.max()}, {len(cases)} cases, {len(planes)} planes")
    chosen = [cases[number] for number in numbers]
    return Results(
        names=dataset.names,
        groups=dataset.scheme.group_indices(),
        case_ids=[case.id for case in chosen],
        patients=[case.patient_key for case in chosen],
        images=[str(dataset.root / case.image) for case in chosen],
        truth=array[..., TRUTH],
        state=array[..., STATE].astype(np.int64),
        predicted=array[..., PREDICTED],
        confidence=array[..., CONFIDENCE],
        presence=array[..., PRESENCE],
        spacing=array[:, 0, SPACING],
        planes=[planes[number] for number in numbers],
        network_scale=array[:, 0, SCALE],
    )
