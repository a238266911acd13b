"""The presets by name."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from monai_landmarks.errors import ConfigError
from monai_landmarks.simulate import (
    hip_fluoroscopy,
    implant_fluoroscopy,
    implant_radiograph,
    knee,
    knees,
    pelvis,
    pelvis_fluoroscopy,
)
from monai_landmarks.simulate.radiograph import Preset, Radiograph

PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        pelvis.PRESET,
        knee.PRESET,
        knees.PRESET,
        pelvis_fluoroscopy.PRESET,
        implant_radiograph.PRESET,
        implant_fluoroscopy.PRESET,
        hip_fluoroscopy.PRESET,
    )
}


def get_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        ConfigError: there is none; the message lists those there are.
    """
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}; choose one of: {', '.join(sorted(PRESETS))}")
    return PRESETS[name]


def get_site(preset: Preset, site: str) -> Callable[[np.random.Generator], Radiograph]:
    """The function that draws a radiograph of a preset's site.

    Raises:
        ConfigError: the preset has no such site; the message lists those there are.
    """
    if site not in preset.sites:
        raise ConfigError(
            f"the preset {preset.name} has no site {site!r}; choose one of: {', '.join(sorted(preset.sites))}"
        )
    return preset.sites[site]
