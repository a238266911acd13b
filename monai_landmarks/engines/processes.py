"""A job in a process of its own: whatever it leaves behind in memory ends with it."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from monai_landmarks.errors import LandmarksError, find_cause


def in_own_process(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a new process and return what it returns.

    Args:
        name: of the job, for messages.
        function: of a module, not of the main script; it, its arguments and its result are pickled.
        arguments: for it.

    Raises:
        LandmarksError: the message of an error of ours, or the process was killed.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context, initializer=end_with_the_parent) as pool:
        try:
            return pool.submit(_with_plain_errors, name, function, *arguments).result()
        except BrokenProcessPool:
            raise LandmarksError(
                f"{name}: its process was killed, perhaps for want of memory; the same command continues it"
            ) from None


def end_with_the_parent() -> None:
    """A job whose command was killed must not go on unseen, and write where the next one writes."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _with_plain_errors(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
    """Errors of ours carry objects that may not survive the way between processes; their text does."""
    try:
        return function(*arguments)
    except Exception as error:
        if cause := find_cause(error):
            raise LandmarksError(f"{name}: {cause}") from None
        raise
