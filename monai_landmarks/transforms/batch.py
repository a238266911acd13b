"""What happens to a batch on its way to the network, on the device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from monai.engines.utils import PrepareBatch
from torch import Tensor

from monai_landmarks.data.spacing import needed_spacing
from monai_landmarks.errors import ReadError


class PrepareLandmarkBatch(PrepareBatch):
    """`prepare_batch` of the trainer: moves a batch to the device and makes its targets there, for this epoch.

    Nothing that changes with the epoch happens in a worker; the curriculum handler sets `epoch` on the transforms given
    here.

    Args:
        transforms: batch transforms in order, such as `ScheduledRegionsd`.
        image_key: the network's input.
        target_keys: what the loss gets, as a dictionary.
        channels_last: memory format of the image.
    """

    def __init__(
        self,
        transforms: Sequence[Callable[[dict[str, Any]], dict[str, Any]]],
        image_key: str = "image",
        target_keys: Sequence[str] = ("region", "state"),
        channels_last: bool = False,
    ) -> None:
        self.transforms = list(transforms)
        self.image_key = image_key
        self.target_keys = list(target_keys)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format

    def __call__(
        self,
        batchdata: Mapping[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The image (B, 1, rows, columns) and the targets."""
        batch: dict[str, Any] = {
            key: _plain(value).to(device=device, non_blocking=non_blocking) if isinstance(value, Tensor) else value
            for key, value in batchdata.items()
        }
        for transform in self.transforms:
            batch = transform(batch)
        image = batch[self.image_key].to(memory_format=self.memory_format)
        return image, {key: batch[key] for key in self.target_keys}


class PrepareImage(PrepareBatch):
    """`prepare_batch` of the evaluator: the image alone; truth stays on the CPU with the batch.

    Args:
        image_key: the network's input.
        channels_last: memory format of the image.
    """

    def __init__(self, image_key: str = "image", channels_last: bool = False) -> None:
        self.image_key = image_key
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format

    def __call__(
        self,
        batchdata: Mapping[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, None]:
        """The image (B, 1, rows, columns), and no target."""
        image = _plain(batchdata[self.image_key]).to(device=device, non_blocking=non_blocking)
        return image.to(memory_format=self.memory_format), None


class PrepareRadiograph(PrepareBatch):
    """`prepare_batch` for `SidedInferer` and `TwoStageInferer`: one whole radiograph and what they must know of it.

    Args:
        image_key: the radiograph, in its original pixels; spacing, sides and swapped (`KnowSided`) lie beside it.
    """

    def __init__(self, image_key: str = "image") -> None:
        self.image_key = image_key

    def __call__(
        self,
        batchdata: Mapping[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, None, tuple[()], dict[str, Any]]:
        """The image (1, 1, rows, columns), no target, no arguments but those by name: spacing, sides, swapped.

        Raises:
            ReadError: the spacing is unknown or cannot be meant; names the case.
        """
        image = _plain(batchdata[self.image_key])
        spacing = torch.as_tensor(batchdata["spacing"][0])
        try:
            needed_spacing(spacing, image.shape[-2:])
        except ReadError as error:
            raise ReadError(f"{batchdata['case_id'][0]}: {error}") from None
        about = {"spacing": spacing, "sides": batchdata["sides"][0], "swapped": bool(batchdata["swapped"][0])}
        return image.to(device=device, non_blocking=non_blocking), None, (), about


def _plain(value: Tensor) -> Tensor:
    return value.as_tensor() if hasattr(value, "as_tensor") else value
