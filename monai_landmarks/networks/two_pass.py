"""Two passes as one network: where about from the whole image, where exactly from a window around each point."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_landmarks.codecs.decode import Codec
from monai_landmarks.networks.windows import cut_windows, paste_windows, window_centres

# exp(EMPTY) is 0 in float32.
EMPTY = -1.0e4


class TwoPassNet(nn.Module):
    """A coarse network on the whole image, and a fine one on a window of full resolution around each coarse point.

    The answer is one tensor of logits on the fine grid, as any other network gives: within a landmark's window the fine
    network's distribution, outside nothing. Its sum, and so the presence, stays the coarse network's, which alone sees
    the whole image. Every codec for `Categorical` decodes it.

    Args:
        coarse: (B, 1, r, c) to logits (B, K, r, c).
        fine: (N, 1, window, window) to logits (N, K, window, window).
        coarse_size: rows and columns the coarse network was trained at.
        window: side of the square window, in pixels of the input; even.
        codec: decodes the coarse logits; the windows lie around its points.

    Shapes: (B, 1, rows, columns) at the fine size to logits (B, K, rows, columns).
    """

    def __init__(
        self, coarse: nn.Module, fine: nn.Module, coarse_size: Sequence[int], window: int, codec: Codec
    ) -> None:
        super().__init__()
        self.coarse = coarse
        self.fine = fine
        self.coarse_size = (int(coarse_size[0]), int(coarse_size[1]))
        self.window = int(window)
        self.codec = codec

    def forward(self, image: Tensor) -> Tensor:
        """Logits of each landmark at each pixel of the fine grid."""
        small = F.interpolate(image, self.coarse_size, mode="bilinear", antialias=True)
        coarse = self.codec.decode(self.coarse(small).float())
        centres = window_centres(coarse.points, self.coarse_size, image.shape[-2:])
        windows, inside = cut_windows(image, centres, self.window)
        landmarks = centres.shape[1]
        answers = self.fine(windows.flatten(0, 1)[:, None]).float().unflatten(0, windows.shape[:2])
        channel = torch.arange(landmarks, device=image.device)
        fine = answers[:, channel, channel].masked_fill(~inside, EMPTY)
        # Sums to the coarse presence under `Categorical`, whatever the coarse network was trained with.
        evidence = torch.logit(coarse.presence, eps=1e-6)[..., None]
        fine = (torch.log_softmax(fine.flatten(-2), -1) + evidence).reshape(windows.shape)
        return paste_windows(fine, centres, image.shape[-2:], EMPTY)
