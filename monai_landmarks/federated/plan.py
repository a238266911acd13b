"""What a federated training is: the few plain values that travel from its server to the hospitals.

A hospital runs its own copy of a bundle on its own data set file. From the server come names and numbers of a short
list, never a config, a path, an address or an expression: whoever runs the server cannot run code at a hospital by
them, nor have anything but weights sent.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Literal

from monai.bundle import ConfigParser
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.errors import ConfigError
from monai_landmarks.sharing.bundles import shipped_bundles
from monai_landmarks.sharing.layout import NAME

# The hospital says where its data set file is; "{site}" stands for the name it has in the federation.
DATASET_VARIABLE = "MONAI_LANDMARKS_DATASET"
CONFIG = "federated"
Whole = Annotated[int, Field(gt=0)]
Positive = Annotated[float, Field(gt=0)]
# The encoder halves both sides five times.
Side = Annotated[int, Field(gt=0, multiple_of=32)]
_KINDS: Mapping[str, Any] = {
    "backbone": Literal["efficientnet-lite0"],  # the first weights of others come with no package
    "batch_size": Whole,
    "decoder_channels": Annotated[list[Whole], Field(min_length=5, max_length=5)],
    "learning_rate": Positive,
    "max_gradient_norm": Positive,
    "mirror_prob": Annotated[float, Field(ge=0, le=1)],
    "schedule#start": Positive,
    "schedule#stop": Positive,
    "seed": Annotated[int, Field(ge=0, lt=2**32)],
    "spatial_size": Annotated[list[Side], Field(min_length=2, max_length=2)],
    "test_time_mirror": bool,
}
# Config entries a server may set, and what each may be: what a training runs with, and no text but known names.
SETTABLE: Mapping[str, TypeAdapter[Any]] = {
    key: TypeAdapter(kind, config=ConfigDict(strict=True, allow_inf_nan=False)) for key, kind in _KINDS.items()
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What all hospitals do.

    Attributes:
        bundle: name of a shipped bundle with a configs/federated.yaml.
        rounds: how often the hospitals' weights are averaged.
        local_epochs: between two averages.
        settings: config entries of `SETTABLE`.
        landmarks: `landmark_digest` of the names; "" fits no data set.

    Raises:
        ConfigError: anything else is asked for.
    """

    bundle: str
    rounds: int
    local_epochs: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    landmarks: str = ""

    def __post_init__(self) -> None:
        self.source()
        if self.rounds < 1 or self.local_epochs < 1:
            raise ConfigError(f"{self.rounds} rounds of {self.local_epochs} epochs: both must be at least 1")
        if unknown := sorted(set(self.settings) - set(SETTABLE)):
            raise ConfigError(
                f"{', '.join(unknown)}: not for all hospitals to set; these are: {', '.join(sorted(SETTABLE))}"
            )
        if faults := [*filter(None, (_fault(key, value) for key, value in self.settings.items()))]:
            raise ConfigError("; ".join(faults))
        self._check_schedule()

    def _check_schedule(self) -> None:
        """Refuse regions that would grow; where one end is not set, the bundle's own counts."""
        own = ConfigParser.load_config_file(self.source() / "configs" / "train.yaml")["schedule"]
        start, stop = (self.settings.get(f"schedule#{end}", own[end]) for end in ("start", "stop"))
        if start < stop:
            raise ConfigError(f"schedule#start {start} is below schedule#stop {stop}; set both")

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

    def copy_bundle(self, folder: Path) -> None:
        """Copy the installed bundle, without what a training may have left in it."""
        left = shutil.ignore_patterns("models", "eval", "predictions")
        shutil.copytree(self.source(), folder, dirs_exist_ok=True, ignore=left)

    def expressions(self) -> dict[str, Any]:
        """The config entries that are the same everywhere."""
        return {"progress": False, "max_epochs": self.epochs, **self.settings}

    def check_landmarks(self, dataset_file: Path) -> None:
        """Refuse a data set file whose points mean something else: an average with it would be worth nothing.

        Raises:
            ConfigError: it has other landmarks than the job, or in another order.
        """
        names = load_dataset(dataset_file).names
        if landmark_digest(names) != self.landmarks:
            raise ConfigError(
                f"{dataset_file} has the landmarks {', '.join(names)}: not those of this job, or in another order; "
                "name and order them as the hospital that prepared it does (channel_def in its "
                "bundle/models/metadata.json)"
            )

    def as_json(self) -> dict[str, Any]:
        """For a job's configuration."""
        return {**asdict(self), "settings": dict(self.settings)}


def landmark_digest(names: Sequence[str]) -> str:
    """Sixteen hexadecimal digits that stand for landmark names in their order."""
    return sha256(json.dumps(list(names)).encode()).hexdigest()[:16]


def _config(bundle: Path) -> Path:
    return bundle / "configs" / f"{CONFIG}.yaml"


def _fault(key: str, value: Any) -> str | None:
    try:
        SETTABLE[key].validate_python(value)
    except ValidationError as error:
        return f"{key} {value!r}: {error.errors()[0]['msg']}"
    return None


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
