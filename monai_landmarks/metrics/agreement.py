"""Agreement of two ways of measuring the same thing, after Bland and Altman (Lancet 1986;327:307)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Half of a normal distribution's middle 95 % in standard deviations.
SPREAD = 1.96


@dataclass(frozen=True)
class Agreement:
    """What the differences of two measurements of the same n things say.

    Attributes:
        n: how many there are.
        bias: their mean; NaN without any.
        sd: their standard deviation with ddof 1; NaN with fewer than two.
        low, high: limits of agreement, bias -+ 1.96 sd: 95 % of normally distributed differences lie between.
        mae: mean absolute difference.
    """

    n: int
    bias: float
    sd: float
    low: float
    high: float
    mae: float


def agreement(differences: np.ndarray) -> Agreement:
    """Agreement from differences of any shape; what is not finite does not count."""
    known = np.asarray(differences, dtype=np.float64).ravel()
    known = known[np.isfinite(known)]
    bias = float(known.mean()) if known.size else float("nan")
    sd = float(known.std(ddof=1)) if known.size > 1 else float("nan")
    mae = float(np.abs(known).mean()) if known.size else float("nan")
    return Agreement(int(known.size), bias, sd, bias - SPREAD * sd, bias + SPREAD * sd, mae)
