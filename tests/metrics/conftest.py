"""Results small enough to compute by hand, and larger random ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from monai_landmarks.metrics import Results

NAN = float("nan")


@pytest.fixture
def hand_made(tmp_path: Path) -> Results:
    """Three images of two patients, the last without spacing; errors in px 5, -, 0 / 10, 0, - / -, 8, -."""
    truth = np.full((3, 3, 2), NAN)
    truth[0, 0], truth[0, 2], truth[1, 0], truth[1, 1], truth[2, 1] = (10, 20), (7, 7), (0, 0), (3, 3), (4, 4)
    predicted = np.zeros((3, 3, 2))
    predicted[0, 0], predicted[0, 2], predicted[1, 0], predicted[1, 1], predicted[2, 1] = (
        (13, 16), (7, 7), (6, 8), (3, 3), (4, 12),
    )  # fmt: skip
    return Results(
        names=("left", "right", "middle"),
        groups={"sides": [0, 1]},
        case_ids=["c1", "c2", "c3"],
        patients=["P1", "P1", "P2"],
        images=[str(tmp_path / "images" / f"c{i}.dcm") for i in (1, 2, 3)],
        truth=truth,
        state=np.array([[1, 0, 1], [1, 1, 2], [0, 1, 0]]),
        predicted=predicted,
        confidence=np.full((3, 3), 0.25),
        presence=np.array([[0.9, 0.8, 0.7], [0.6, 0.4, 0.3], [0.2, 0.9, 0.9]]),
        spacing=np.array([[0.5, 0.5], [0.1, 0.2], [NAN, NAN]]),
        planes=["patient_plane", "patient_plane", "unknown"],
        network_scale=np.array([[0.5, 0.5], [0.5, 0.5], [0.25, 0.25]]),
    )


@pytest.fixture
def random_results(tmp_path: Path) -> Callable[..., Results]:
    """A function that makes Results of n images and k landmarks with all three states."""

    def make(n: int = 24, k: int = 5, seed: int = 0, spread: float = 6.0) -> Results:
        rng = np.random.default_rng(seed)
        state = rng.choice([1, 1, 1, 1, 0, 2], size=(n, k))
        truth = rng.uniform(50, 450, size=(n, k, 2))
        predicted = truth + rng.normal(scale=spread, size=truth.shape)
        truth[state != 1] = NAN
        return Results(
            names=tuple(f"landmark_{j}" for j in range(k)),
            groups={"even": list(range(0, k, 2))},
            case_ids=[f"case {i:03d}" for i in range(n)],
            patients=[f"P{i // 2:04d}" for i in range(n)],
            images=[str(tmp_path / "images" / f"{i:03d}.dcm") for i in range(n)],
            truth=truth,
            state=state,
            predicted=predicted,
            confidence=rng.random((n, k)),
            presence=rng.random((n, k)),
            spacing=np.repeat(rng.uniform(0.1, 0.3, size=(n, 1)), 2, axis=1),
            planes=["calibrated"] * n,
            network_scale=np.full((n, 2), 0.62),
        )

    return make
