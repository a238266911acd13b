"""What the demos share: a folder that belongs to one demo, and steps that tell how long they took."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from monai_landmarks.engines.claim import claim_folder


def claim(output: Path, settings: Mapping[str, Any]) -> None:
    """Mark the folder as this demo's.

    Raises:
        ConfigError: it holds a demo with other settings, or is a file.
    """
    claim_folder(output / "demo.json", settings, "a demo")


@contextmanager
def step(console: Console, title: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    console.rule(title, align="left")
    began = time.perf_counter()
    yield
    console.print(f"{title.split('  ')[0]} done in {time.perf_counter() - began:.0f} s")
