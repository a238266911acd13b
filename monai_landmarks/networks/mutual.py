"""One-shot detection whose matches must be mutual: what is found must lead back to the template's point.

FM-OSD's bidirectional matching (Miao et al., MICCAI 2024; `codecs.similarity.bidirectional_match`) as a network. It
needs the template's embeddings everywhere, not at its points alone: the template's image is part of the weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from monai_landmarks.codecs.similarity import bidirectional_match
from monai_landmarks.networks.embedding import EmbeddingNet
from monai_landmarks.networks.one_shot import LOWEST, OneShotNet, similarity_logits

TEMPLATE_IMAGE = "template_image"


def holds_image(network: nn.Module) -> bool:
    """Whether a network's weights show a patient: the template's radiograph."""
    return any(name.endswith(TEMPLATE_IMAGE) for name, _ in network.named_buffers())


class MutualOneShotNet(OneShotNet):
    """A `OneShotNet`, `LOWEST` but around the candidate whose way back ends nearest to the template's point.

    It costs a second pass for the template, for each query anew.

    Args:
        embedding, landmarks: as for `OneShotNet`.
        size: rows and columns of the input.
        count: candidates of a landmark.
        separation: half the least distance of two candidates, in pixels; what is further from the chosen one is
            left out.
    """

    def __init__(
        self, embedding: EmbeddingNet, landmarks: int, size: Sequence[int], count: int = 3, separation: int = 8
    ) -> None:
        super().__init__(embedding, landmarks)
        self.count = count
        self.separation = separation
        self.register_buffer(TEMPLATE_IMAGE, torch.zeros(1, 1, *size))
        self.register_buffer("template_points", torch.full((landmarks, 2), torch.nan))

    @torch.no_grad()
    def set_template(self, image: Tensor, points: Tensor) -> None:
        """As `OneShotNet.set_template`; the image, of this network's size, is kept."""
        super().set_template(image, points)
        self.get_buffer(TEMPLATE_IMAGE).copy_(image)
        self.get_buffer("template_points").copy_(points)

    def logits(self, image: Tensor, chosen: Sequence[int]) -> Tensor:
        """As `OneShotNet.logits`, of the chosen candidates alone."""
        offsets, points = self.get_buffer("template_offsets"), self.get_buffer("template_points")
        again = self._passes(self.get_buffer(TEMPLATE_IMAGE), chosen)
        found = []
        for (landmarks, maps), (_, template) in zip(self._passes(image, chosen), again):
            known = [scale[landmarks] for scale in self.template]
            logits = similarity_logits(maps, known, offsets[:, landmarks], self.comparison)
            match = bidirectional_match(
                maps, template, points[landmarks], self.count, self.separation, comparison=self.comparison
            )
            found.append(logits.masked_fill(~self._near(match.points, logits.shape[-2:]), LOWEST))
        return torch.cat(found, 1)

    def _near(self, points: Tensor, size: Sequence[int]) -> Tensor:
        """The pixels (B, N, rows, columns) near points (B, N, 2); none for NaN."""
        rows, columns = (torch.arange(side, device=points.device) for side in size)
        down = (rows - points[..., :1]).abs()[..., :, None]
        across = (columns - points[..., 1:]).abs()[..., None, :]
        return (down <= self.separation) & (across <= self.separation)


def template_network(embedding: EmbeddingNet, landmarks: int, matching: Mapping[str, Any] | None) -> OneShotNet:
    """A `OneShotNet`; with `matching` (`size`, `count`, `separation`) a `MutualOneShotNet`."""
    return MutualOneShotNet(embedding, landmarks, **matching) if matching else OneShotNet(embedding, landmarks)
