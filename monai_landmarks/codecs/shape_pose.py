"""Position, size, rotation and side of a shape in an image: similarities, least squares and robust ones."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

PAIRS = 400


class Pose(NamedTuple):
    """Similarities from images to the frame of a mean shape, as complex numbers: z -> factor z + shift.

    A point is row + i column. Both (B,); `found` is False where no similarity exists (all points in one place);
    `mirrored` is True where the image's mirror image is brought to the frame, z -> factor conj(z) + shift.
    """

    factor: Tensor
    shift: Tensor
    found: Tensor
    mirrored: Tensor

    @property
    def scale(self) -> Tensor:
        """Frame units per pixel, (B,)."""
        return self.factor.abs()

    def to_frame(self, points: Tensor) -> Tensor:
        """Points (B, K, 2) from pixels to the frame."""
        return _real(self.factor[:, None] * _complex(mirror(points, self.mirrored)) + self.shift[:, None])

    def to_image(self, points: Tensor) -> Tensor:
        """Points (B, K, 2) from the frame to pixels."""
        return mirror(_real((_complex(points) - self.shift[:, None]) / self.factor[:, None]), self.mirrored)

    def take(self, index: Tensor) -> Pose:
        """The poses of the given images."""
        return Pose(*(part[index] for part in self))

    def where(self, chosen: Tensor, other: Pose) -> Pose:
        """These poses where `chosen` (B,), the other's elsewhere."""
        return Pose(*(torch.where(chosen, *both) for both in zip(self, other, strict=True)))


def mirror(points: Tensor, mirrored: Tensor) -> Tensor:
    """Points (B, K, 2) with the columns' sign turned in the images (B,) that are `mirrored`."""
    sign = torch.ones(len(mirrored), 1, 2, dtype=points.dtype)
    sign[mirrored, :, 1] = -1.0
    return points * sign


def least_squares_pose(points: Tensor, mean: Tensor, reflect: bool) -> Pose:
    """The similarity that brings each shape (B, K, 2), NaN where a point is missing, nearest to the mean (K, 2).

    With `reflect` a shape's mirror image is tried too, and the nearer of the two kept.
    """
    pose, turned = (_least_squares(points, mean, torch.full((len(points),), side)) for side in (False, True))
    # The residual falls with the factor's size: what a shape's own size and the mean's contribute is the same for both.
    better = reflect & (turned.scale > pose.scale)
    return turned.where(better, pose)


def _least_squares(points: Tensor, mean: Tensor, mirrored: Tensor) -> Pose:
    seen = torch.isfinite(points).all(-1)
    source = _complex(mirror(torch.where(seen[..., None], points, 0.0), mirrored))
    target = _complex(mean) * seen
    count = seen.sum(1, keepdim=True).clamp(min=1)
    source_mean, target_mean = source.sum(1, keepdim=True) / count, target.sum(1, keepdim=True) / count
    source = (source - source_mean) * seen
    target = (target - target_mean) * seen
    power = (source.abs() ** 2).sum(1)
    found = power > 0
    factor = (source.conj() * target).sum(1) / torch.where(found, power, 1.0)
    factor = torch.where(found, factor, torch.ones_like(factor))
    return Pose(factor, target_mean[:, 0] - factor * source_mean[:, 0], found, mirrored)


def robust_pose(points: Tensor, mean: Tensor, spread: Tensor, half: int, mirrored: Tensor) -> tuple[Pose, Tensor]:
    """The similarity that `half` of the points agree on best, and every point's deviation from it in units of `spread`.

    Least median of squares: each pair of landmarks gives a similarity, and the one whose `half`-th smallest deviation
    is least wins. All pairs are tried, or the 400 of them that are widest apart in the mean, so it is not random.

    Args:
        points: (B, K, 2), finite.
        mean: (K, 2).
        spread: (K,) how far a point is usually off, in the frame.
        half: number of points that must agree.
        mirrored: (B,) True for an image whose mirror image is looked at.

    Returns:
        Poses and deviations (B, K).
    """
    source, target = _complex(mirror(points, mirrored)), _complex(mean)
    first, second = torch.triu_indices(len(mean), len(mean), 1)
    chosen = (target[first] - target[second]).abs().argsort(descending=True, stable=True)[:PAIRS]
    first, second = first[chosen], second[chosen]
    apart = source[:, first] - source[:, second]
    valid = apart.abs() > 1e-6
    factor = (target[first] - target[second]) / torch.where(valid, apart, torch.ones_like(apart))
    shift = target[first] - factor * source[:, first]
    deviation = (factor[..., None] * source[:, None] + shift[..., None] - target).abs() / spread
    deviation = torch.where(valid[..., None], deviation, torch.inf)
    best = deviation.kthvalue(half, -1).values.argmin(-1)
    every = torch.arange(len(points))
    pose = Pose(factor[every, best], shift[every, best], valid[every, best], mirrored)
    return pose, deviation[every, best]


def pose_directions(mean: Tensor) -> Tensor:
    """Orthonormal directions (2K, 4) in which a shape (K, 2) grows, turns and moves."""
    turned = torch.stack((-mean[:, 1], mean[:, 0]), -1)
    row = torch.tensor([1.0, 0.0], dtype=mean.dtype).expand_as(mean)
    directions = (mean, turned, row, row.flip(-1))
    return torch.linalg.qr(torch.stack([direction.reshape(-1) for direction in directions], -1)).Q


def _complex(points: Tensor) -> Tensor:
    return torch.view_as_complex(points.contiguous())


def _real(points: Tensor) -> Tensor:
    return torch.view_as_real(points)
