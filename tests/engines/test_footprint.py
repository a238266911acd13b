import subprocess
import sys

import numpy as np

from monai_landmarks.engines.footprint import peak_memory


def child(*lines):
    code = "; ".join(("from monai_landmarks.engines.footprint import peak_memory", *lines, "print(peak_memory())"))
    return int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)


def test_the_peak_is_seen_after_it_is_gone():
    assert child("held = bytearray(10**9)", "del held") > 10**9


def test_what_the_parent_holds_does_not_count():
    held = np.ones(100_000_000)
    assert 10e6 < child() < peak_memory() - held.nbytes / 2
