"""Keeping the noise of decoder libraries away from the user, and listening to it.

Some of them report damage only by printing: libjpeg inside gdcm writes "Corrupt JPEG data" to the process's standard
error and returns half an image.
"""

from __future__ import annotations

import logging
import os
import re
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

LOGGERS = ("pydicom", "pylibjpeg", "openjpeg", "PIL", "tifffile", "nibabel", "nibabel.global")
STDERR = 2
DAMAGE = re.compile(rb"corrupt|premature end|invalid jpeg|invalid sos|unsupported marker", re.IGNORECASE)
# Standard error belongs to the whole process.
_stderr_lock = threading.Lock()


@contextmanager
def quiet() -> Iterator[list[str]]:
    """Hold back warnings and log records of the decoder libraries; yields the warnings' texts, filled on leaving."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        try:
            yield messages
        finally:
            for logger, level in zip(loggers, levels):
                logger.setLevel(level)
            messages.extend(str(warning.message) for warning in caught)


@contextmanager
def listen_to_stderr() -> Iterator[list[str]]:
    """Hold back what C libraries print about damaged data; yields those lines, filled on leaving.

    Whatever else arrived meanwhile (another thread's progress bar) is passed on.
    """
    damage: list[str] = []
    with _stderr_lock, tempfile.TemporaryFile() as sink:
        saved = os.dup(STDERR)
        os.dup2(sink.fileno(), STDERR)
        try:
            yield damage
        finally:
            os.dup2(saved, STDERR)
            os.close(saved)
            sink.seek(0)
            for line in sink.read().splitlines(keepends=True):
                if DAMAGE.search(line):
                    damage.append(line.decode(errors="replace").strip())
                else:
                    os.write(STDERR, line)
