"""`prepare_batch` of a one-shot training: image and patch to the network, the places in both to the loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from monai.engines.utils import PrepareBatch
from torch import Tensor

from monai_landmarks.errors import ConfigError
from monai_landmarks.transforms.patch_pairs import PLACES

PLACE = ("image_point", "patch_point")


class PreparePairs(PrepareBatch):
    """What `PatchPaird` has made of each image, on the device.

    Args:
        channels_last: memory format of image and patch.
        landmark_key: where the items say whose place it is, if they do: it is one for the whole batch.
    """

    def __init__(self, channels_last: bool = False, landmark_key: str = "landmark") -> None:
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        self.landmark_key = landmark_key

    def __call__(
        self,
        batchdata: Mapping[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, dict[str, Tensor], tuple[Tensor], dict[str, int | None]]:
        """The image (B, 1, rows, columns), the points (B, 2) of image and patch, the patch and the landmark.

        With the points (B, 2) go the many places (B, N, 2), if the items have them.

        Raises:
            ConfigError: a batch of several landmarks: only one adapter is active.
        """
        landmarks = {int(number) for number in batchdata.get(self.landmark_key, ())}
        if len(landmarks) > 1:
            raise ConfigError(f"a batch of the landmarks {sorted(landmarks)}; sample it with LandmarkSampler")
        keys = (*PLACE, *(key for key in PLACES if key in batchdata))
        image, patch, *points = (
            _plain(batchdata[key]).to(device=device, non_blocking=non_blocking) for key in ("image", "patch", *keys)
        )
        image, patch = (pixels.to(memory_format=self.memory_format) for pixels in (image, patch))
        about = {"landmark": landmarks.pop() if landmarks else None}
        return image, dict(zip(keys, points)), (patch,), about


class PrepareWindows(PrepareBatch):
    """What `transforms.windows.RandCentresd` has made of each image: image and windows' centres, and the targets.

    Args:
        channels_last: memory format of the image.
    """

    def __init__(self, channels_last: bool = False) -> None:
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format

    def __call__(
        self,
        batchdata: Mapping[str, Any],
        device: str | torch.device | None = None,
        non_blocking: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, dict[str, Tensor], tuple[Tensor], dict[str, Any]]:
        """The image (B, 1, rows, columns), the points and their states, the centres (B, K, 2)."""
        keys = ("image", "centres", "whole_points", "window_points", "state")
        image, centres, *targets = (_plain(batchdata[k]).to(device=device, non_blocking=non_blocking) for k in keys)
        return image.to(memory_format=self.memory_format), dict(zip(keys[2:], targets)), (centres,), {}


def _plain(value: Tensor) -> Tensor:
    return value.as_tensor() if hasattr(value, "as_tensor") else value
