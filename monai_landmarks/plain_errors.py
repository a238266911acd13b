"""`python -m monai.bundle run ...` is a command line too: an error of ours ends it with its sentence alone."""

from __future__ import annotations

import os
import sys
from types import TracebackType

from monai_landmarks.errors import find_cause

DEBUG_VARIABLE = "MONAI_LANDMARKS_DEBUG"
RUNNER = "monai.bundle"


def tell_bundle_errors_plainly() -> None:
    """In a process that runs MONAI's bundles, and in no other, tell errors as `monai-landmarks` does."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None and spec.name.rpartition(".")[0] == RUNNER and not os.environ.get(DEBUG_VARIABLE):
        sys.excepthook = _tell


def _tell(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """MONAI and Ignite wrap ours in theirs; those of other origin keep their traceback."""
    ours = find_cause(error)
    if ours is None:
        sys.__excepthook__(kind, error, trace)
    else:
        print(f"error: {ours}", file=sys.stderr)
