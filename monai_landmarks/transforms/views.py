"""Views: an image turned, scaled, shifted or mirrored by known amounts, and maps of a view taken back to the image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from monai.networks.layers import AffineTransform
from torch import Tensor


@dataclass(frozen=True)
class View:
    """x -> scale * rotation * mirror * x + shift, about the image's centre, on the image's own grid.

    Args:
        rotation: degrees, from the rows' axis towards the columns'.
        scale: factor of lengths.
        shift: (rows, columns), as shares of the image's longer side.
        mirror: columns are mirrored first.
    """

    rotation: float = 0.0
    scale: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    mirror: bool = False

    @property
    def plain(self) -> bool:
        """Whether the view is the image itself."""
        return self == View()

    def matrix(self, size: Sequence[int]) -> Tensor:
        """3x3 float64 on (row, column, 1), pixels from the centre: where a place of the image lies in the view."""
        angle = math.radians(self.rotation)
        cosine, sine = self.scale * math.cos(angle), self.scale * math.sin(angle)
        side = -1.0 if self.mirror else 1.0
        rows, columns = (share * max(size) for share in self.shift)
        return torch.tensor(
            [[cosine, -sine * side, rows], [sine, cosine * side, columns], [0.0, 0.0, 1.0]], dtype=torch.float64
        )

    def apply(self, images: Tensor) -> Tensor:
        """Images (B, C, rows, columns) as the view shows them, 0 where it looks beyond their border."""
        return images if self.plain else _resample(images, torch.linalg.inv(self.matrix(images.shape[-2:])))

    def revert(self, maps: Tensor) -> Tensor:
        """Maps (B, C, rows, columns) of the view on the image's grid, 0 where it did not see (`seen`)."""
        return maps if self.plain else _resample(maps, self.matrix(maps.shape[-2:]))

    def seen(self, like: Tensor) -> Tensor:
        """1 for each pixel (rows, columns) of the image that lies within the view, else 0."""
        ones = torch.ones_like(like[:1, :1])
        # Interpolation with what lies outside makes border pixels darker; they were not seen whole.
        return (self.revert(ones)[0, 0] > 0.999).to(like.dtype)


def _resample(images: Tensor, matrix: Tensor) -> Tensor:
    """Bilinear; the matrix leads from the result's pixels to the images', from centre to centre."""
    warp = AffineTransform(
        spatial_size=tuple(images.shape[-2:]),
        normalized=False,
        mode="bilinear",
        padding_mode="zeros",
        align_corners=True,
        reverse_indexing=True,
    )
    # Not AffineTransform's zero_centered: MONAI 1.6.1 normalises it by n where the grid has n - 1.
    centre = torch.eye(3, dtype=torch.float64)
    centre[:2, 2] = (torch.tensor(images.shape[-2:], dtype=torch.float64) - 1) / 2
    return warp(images, (centre @ matrix @ torch.linalg.inv(centre))[None].to(images))


def standard_views(
    rotation: float = 0.0, scale: float = 0.0, shift: float = 0.0, mirror: bool = False
) -> tuple[View, ...]:
    """The image itself, turned both ways, larger and smaller, shifted four ways, and the mirror image of each.

    Args:
        rotation: degrees; 0 for none.
        scale: relative change; 0 for none.
        shift: share of the longer side; 0 for none.
        mirror: double the views; only where the scheme has left/right pairs.
    """
    views = [View()]
    views += [View(rotation=angle) for angle in (rotation, -rotation) if rotation]
    views += [View(scale=1 + change) for change in (scale, -scale) if scale]
    views += [View(shift=move) for move in ((shift, 0.0), (-shift, 0.0), (0.0, shift), (0.0, -shift)) if shift]
    if mirror:
        views += [View(view.rotation, view.scale, view.shift, mirror=True) for view in views]
    return tuple(views)
