"""What the demos share: a folder that belongs to one demo, and steps that tell how long they took."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from monai_landmarks.errors import ConfigError


def claim(output: Path, settings: Mapping[str, Any]) -> None:
    """Mark the folder as this demo's.

    Raises:
        ConfigError: it holds a demo with other settings.
    """
    marker = output / "demo.json"
    wanted = dict(settings)
    if marker.is_file() and json.loads(marker.read_text(encoding="utf-8")) != wanted:
        raise ConfigError(f"{output} holds a demo with other settings ({marker}); choose another folder")
    output.mkdir(parents=True, exist_ok=True)
    marker.write_text(json.dumps(wanted) + "\n", encoding="utf-8")


@contextmanager
def step(console: Console, title: str) -> Iterator[None]:
    """Say what begins, and how long it took."""
    console.rule(title, align="left")
    began = time.perf_counter()
    yield
    console.print(f"{title.split('  ')[0]} done in {time.perf_counter() - began:.0f} s")
