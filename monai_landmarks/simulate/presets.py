"""The presets by name."""

from __future__ import annotations

from monai_landmarks.errors import ConfigError
from monai_landmarks.simulate import pelvis
from monai_landmarks.simulate.radiograph import Preset

PRESETS: dict[str, Preset] = {preset.name: preset for preset in (pelvis.PRESET,)}


def get_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        ConfigError: there is none; the message lists those there are.
    """
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}; choose one of: {', '.join(sorted(PRESETS))}")
    return PRESETS[name]
