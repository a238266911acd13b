"""One stage of looking at limbs: views of a radiograph through a network to points of the radiograph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from monai.data import MetaTensor
from monai.networks.utils import eval_mode
from torch import Tensor, nn

from monai_landmarks.codecs.decode import Codec
from monai_landmarks.data.dataset import Side
from monai_landmarks.engines.inferer import AutocastInferer
from monai_landmarks.sides import WORDS, LimbSide
from monai_landmarks.transforms.geometry import image_affine, move_points
from monai_landmarks.transforms.limb_views import canvas_size, half_view, looks_left, region_view


@dataclass(frozen=True)
class Shown:
    """A radiograph, and which limbs are in it.

    Attributes:
        image: (1, rows, columns), the original pixels.
        spacing: mm (row, column).
        sides: "L", "R" or "both".
        swapped: the image's left is the patient's left.
    """

    image: MetaTensor
    spacing: Tensor
    sides: Side
    swapped: bool = False

    @property
    def limbs(self) -> list[LimbSide]:
        """The limbs, the right one first."""
        return [side for side in WORDS if self.sides in (side, "both")]

    @property
    def alone(self) -> bool:
        """Whether the image shows one limb only."""
        return self.sides != "both"


@dataclass(frozen=True)
class Stage:
    """A network, how its output is decoded, and what it is shown.

    Attributes:
        network: (N, 1, rows, columns) to logits (N, K, ...), for inputs of any size that is a multiple of 64 more.
        codec: decodes them in pixels of the input.
        size: rows and columns the network was trained at.
        spacing_mm: of its input's pixels.
        mirror: limbs that look like left ones are mirrored for it.
        amp: bfloat16 where it is safe.
    """

    network: nn.Module
    codec: Codec
    size: Sequence[int]
    spacing_mm: float
    mirror: bool = False
    amp: bool = False

    def halves(self, shown: Shown) -> Tensor:
        """What is found in each limb's half, seen whole: (limbs, K, 4) as `look`."""
        canvas = canvas_size(shown.image.shape[-2:], shown.spacing, shown.alone, self.size, self.spacing_mm)
        return self.look(
            [
                half_view(
                    shown.image,
                    shown.spacing,
                    side,
                    shown.alone,
                    canvas,
                    self.spacing_mm,
                    shown.swapped,
                    self._mirrors(side, shown),
                )
                for side in shown.limbs
            ]
        )

    def regions(self, shown: Shown, centres: Tensor) -> Tensor:
        """What is found around each limb's centre (limbs, 2), (row, column) of the image: (limbs, K, 4) as `look`."""
        return self.look(
            [
                region_view(shown.image, shown.spacing, centre, self.size, self.spacing_mm, self._mirrors(side, shown))
                for side, centre in zip(shown.limbs, centres)
            ]
        )

    def look(self, views: Sequence[MetaTensor]) -> Tensor:
        """Views of one size (1, rows, columns), in one batch; in a blank one, such as half a plate, nothing is present.

        Returns:
            float64 (views, K, 4) on the CPU: row and column in the image the views were cut from, confidence, presence.
        """
        inputs = torch.stack([view.as_tensor() for view in views])
        with eval_mode(self.network):
            decoded = self.codec.decode(AutocastInferer(self.amp)(inputs, self.network))
        points = decoded.points.cpu().double()
        points = torch.stack([move_points(part, image_affine(view)[0]) for part, view in zip(points, views)])
        belief = torch.stack((decoded.confidence, decoded.presence), -1)
        blank = inputs.amax((1, 2, 3)) == inputs.amin((1, 2, 3))
        belief = torch.where(blank[:, None, None], 0.0, belief)
        return torch.cat((points, belief.cpu().double()), -1)

    def _mirrors(self, side: LimbSide, shown: Shown) -> bool:
        return self.mirror and looks_left(side, shown.swapped)
