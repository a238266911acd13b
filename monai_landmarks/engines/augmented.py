"""Test-time augmentation: the network looks at each image several times, a little differently."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from monai_landmarks.codecs.likelihood import Likelihood, Maps, logits_of, maps_of
from monai_landmarks.engines.inferer import AutocastInferer
from monai_landmarks.errors import ConfigError
from monai_landmarks.transforms.views import View, standard_views


class AugmentedInferer(AutocastInferer):
    """The mean of the probabilities that views of an image give, as logits on the image's own grid.

    A view's maps are taken back to the image and averaged as probabilities (why not as logits: `LandmarkEnsemble`);
    bilinear interpolation of probabilities keeps their mean position, which sub-pixel decoding rests on. A pixel that a
    view does not see takes its mean over the views that do, and a view that does not see where a landmark is has no say
    on its absence.

    MONAI's `TestTimeAugmentation` is not used: it draws random transforms of a dictionary on the CPU, one image a call,
    deep-copies the item for each, cannot swap channels under a flip, averages logits without regard to what left the
    view, and is no Inferer, so no engine can take it from a config.

    Args:
        likelihood: how the network was trained.
        views: the views; the image itself is always the first, named or not. By default the mirror image where `mirror`
            has pairs, else none: turns and scales cost more passes than they are worth (docs/explanation/tail.md).
        mirror: for each channel, the channel of its mirror image (`Scheme.mirror`); needed for mirrored views.
        amp: as in `AutocastInferer`.

    Raises:
        ConfigError: mirrored views without `mirror`.
    """

    def __init__(
        self,
        likelihood: Likelihood,
        views: Sequence[View] | None = None,
        mirror: Sequence[int] | None = None,
        amp: bool = False,
    ) -> None:
        super().__init__(amp)
        pairs = mirror is not None and list(mirror) != list(range(len(mirror)))
        chosen = standard_views(mirror=pairs) if views is None else views
        if mirror is None and any(view.mirror for view in chosen):
            raise ConfigError("mirrored views swap left and right landmarks: give `mirror`, the scheme's pairs")
        self.likelihood = likelihood
        self.views = tuple(view for view in chosen if not view.plain)
        self.mirror = None if mirror is None else list(mirror)

    def __call__(self, inputs: Tensor, network: Any, *args: Any, **kwargs: Any) -> Tensor:
        """Logits (B, K, rows, columns), float32. Memory is that of one view more than without."""
        logits = super().__call__(inputs, network, *args, **kwargs)
        if not self.views:
            return logits
        plain = maps_of(self.likelihood, logits)
        weight = torch.ones_like(inputs[0, 0], dtype=torch.float32)
        probability, complement = plain
        total, total_complement = weight, self.likelihood.visible(plain, weight)
        for view in self.views:
            seen = view.seen(plain.probability)
            say = self.likelihood.visible(plain, seen)
            maps = self._look(view, super().__call__(view.apply(inputs), network, *args, **kwargs))
            probability, total = probability + maps.probability * seen, total + seen
            complement, total_complement = complement + maps.complement * say, total_complement + say
        mean = logits_of(Maps(probability / total, complement / total_complement))
        # A landmark without template: its mirror image's template would find it in the mirrored view.
        return torch.where((self.likelihood.presence(logits) > 0)[..., None, None], mean, logits)

    def _look(self, view: View, logits: Tensor) -> Maps:
        """A view's probabilities, on the image's grid and in its channels."""
        if view.mirror and self.mirror is not None:
            logits = logits[:, self.mirror]
        return self.likelihood.resampled(maps_of(self.likelihood, logits), view.revert, view.scale**2)
