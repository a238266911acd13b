import subprocess
import sys

import numpy as np

from monai_landmarks.engines.footprint import peak_memory


def test_the_peak_is_seen_after_it_is_gone():
    before = peak_memory()
    held = np.ones(2 * before // 8)
    del held
    assert peak_memory() > 2 * before


def test_what_the_parent_holds_does_not_count():
    held = np.ones(100_000_000)
    code = "from monai_landmarks.engines.footprint import peak_memory; print(peak_memory())"
    child = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout)
    assert 10e6 < child < peak_memory() - held.nbytes / 2
