"""A Gaussian over aligned shapes some of whose points are missing: what it is fitted on, and what it says of points."""

from __future__ import annotations

import torch
from torch import Tensor

from monai_landmarks.codecs.shape_pose import least_squares_pose

ALIGNMENTS = 10
EM_STEPS = 30
# Relative change of the covariance at which expectation-maximisation ends.
EM_CHANGE = 1e-3
# Smallest standard deviation of a coordinate, in units of the shape's root mean square radius.
FLOOR = 1e-3
# Shapes that a landmark must be in to be known: each of the five folds of the check holds one out. The fewer shapes,
# the larger the inflation, and the rarer a point is called implausible; of a landmark rare among many it tells nothing.
MINIMUM_SHAPES = 5
MINIMUM_SHARE = 0.25


def well_known(shapes: Tensor) -> tuple[Tensor, Tensor]:
    """Shapes (N, K, 2) of the landmarks that enough of them have, each with at least half of these; and their numbers.

    Which landmarks depends on the shapes and the other way round, so they are left out by turns until all can stay.
    """
    known = torch.arange(shapes.shape[1])
    while True:
        seen = torch.isfinite(shapes).all(-1)
        often = seen.sum(0) >= max(MINIMUM_SHAPES, MINIMUM_SHARE * len(shapes))
        full = seen[:, often].sum(1) >= max(3, int(often.sum()) / 2)
        if often.all() and full.all():
            return shapes, known
        shapes, known = shapes[full][:, often], known[often]


def fold_numbers(seen: Tensor, folds: int) -> Tensor:
    """Fold (N,) of each shape; those with a rare landmark of `seen` (N, K) are dealt out first, so no fold has all."""
    rank = seen.sum(0).argsort(stable=True).argsort()
    rarest = torch.where(seen, rank, seen.shape[1]).amin(1)
    number = torch.empty(len(seen), dtype=torch.long)
    number[rarest.argsort(stable=True)] = torch.arange(len(seen)) % folds
    return number


def fit_gaussian(shapes: Tensor, reflect: bool) -> tuple[Tensor, Tensor]:
    """Mean shape (K, 2), centred with root mean square radius about 1, and shrunk covariance (2K, 2K).

    Generalised Procrustes alignment on the points each shape has, then expectation-maximisation for the missing ones.
    What two landmarks have in common is shrunk towards zero by the share that minimises the expected squared error
    (Schaefer and Strimmer 2005, doi:10.2202/1544-6115.1175); a landmark's own 2x2 covariance stays, so the frame's
    rotation changes nothing.

    Args:
        shapes: (N, K, 2) float64 with NaN for missing points; every landmark is in at least one.
        reflect: whether a shape may be aligned by its mirror image.
    """
    mean = align_all(shapes, reflect)
    aligned = least_squares_pose(shapes, mean, reflect).to_frame(torch.nan_to_num(shapes))
    seen = torch.isfinite(shapes).all(-1).repeat_interleave(2, -1)
    values = aligned.flatten(1)
    count = seen.sum(0)
    centre = (values * seen).sum(0) / count
    variance = ((values - centre) ** 2 * seen).sum(0) / count + FLOOR**2
    covariance = variance.diag()
    patterns, which = torch.unique(seen, dim=0, return_inverse=True)
    for _ in range(EM_STEPS):
        before = covariance
        complete, unknown = _fill(values - centre, patterns, which, covariance)
        complete = complete + centre
        centre = complete.mean(0)
        covariance = _shrunk(complete - centre, unknown)
        if seen.all() or (covariance - before).norm() < EM_CHANGE * covariance.norm():
            break
    return centre.view(-1, 2), covariance


def align_all(shapes: Tensor, reflect: bool) -> Tensor:
    """The mean (K, 2) of shapes (N, K, 2) with missing points after generalised Procrustes alignment."""
    seen = torch.isfinite(shapes).all(-1)
    mean = _normalised(shapes[seen.sum(1).argmax()])
    for _ in range(ALIGNMENTS):
        known = torch.isfinite(mean).all(-1)
        usable = torch.where((seen & known)[..., None], shapes, torch.nan)
        pose = least_squares_pose(usable, torch.nan_to_num(mean), reflect)
        # With fewer than two common points there is no pose: such a shape waits until the mean has more.
        counted = seen & ((seen & known).sum(1) >= 2)[:, None]
        aligned = pose.to_frame(torch.nan_to_num(shapes)) * counted[..., None]
        count = counted.sum(0)[:, None]
        mean = _normalised(torch.where(count > 0, aligned.sum(0) / count.clamp(min=1), torch.nan))
    return mean


def _normalised(shape: Tensor) -> Tensor:
    known = shape[torch.isfinite(shape).all(-1)]
    centre = known.mean(0)
    return (shape - centre) / (known - centre).square().sum(-1).mean().sqrt().clamp(min=1e-12)


def _fill(error: Tensor, patterns: Tensor, which: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Missing coordinates replaced by their conditional means, and the mean of their conditional covariances.

    What is seen is one of few `patterns` (P, 2K): row n of `error` has the one numbered `which[n]`.
    """
    mask = patterns.to(error.dtype)
    both = mask[:, :, None] * mask[:, None, :]
    precision = torch.linalg.inv(covariance * both + torch.diag_embed(1 - mask)) * both
    gain = covariance @ precision
    seen = patterns[which]
    expected = (gain[which] @ (seen * error)[..., None])[..., 0]
    missing = (1 - mask)[:, :, None] * (1 - mask)[:, None, :]
    unknown = (covariance - gain @ covariance) * missing
    share = which.bincount().to(error) / len(which)
    return torch.where(seen, error, expected), (unknown * share[:, None, None]).sum(0)


def _shrunk(error: Tensor, unknown: Tensor) -> Tensor:
    """Covariance of centred rows (N, 2K) plus what is not known of them, blocks between landmarks shrunk."""
    count = len(error)
    covariance = error.T @ error / count + unknown
    variance = covariance.diagonal().view(-1, 2).mean(-1).clamp(min=1e-12)
    deviation = variance.sqrt().repeat_interleave(2)
    scaled = error / deviation
    correlation = covariance / deviation[:, None] / deviation[None]
    # Variance of an element of the correlation matrix over samples; both sums run over all pairs of coordinates.
    squares = (scaled**2).T @ (scaled**2) / count - (scaled.T @ scaled / count) ** 2
    landmark = torch.arange(len(deviation)) // 2
    apart = landmark[:, None] != landmark
    share = float((squares[apart].sum() / count / correlation[apart].square().sum().clamp(min=1e-12)).clamp(0, 1))
    shrunk = covariance * (1 - share * apart)
    return shrunk + FLOOR**2 * torch.eye(len(deviation), dtype=error.dtype)


def conditionals(total: Tensor, error: Tensor, used: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (B, K, 2) and covariance (B, K, 2, 2) of each point given the used ones other than itself.

    Args:
        total: covariances (B, 2K, 2K).
        error: deviations from the mean (B, K, 2).
        used: (B, K), True for a point to condition on.
    """
    batch, count = used.shape
    mask = used.repeat_interleave(2, -1).to(total.dtype)
    both = mask[:, :, None] * mask[:, None, :]
    precision = torch.linalg.inv(total * both + torch.diag_embed(1 - mask)) * both
    weights = (precision @ (mask * error.flatten(1))[..., None])[..., 0]
    gain = total @ precision
    expected = (total @ weights[..., None])[..., 0].view(batch, count, 2)
    covariance = _blocks(total) - _blocks(gain @ total)
    # A point that is itself used must not speak for itself: leave it out, by its block of the precision.
    own = torch.where(used[..., None, None], _blocks(precision), torch.eye(2, dtype=total.dtype))
    left_out = torch.linalg.inv(own)
    without = error - (left_out @ weights.view(batch, count, 2, 1))[..., 0]
    return torch.where(used[..., None], without, expected), torch.where(used[..., None, None], left_out, covariance)


def _blocks(matrix: Tensor) -> Tensor:
    """The (B, K, 2, 2) blocks on the diagonal of (B, 2K, 2K)."""
    batch, size = matrix.shape[:2]
    return matrix.view(batch, size // 2, 2, size // 2, 2).diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2)
