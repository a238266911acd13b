"""Inferers for radiographs of one limb or both: in one stage, or a region first and its landmarks then.

Both take a whole radiograph in its original pixels (`transforms.batch.PrepareRadiograph`) and give points in them, so
no decoding follows. Every view is an affine of the image that is undone exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from monai.data import MetaTensor
from monai.inferers import Inferer
from torch import Tensor

from monai_landmarks.data.dataset import Side
from monai_landmarks.engines.stages import Shown, Stage
from monai_landmarks.errors import ConfigError
from monai_landmarks.sides import WORDS, LimbSide

# Below this presence of its centre a limb counts as missing.
PRESENT_FROM = 0.5


class SidedInferer(Inferer):
    """Looks at each limb's half of a radiograph, with one network.

    Args:
        stage: the network is taken from here, not from the engine.
    """

    def __init__(self, stage: Stage) -> None:
        self.stage = stage

    def __call__(
        self, inputs: Tensor, network: Any, *args: Any, spacing: Tensor, sides: Side, swapped: bool, **kwargs: Any
    ) -> Tensor:
        """What is found on both sides, (1, 2K, 4) float64 on the CPU.

        Args:
            inputs: (1, 1, rows, columns).
            network: the engine's; not used, see `stage`.
            args: not used.
            spacing: mm (row, column) of its pixels.
            sides: the limbs it shows: "L", "R" or "both".
            swapped: the image's left is the patient's left.
            kwargs: not used.

        Returns:
            Row and column (original pixels), confidence and presence, in the channels of `sides.both_sides`; NaN, 0 and
            0 for a side the image does not show.

        Raises:
            ConfigError: several radiographs at once.
            ReadError: the spacing is unknown, or cannot be meant.
        """
        if inputs.shape[:2] != (1, 1):
            raise ConfigError(
                f"a batch of {inputs.shape[0]} radiographs of any size: set the data loader's batch_size to 1"
            )
        pixels = torch.eye(4, dtype=torch.float64)
        image = MetaTensor(inputs[0], affine=pixels, meta={"original_affine": pixels.numpy()})
        shown = Shown(image, spacing, sides, swapped)
        return _on_both_sides(self.find(shown), shown.limbs)[None]

    def find(self, shown: Shown) -> Tensor:
        """(limbs, K, 4)."""
        return self.stage.halves(shown)


class TwoStageInferer(SidedInferer):
    """A first network finds each limb's centre in its half, a second one the landmarks in a region around it.

    A limb whose centre's presence is below 0.5 is missing: its points are NaN, their presence is the centre's.

    Args:
        region: the first stage.
        landmarks: the second stage; its network is the engine's.
        recentre: channel of the centre among the landmarks: they are looked for again in the region around it, which is
            what the second network was trained on; None: once.
        centre: channel of the centre in the first stage.
    """

    def __init__(self, region: Stage, landmarks: Stage, recentre: int | None = None, centre: int = 0) -> None:
        super().__init__(region)
        self.landmarks = landmarks
        self.recentre = recentre
        self.centre = centre

    def find(self, shown: Shown) -> Tensor:
        """(limbs, K, 4)."""
        centres = self.stage.halves(shown)[:, self.centre]
        # A missing limb is looked at as well: it is rare, and the number of landmarks comes from the network.
        found = self.landmarks.regions(shown, centres[:, :2])
        if self.recentre is not None:
            again = found[:, self.recentre]
            sure = again[:, 3:] >= PRESENT_FROM
            found = self.landmarks.regions(shown, torch.where(sure, again[:, :2], centres[:, :2]))
        lost = centres[:, 3] < PRESENT_FROM
        found[lost] = found.new_tensor([torch.nan, torch.nan, 0.0, 0.0])
        found[lost, :, 3] = centres[lost, 3:]
        return found


def _on_both_sides(found: Tensor, limbs: Sequence[LimbSide]) -> Tensor:
    """(limbs, K, 4) to (2K, 4), the right side's first."""
    nothing = torch.zeros_like(found[0])
    nothing[:, :2] = torch.nan
    return torch.cat([found[limbs.index(side)] if side in limbs else nothing for side in WORDS])
