"""What a federated training is: the few plain values that travel from its server to the hospitals.

A hospital runs its own copy of a bundle on its own data set file. From the server come names and numbers of a short
list, never a config, a path, an address or an expression: whoever runs the server cannot run code at a hospital by
them, nor have anything but weights sent.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from monai_landmarks.errors import ConfigError
from monai_landmarks.sharing.bundles import shipped_bundles
from monai_landmarks.sharing.layout import NAME

# The hospital says where its data set file is; "{site}" stands for the name it has in the federation.
DATASET_VARIABLE = "MONAI_LANDMARKS_DATASET"
CONFIG = "federated"
# Config entries a server may set.
SETTABLE = frozenset(
    {
        "backbone",
        "batch_size",
        "decoder_channels",
        "learning_rate",
        "max_gradient_norm",
        "mirror_prob",
        "schedule#start",
        "schedule#stop",
        "seed",
        "spatial_size",
        "test_time_mirror",
    }
)
LONGEST_LIST = 16


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What all hospitals do.

    Attributes:
        bundle: name of a shipped bundle with a configs/federated.yaml.
        rounds: how often the hospitals' weights are averaged.
        local_epochs: between two averages.
        settings: config entries of `SETTABLE`.

    Raises:
        ConfigError: anything else is asked for.
    """

    bundle: str
    rounds: int
    local_epochs: int
    settings: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.source()
        if self.rounds < 1 or self.local_epochs < 1:
            raise ConfigError(f"{self.rounds} rounds of {self.local_epochs} epochs: both must be at least 1")
        if unknown := sorted(set(self.settings) - SETTABLE):
            raise ConfigError(
                f"{', '.join(unknown)}: not for all hospitals to set; these are: {', '.join(sorted(SETTABLE))}"
            )
        if wrong := [key for key, value in self.settings.items() if not is_plain(value)]:
            raise ConfigError(
                f"{', '.join(wrong)}: must be a number, True, False, a plain name, or a short list of them"
            )

    @property
    def epochs(self) -> int:
        """Epochs in all."""
        return self.rounds * self.local_epochs

    def source(self) -> Path:
        """The installed bundle.

        Raises:
            ConfigError: there is none, or it is not for federated training.
        """
        shipped = {name: path for name, path in shipped_bundles().items() if _config(path).is_file()}
        if self.bundle not in shipped:
            raise ConfigError(f"{self.bundle!r} cannot be trained so; bundles that can: {', '.join(shipped)}")
        return shipped[self.bundle]

    def expressions(self) -> dict[str, Any]:
        """The config entries that are the same everywhere."""
        return {"progress": False, "max_epochs": self.epochs, **self.settings}

    def as_json(self) -> dict[str, Any]:
        """For a job's configuration."""
        return {**asdict(self), "settings": dict(self.settings)}


def _config(bundle: Path) -> Path:
    return bundle / "configs" / f"{CONFIG}.yaml"


def is_plain(value: Any) -> bool:
    """Whether a value is data and nothing else: no expression, path or reference."""
    if isinstance(value, list):
        return 0 < len(value) <= LONGEST_LIST and all(is_plain(part) and not isinstance(part, list) for part in value)
    if isinstance(value, str):
        return NAME.fullmatch(value) is not None
    return isinstance(value, bool | int | float) and math.isfinite(value)


def own_dataset(site: str) -> Path:
    """The data set file of the hospital this process runs at, as the hospital's environment says.

    Raises:
        ConfigError: it does not say.
    """
    if NAME.fullmatch(site) is None:
        raise ConfigError(f"the site's name {site!r} must be letters, digits, - and _")
    told = os.environ.get(DATASET_VARIABLE)
    if not told:
        raise ConfigError(f"set {DATASET_VARIABLE} to this hospital's data set file before its client is started")
    return Path(told.replace("{site}", site))
