"""The hospitals of a simulated federation: a data set file each, and all of them as one for the comparison."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from monai_landmarks.data.dataset import Case, LandmarkDataset, load_dataset
from monai_landmarks.errors import ConfigError
from monai_landmarks.sharing.layout import NAME
from monai_landmarks.simulate.dataset import HOME_SHARES, simulate_dataset
from monai_landmarks.simulate.presets import get_preset

ATTRIBUTE = "site"


def simulated_hospitals(folder: Path, preset: str, count: int, seed: int) -> dict[str, Path]:
    """A data set of each of a preset's sites, divided for training, validation and test, in a folder of its own.

    Args:
        folder: gets a folder a site.
        preset: of the simulator.
        count: images of each hospital.
        seed: of the simulation.
    """
    return {
        site: simulate_dataset(folder / site, preset, count, seed, split=HOME_SHARES, site=site)
        for site in get_preset(preset).sites
    }


def load_hospitals(sites: Mapping[str, Path]) -> dict[str, LandmarkDataset]:
    """The data set of each hospital, all of them checked before anything is written.

    Raises:
        ConfigError: fewer than two, a name that is none, or landmarks that differ.
        DatasetError: a file is missing or invalid.
    """
    if wrong := [name for name in sites if NAME.fullmatch(name) is None]:
        raise ConfigError(f"--site {wrong[0]}: a name must be letters, digits, - and _")
    datasets = {name: load_dataset(file) for name, file in sites.items()}
    check_alike(datasets)
    return datasets


def given_hospitals(folder: Path, datasets: Mapping[str, LandmarkDataset]) -> dict[str, Path]:
    """Data sets of the user as hospitals: `folder`/NAME/dataset.json, whose images stay where they are."""
    for name, dataset in datasets.items():
        dataset.relocated(folder / name).save(folder / name / "dataset.json")
    return {name: folder / name / "dataset.json" for name in datasets}


def check_alike(datasets: Mapping[str, LandmarkDataset]) -> None:
    """Refuse hospitals that cannot train one network.

    Raises:
        ConfigError: fewer than two, or landmarks that differ; the hospital is named.
    """
    if len(datasets) < 2:
        raise ConfigError("a federation needs at least two hospitals: --site NAME=DATASET for each")
    first, *others = datasets.items()
    for name, dataset in others:
        if dataset.names != first[1].names:
            raise ConfigError(
                f"{name} has the landmarks {', '.join(dataset.names)}, {first[0]} {', '.join(first[1].names)}; they "
                "must be the same, in the same order"
            )


def pooled(sites: Mapping[str, Path], folder: Path) -> Path:
    """All hospitals' cases as one data set file, each with its hospital as the attribute `site`; for comparison only.

    Cases and patients get their hospital's name in front: two hospitals may use the same ones.
    """
    datasets = load_hospitals(sites)
    cases = [_named(case, name) for name, data in datasets.items() for case in data.relocated(folder).cases]
    first = next(iter(datasets.values()))
    together = LandmarkDataset(scheme=first.scheme, scope=first.scope, cases=cases, root=folder)
    together.save(folder / "dataset.json")
    return folder / "dataset.json"


def _named(case: Case, site: str) -> Case:
    return case.model_copy(
        update={
            "id": f"{site}/{case.id}",
            "patient": f"{site}/{case.patient_key}",
            "attributes": {**case.attributes, ATTRIBUTE: site},
        }
    )
