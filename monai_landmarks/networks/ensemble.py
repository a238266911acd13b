"""Several trained networks as one."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from monai_landmarks.codecs.likelihood import Likelihood, Maps, logits_of, maps_of
from monai_landmarks.errors import ConfigError


class LandmarkEnsemble(nn.Module):
    """The mean of networks' probabilities, as logits: the codec of one network decodes them.

    `Categorical`: pixels and the absent class are averaged as the one distribution they are, and the result's absent
    logit is 0 again, so its softmax is exactly the mean of the softmaxes and its presence the mean presence.
    `Bernoulli`: each pixel's sigmoid is averaged. Means of logits (of log-probabilities) would be products of experts:
    where the networks disagree on the place, they take a place none of them believes in, and one network alone rules
    out what the others see. A mean of probabilities keeps each network's peak with its share of the votes.

    Args:
        networks: of one scheme, one input size and one likelihood; trained with other seeds, backbones or data.
        likelihood: how they were trained.

    Shapes: as each network; (B, 1, rows, columns) to logits (B, K, rows, columns), float32.

    Raises:
        ConfigError: no network.
    """

    def __init__(self, networks: Sequence[nn.Module], likelihood: Likelihood) -> None:
        super().__init__()
        if not networks:
            raise ConfigError("an ensemble needs at least one network")
        self.networks = nn.ModuleList(networks)
        self.likelihood = likelihood

    def forward(self, image: Tensor) -> Tensor:
        """Logits of the mean probability."""
        first, *others = (maps_of(self.likelihood, network(image)) for network in self.networks)
        probability, complement = first
        for maps in others:
            probability, complement = probability + maps.probability, complement + maps.complement
        return logits_of(Maps(probability, complement))
