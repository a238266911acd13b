"""One process at a time in a folder that several may come to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from monai_landmarks.errors import ConfigError, writing


@contextmanager
def alone(lock: Path, doing: str | None = None) -> Iterator[None]:
    """Hold a lock, which ends with its process, however that ends.

    Args:
        lock: the file that stands for it; its folder is made where there is none.
        doing: what takes so long that others are refused, such as "searching"; without it they wait.

    Raises:
        ConfigError: the folder is a file, or another process is doing that.
        WriteError: the file system refuses.
    """
    if lock.parent.is_file():
        raise ConfigError(f"{lock.parent} is a file; name a folder")
    with writing(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        try:
            held = FileLock(lock, timeout=0 if doing else -1).acquire()
        except Timeout:
            raise ConfigError(f"{lock.parent}: another process is {doing} here; wait for it, or end it") from None
    with held:
        yield
