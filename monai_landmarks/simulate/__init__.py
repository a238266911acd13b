"""The embedded data set: radiographs made from a statistical shape model, with exact landmarks."""

from monai_landmarks.simulate.dataset import simulate_dataset
from monai_landmarks.simulate.presets import PRESETS, get_preset

__all__ = ["PRESETS", "get_preset", "simulate_dataset"]
