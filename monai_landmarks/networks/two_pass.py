"""Two passes as one network: where about from the whole image, where exactly from a window around each point."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_landmarks.codecs.decode import Codec

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
        centres = self._centres(coarse.points, image.shape[-2:])
        windows, inside = self._cut(image, centres)
        landmarks = centres.shape[1]
        answers = self.fine(windows.flatten(0, 1)[:, None]).float().unflatten(0, windows.shape[:2])
        channel = torch.arange(landmarks, device=image.device)
        fine = answers[:, channel, channel].masked_fill(~inside, EMPTY)
        # Sums to the coarse presence under `Categorical`, whatever the coarse network was trained with.
        evidence = torch.logit(coarse.presence, eps=1e-6)[..., None]
        fine = (torch.log_softmax(fine.flatten(-2), -1) + evidence).reshape(windows.shape)
        return self._paste(fine, centres, image.shape[-2:])

    def _centres(self, points: Tensor, size: Sequence[int]) -> Tensor:
        """Pixels of the input (B, K, 2) the windows lie around, from points on the coarse grid."""
        scale = points.new_tensor([size[0] / self.coarse_size[0], size[1] / self.coarse_size[1]])
        last = torch.tensor([size[0] - 1, size[1] - 1], device=points.device)
        return ((points + 0.5) * scale - 0.5).round().long().clamp(min=0).minimum(last)

    def _places(self, centres: Tensor) -> tuple[Tensor, Tensor]:
        """Rows (B, K, window, 1) and columns (B, K, 1, window) of the windows in an image padded by half a window."""
        offset = torch.arange(self.window, device=centres.device)
        return (centres[..., :1] + offset)[..., :, None], (centres[..., 1:] + offset)[..., None, :]

    def _cut(self, image: Tensor, centres: Tensor) -> tuple[Tensor, Tensor]:
        """Windows (B, K, window, window), zero outside the image, and which of their pixels are inside."""
        half = self.window // 2
        rows, columns = self._places(centres)
        padded = F.pad(image, (half,) * 4)[:, 0]
        sample = torch.arange(len(image), device=image.device)[:, None, None, None]
        inside = (rows >= half) & (rows < image.shape[-2] + half)
        inside = inside & (columns >= half) & (columns < image.shape[-1] + half)
        return padded[sample, rows, columns], inside

    def _paste(self, fine: Tensor, centres: Tensor, size: Sequence[int]) -> Tensor:
        """The windows' logits (B, K, window, window) at their places on the whole grid."""
        half, (batch, landmarks) = self.window // 2, fine.shape[:2]
        rows, columns = self._places(centres)
        canvas = fine.new_full((batch, landmarks, size[0] + 2 * half, size[1] + 2 * half), EMPTY)
        sample = torch.arange(batch, device=fine.device)[:, None, None, None]
        channel = torch.arange(landmarks, device=fine.device)[None, :, None, None]
        canvas[sample, channel, rows, columns] = fine
        return canvas[..., half : half + size[0], half : half + size[1]]
