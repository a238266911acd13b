"""Freed memory stays with the process; on the CPU a network's large tensors would be paid for anew at each step."""

from __future__ import annotations

import ctypes
import sys

# glibc's mallopt(3). Blocks beyond 1 GiB still come from the system and go back to it.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
NEVER = -1
LARGEST_KEPT = 1 << 30


def keep_freed_memory() -> bool:
    """Ask the C library to keep what is freed instead of giving it back to the system, for this process.

    glibc takes blocks above 32 MB from the system and returns them when they are freed, so each activation of an image
    of 512 x 512 costs its page faults at every step: a quarter of a training step there, half of a prediction at 1024
    (docs/benchmarks/speed.md). Results do not change; a process keeps the memory of its peak until it ends.

    Returns:
        Whether the C library took the settings; False, and nothing done, where it is not glibc (macOS, Windows, musl).
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # Older glibc takes no threshold above 32 MB; there no block at all comes from the system by itself.
    kept = mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT) or mallopt(M_MMAP_MAX, 0)
    return bool(kept) and bool(mallopt(M_TRIM_THRESHOLD, NEVER))
