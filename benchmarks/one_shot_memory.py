"""Largest memory one query takes one-shot detection on a CPU, next to parameters and time.

    python benchmarks/one_shot_memory.py [--size 384] [--landmarks 19]

Each row is a process of its own that builds the network with random weights, takes a template and answers one query;
its peak is the resident memory the operating system noted, Python and PyTorch included. Seconds are those
of the fastest of three queries, on one thread.

Writes runs/benchmarks/one_shot_memory.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from typing import Any

TARGET_MB = 2000.0
WIDE, NARROW = (256, 128, 64, 128), (128, 64, 64, 64)
ROWS: list[dict[str, Any]] = [
    {"encoder": encoder, "decoder_channels": channels, "adapter_channels": adapter}
    for encoder, channels in (("efficientnet-lite0", NARROW), ("efficientnet-lite0", WIDE), ("vgg19", WIDE))
    for adapter in (0, 16)
]


def query(settings: dict[str, Any], size: int, landmarks: int) -> dict[str, Any]:
    """Build a network, ask it once, and say what that took."""
    import torch

    from monai_landmarks.engines.footprint import peak_memory
    from monai_landmarks.networks.embedding import EmbeddingNet
    from monai_landmarks.networks.one_shot import OneShotNet

    torch.set_num_threads(1)
    loaded = peak_memory() / 1e6
    network = OneShotNet(EmbeddingNet(**settings, landmarks=landmarks), landmarks).eval()
    image = torch.rand(1, 1, size, size)
    network.set_template(image, size * torch.rand(landmarks, 2) - 0.5)
    seconds = []
    with torch.no_grad():
        for _ in range(3):
            began = time.perf_counter()
            network(image)
            seconds.append(time.perf_counter() - began)
    parameters = {part: sum(p.numel() for p in network.embedding.get_submodule(part).parameters()) for part in PARTS}
    return {"loaded_mb": loaded, "peak_mb": peak_memory() / 1e6, "seconds": min(seconds), "parameters": parameters}


PARTS = ("encoder", "shared", "heads", "adapters")


def measured(settings: dict[str, Any], size: int, landmarks: int) -> dict[str, Any]:
    """`query` in a process of its own."""
    command = [
        sys.executable,
        __file__,
        "--row",
        json.dumps(settings),
        "--size",
        str(size),
        "--landmarks",
        str(landmarks),
    ]
    done = subprocess.run(
        command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True, capture_output=True, text=True
    )
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return {**settings, **result}


def print_table(rows: list[dict[str, Any]], size: int, landmarks: int) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"One query of {size} x {size}, {landmarks} landmarks; target: peak below {TARGET_MB:.0f} MB")
    for heading in ("encoder", "decoder", "C_A", "encoder M", "shared M", "an adapter M", "peak MB", "s"):
        table.add_column(heading, justify="right")
    for row in rows:
        millions = {part: number / 1e6 for part, number in row["parameters"].items()}
        table.add_row(
            row["encoder"],
            "/".join(map(str, row["decoder_channels"])),
            str(row["adapter_channels"]),
            f"{millions['encoder']:.2f}",
            f"{millions['shared'] + millions['heads']:.2f}",
            f"{millions['adapters'] / landmarks:.2f}",
            f"{row['peak_mb']:.0f}",
            f"{row['seconds']:.2f}",
        )
    Console(width=120).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=384)
    parser.add_argument("--landmarks", type=int, default=19)
    parser.add_argument("--row", type=json.loads, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.row is not None:
        print(json.dumps(query(given.row, given.size, given.landmarks)))
        return
    rows = [measured(settings, given.size, given.landmarks) for settings in ROWS]
    print_table(rows, given.size, given.landmarks)
    from interleaved import write

    print(
        write(
            "one_shot_memory", {"size": given.size, "landmarks": given.landmarks, "target_mb": TARGET_MB, "rows": rows}
        )
    )
    if max(row["peak_mb"] for row in rows) >= TARGET_MB:
        raise SystemExit("a query took more memory than the target")


if __name__ == "__main__":
    main()
