"""What a search of hyper-parameters is told, and what is refused before it trains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from monai.bundle import ConfigParser

from monai_landmarks.engines.claim import claim_folder, keep_bundle, recipe
from monai_landmarks.engines.crossvalidation import OWN
from monai_landmarks.engines.search_space import Space, digest_of
from monai_landmarks.errors import ConfigError

SETTINGS = "search.json"


@dataclass(frozen=True, kw_only=True)
class Search:
    """What is searched, and where.

    Attributes:
        folder: of the search; holds bundle/, study.db and a folder a trial.
        dataset_file: whose training split trains and whose validation split judges.
        space: config entries and what they may be.
        configs: names of config files merged after train.yaml.
        overrides: config entries that are the same in all trials.
        seed: of the search, not of the trainings.
        prune: give up a trial that is worse than the median of the others at its epoch.
        progress: whether bars are drawn.
    """

    folder: Path
    dataset_file: Path
    space: Space
    configs: tuple[str, ...] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    prune: bool = True
    progress: bool = False

    @property
    def bundle(self) -> Path:
        """The copy of the bundle that is run."""
        return self.folder / "bundle"

    @property
    def files(self) -> tuple[str, ...]:
        """Names of the config files."""
        return ("train", *self.configs)

    def check(self, bundle: Path) -> None:
        """Refuse, before anything is trained, what cannot be searched.

        Raises:
            ConfigError: a config file is missing, or an entry is unknown, or one that a trial sets itself.
        """
        paths = [bundle / "configs" / f"{name}.yaml" for name in self.files]
        if missing := [str(path) for path in paths if not path.is_file()]:
            raise ConfigError(f"no config file {', '.join(missing)}")
        if taken := [key for key in (*self.space, *self.overrides) if key in OWN]:
            raise ConfigError(f"{', '.join(taken)}: set for each trial by the search; leave it out")
        if twice := [key for key in self.space if key in self.overrides]:
            raise ConfigError(f"{', '.join(twice)}: searched and set; leave one out")
        config = ConfigParser(ConfigParser.load_config_files([str(path) for path in paths]))
        if unknown := [key for key in self.space if key not in config]:
            raise ConfigError(f"{', '.join(unknown)}: no such entry in {', '.join(self.files)}.yaml of the bundle")

    def claim(self, bundle: Path, digest: str) -> None:
        """Make the folder this search's, with a copy of the bundle; `digest`: of the data set.

        Raises:
            ConfigError: it is another search's.
        """
        settings = {
            "recipe": recipe(bundle),
            "dataset": digest,
            "space": digest_of(self.space),
            "configs": list(self.configs),
            "overrides": {key: str(value) for key, value in self.overrides.items()},
        }
        claim_folder(self.folder / SETTINGS, settings, "a search")
        keep_bundle(bundle, self.bundle)
