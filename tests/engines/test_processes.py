"""Jobs in processes of their own. Few imports: each process imports this module."""

import os
import signal

import pytest

from monai_landmarks.engines.processes import in_own_process
from monai_landmarks.errors import DatasetError, LandmarksError


def fail(kind):
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "ours":
        raise RuntimeError("wrapped") from DatasetError("data.json", ["case 3: is wrong"])
    raise ZeroDivisionError("theirs")


@pytest.mark.parametrize(
    ("kind", "error", "message"),
    [
        ("ours", LandmarksError, r"(?s)fold 1: data.json: 1 fault.*case 3: is wrong"),
        ("killed", LandmarksError, "fold 1: its process was killed"),
        ("theirs", ZeroDivisionError, "theirs"),
    ],
)
def test_errors_come_back_from_a_process(kind, error, message):
    with pytest.raises(error, match=message):
        in_own_process("fold 1", fail, kind)
    assert in_own_process("fold 1", os.getpid) != os.getpid()
