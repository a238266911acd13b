"""Keeping the noise of decoder libraries away from the user: what matters becomes one error of ours."""

from __future__ import annotations

import logging
import threading
import warnings

LOGGERS = ("pydicom", "PIL", "tifffile", "nibabel", "nibabel.global")


class Quiet:
    """Holds back warnings and the decoder libraries' log records; use the instance `quiet`.

    Both are state of the whole process, and CacheDataset reads in threads: the first to enter silences, the last to
    leave restores. Each on its own would restore what another one had silenced.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0
        self.levels: dict[str, int] = {}
        self.warnings = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self.lock:
            if self.inside == 0:
                self.warnings = warnings.catch_warnings()
                self.warnings.__enter__()
                warnings.simplefilter("ignore")
                self.levels = {name: logging.getLogger(name).level for name in LOGGERS}
                self._set_levels(dict.fromkeys(LOGGERS, logging.CRITICAL + 1))
            self.inside += 1

    def __exit__(self, *exception: object) -> None:
        with self.lock:
            self.inside -= 1
            if self.inside == 0:
                self._set_levels(self.levels)
                self.warnings.__exit__(None, None, None)

    def _set_levels(self, levels: dict[str, int]) -> None:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


quiet = Quiet()
