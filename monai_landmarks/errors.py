"""Errors a user can act on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


class LandmarksError(Exception):
    """Base of every error that names what is wrong and how to put it right; the CLI prints it without a traceback."""


class ReadError(LandmarksError):
    """A radiograph cannot be read. The message names the file and the fault."""


class UnsupportedObjectError(ReadError):
    """The file is readable but is no radiograph (a report, a presentation state, a directory, ...)."""


class WriteError(LandmarksError):
    """A result cannot be written. The message names the file and the remedy."""


class DatasetError(LandmarksError):
    """A data set file is invalid. Carries every fault found, each naming file, case and field."""

    def __init__(self, path: object, faults: Sequence[str]) -> None:
        self.faults = list(faults)
        count = f"{len(self.faults)} fault" + ("s" if len(self.faults) != 1 else "")
        super().__init__(f"{path}: {count}\n" + "\n".join(f"  - {fault}" for fault in self.faults))


def find_cause(error: BaseException | None) -> LandmarksError | None:
    """The error of ours inside what MONAI's Compose, loaders and configs wrap around it; None where there is none."""
    while error is not None:
        if isinstance(error, LandmarksError):
            return error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None


class ConfigError(LandmarksError):
    """A setting or a combination of settings that cannot work."""


@contextmanager
def writing(path: object) -> Iterator[None]:
    """Say what to do when the operating system refuses to write a file.

    Raises:
        WriteError: instead of its OSError.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or type(error).__name__
        remedy = "free space on the disk, check the permissions, or name another folder"
        raise WriteError(f"{path}: cannot be written ({reason}); {remedy}") from error
