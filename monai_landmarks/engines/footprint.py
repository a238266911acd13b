"""What a trained model costs: parameters, time and memory of one image."""

from __future__ import annotations

import json
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from monai_landmarks.codecs.decode import codec_from
from monai_landmarks.engines.allocator import keep_freed_memory
from monai_landmarks.engines.processes import in_own_process
from monai_landmarks.networks.build import network_from
from monai_landmarks.sharing.bundles import load_metadata, scheme_of, settings_of, spatial_size_of

REPEATS = 3
STATUS = Path("/proc/self/status")
# getrusage counts in KiB, on macOS in bytes.
UNIT = 1 if sys.platform == "darwin" else 1024


@dataclass(frozen=True)
class Footprint:
    """Attributes:
    parameters: of all parts, frozen ones too.
    seconds: for network and codec and one image of the network's size on the CPU, the fastest of three.
    memory_mb: largest resident memory of a process that does this, Python and PyTorch included, in 10^6 bytes.
    """

    parameters: int
    seconds: float
    memory_mb: float


def measure_footprint(models: Path) -> Footprint:
    """Run a trained model in a process of its own, whose memory is nobody else's.

    Args:
        models: its folder, with metadata.json; weights do not matter.

    Raises:
        ConfigError: no metadata.
    """
    return Footprint(**json.loads(in_own_process("footprint", _measure, str(models))))


def peak_memory() -> int:
    """Largest resident memory of this process so far, in bytes.

    On Linux from /proc: getrusage also counts what the parent held when this process was forked from it.
    """
    if STATUS.is_file():
        lines = (line.split() for line in STATUS.read_text(encoding="utf-8").splitlines())
        return next(int(words[1]) * 1024 for words in lines if words and words[0] == "VmHWM:")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT


@torch.inference_mode()
def _measure(models: str) -> str:
    keep_freed_memory()
    metadata = load_metadata(models, models)
    settings = settings_of(metadata)
    network = network_from(settings, len(scheme_of(metadata).names)).eval()
    codec = codec_from(settings["decoder"])
    image = torch.rand(1, 1, *spatial_size_of(metadata))
    seconds = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        codec.decode(network(image))
        seconds.append(time.perf_counter() - began)
    found = {
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "seconds": min(seconds),
        "memory_mb": peak_memory() / 1e6,
    }
    return json.dumps(found)
