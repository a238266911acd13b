"""model.pt and roi.pt: state dicts of tensors, and nothing that a pickle could run."""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path

import torch
from torch import Tensor

from monai_landmarks.sharing.layout import BUNDLE_METADATA, REGION_WEIGHTS, WEIGHT_FILES, BundleError
from monai_landmarks.sharing.metadata import BundleMetadata
from monai_landmarks.sharing.model_settings import region_of


def check_weights(folder: Path) -> int:
    """Check every file of weights an unpacked bundle holds.

    Returns:
        The number of tensors in them.

    Raises:
        BundleError: as `read_weights`; the file is named.
    """
    return sum(len(read_weights(folder / name, name)) for name in WEIGHT_FILES if (folder / name).is_file())


def check_region(folder: Path, metadata: BundleMetadata) -> None:
    """A two-stage model brings its first stage's weights, and no other model does.

    Raises:
        BundleError: they are missing, or too many.
    """
    found, region = (folder / REGION_WEIGHTS).is_file(), region_of(metadata.monai_landmarks.settings)
    if region is not None and not found:
        raise BundleError(f"{REGION_WEIGHTS}: is missing: {BUNDLE_METADATA} tells of two stages, and it is the first")
    if region is None and found:
        raise BundleError(f"{REGION_WEIGHTS}: belongs to no model: {BUNDLE_METADATA} tells of one stage; leave it out")


def read_weights(path: Path, name: str) -> dict[str, Tensor]:
    """Load a state dict without running anything in it.

    Raises:
        BundleError: no torch file, compressed, holding an object that is no tensor, or more than a flat state dict.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            packed = [entry.filename for entry in archive.infolist() if entry.compress_size != entry.file_size]
    except (zipfile.BadZipFile, OSError, NotImplementedError):
        raise BundleError(f"{name}: is no file of weights as torch.save writes it: perhaps a bare pickle") from None
    if packed:
        raise BundleError(f"{name}: {packed[0]} in it is compressed, which torch.save never does: an archive bomb")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, TypeError, AttributeError) as error:
        # torch's own message goes on to say how to load it all the same, which is the last thing to do here.
        asked = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f": it asks for {asked.group(1)}" if asked else ""
        raise BundleError(
            f"{name}: holds a pickle of something other than tensors{what}; nothing of it was run"
        ) from None
    if not isinstance(content, dict) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    ):
        raise BundleError(f"{name}: must hold names and tensors alone, as the training's model.pt does")
    return content
