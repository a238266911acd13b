import ctypes
import platform
import resource
import sys

import pytest
import yaml

from monai_landmarks.engines.allocator import keep_freed_memory
from monai_landmarks.engines.processes import in_own_process
from monai_landmarks.sharing.bundles import shipped_bundles

MEGABYTES = 64
ROUNDS = 10


def faults(keep):
    """Page faults of making and freeing a block of 64 MB ten times, and whether freed memory was to be kept."""
    kept = keep and keep_freed_memory()
    import numpy as np

    def touch():
        np.ones(MEGABYTES * 10**6 // 8)

    touch()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(ROUNDS):
        touch()
    return kept, resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_a_large_block_is_paid_for_once():
    kept, with_it = in_own_process("kept", faults, True)
    assert kept
    _, without = in_own_process("given back", faults, False)
    assert with_it < 0.1 * without


def test_an_older_glibc_that_takes_no_large_threshold_gets_no_blocks_from_the_system(monkeypatch):
    asked = []

    class Library:
        def __init__(self, name):
            pass

        @staticmethod
        def mallopt(key, value):
            asked.append((key, value))
            return int(key != -3)

    monkeypatch.setattr(ctypes, "CDLL", Library)
    monkeypatch.setattr(sys, "platform", "linux")
    assert keep_freed_memory() is True
    assert asked[1:] == [(-4, 0), (-1, -1)]


def test_elsewhere_nothing_is_done(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False


@pytest.mark.parametrize("name", sorted(shipped_bundles()))
def test_every_bundle_keeps_it(name):
    starts = {
        file.name: content["initialize"]
        for file in (shipped_bundles()[name] / "configs").glob("*.yaml")
        if "initialize" in (content := yaml.safe_load(file.read_text(encoding="utf-8")))
    }
    assert {"train.yaml", "inference.yaml", "multi_gpu_train.yaml"} <= set(starts)
    assert all("$keep_freed_memory()" in start for start in starts.values())
