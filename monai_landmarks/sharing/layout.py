"""What a packed bundle may hold: the names of its files, and how large it may be."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from monai_landmarks.errors import ConfigError

MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
CONFIGS = "configs"
BUNDLE_METADATA = "configs/metadata.json"
LOGGING = "configs/logging.conf"
INFERENCE = "configs/inference.yaml"
WEIGHTS = "models/model.pt"
# The first stage of a model that looks for its regions itself.
REGION_WEIGHTS = "models/roi.pt"
CARD = "docs/README.md"
DATA_LICENCE = "docs/data_license.txt"
LICENCE = "LICENSE"
TEST_IMAGE = "selftest/radiograph.png"
TEST_POINTS = "selftest/expected.json"

# What `convert` writes: one file, or one for each pass of a two-pass network, or for each of two stages.
STEMS = ("models/model", "models/model.coarse", "models/model.fine", "models/roi")
# Loading these runs what is in them: only of a bundle whose signer is known.
EXECUTABLE_MODELS = tuple(stem + suffix for stem in STEMS for suffix in (".pt2", ".ts"))
# These run no code, but what they compute need not be what the weights beside them do.
ONNX_MODELS = tuple(f"{stem}.onnx" for stem in STEMS)
# Files of weights a bundle may hold: all are checked (safe_weights) before a config may name them.
WEIGHT_FILES = (WEIGHTS, REGION_WEIGHTS)
MODELS = (*WEIGHT_FILES, *ONNX_MODELS, *EXECUTABLE_MODELS)
REQUIRED = (MANIFEST, BUNDLE_METADATA, INFERENCE, WEIGHTS, CARD, LICENCE, DATA_LICENCE, TEST_IMAGE, TEST_POINTS)
FIXED = frozenset({*REQUIRED, *MODELS, SIGNATURE, LOGGING})
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
VERSION = re.compile(r"[0-9]+(\.[0-9]+){0,3}([a-z]+[0-9]*)?")
CONFIG = re.compile(r"configs/[a-z0-9][a-z0-9_]{0,63}\.yaml")

MAX_FILES = 64
MAX_TEXT = 1 << 22
MAX_TOTAL = 1 << 30


class BundleError(ConfigError):
    """A packed bundle that must not be used; the message names the file and the fault, in one plain line."""

    def __init__(self, text: str) -> None:
        super().__init__(plain(text))


def plain(text: str) -> str:
    """One line without control characters: a stranger's text must not draw over what verify says on a terminal."""
    return "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))


def is_part(name: str) -> bool:
    """Whether a packed bundle may hold a file of this name (below its top folder).

    There is no room for Python files: MONAI puts a bundle's folder on the module search path when it runs a config.
    """
    return name in FIXED or CONFIG.fullmatch(name) is not None


def is_text(name: str) -> bool:
    """Whether the part is a text, and so must be small and hold no path."""
    path = PurePosixPath(name)
    return path.suffix in (".yaml", ".json", ".md", ".txt", ".conf", ".sig") or path.name == LICENCE
