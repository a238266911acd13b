"""Rows of measurements that survive what goes wrong: each is made in a process of its own and saved at once."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from interleaved import machine
from monai.bundle import ConfigParser

from monai_landmarks.engines.processes import in_own_process
from monai_landmarks.errors import LandmarksError
from monai_landmarks.sharing.bundles import shipped_bundles

TRACKERS = "monai_landmarks.handlers.tracking."
Row = dict[str, Any]


class Record:
    """What was measured so far: OUTPUT/gpu.json, written after every row. A later run goes on with it.

    Args:
        output: a folder, made if needed.
        settings: plain values; rows of other settings are not mixed.
        deadline: minutes from now; no row is begun that may need more than what is left of them.
        tell: is called with all that was found whenever it has grown.

    Attributes:
        found: `settings`, and the rows by part and name.
        lacking: what failed or was left out, a line each.

    Raises:
        SystemExit: the folder holds rows of other settings.
    """

    def __init__(
        self, output: Path, settings: dict[str, Any], deadline: float, tell: Callable[[dict[str, Any]], None]
    ) -> None:
        self.output, self.file = output, output / "gpu.json"
        self.ends, self.tell = time.perf_counter() + 60 * deadline, tell
        self.found: dict[str, Any] = {"settings": settings}
        self.lacking: list[str] = []
        output.mkdir(parents=True, exist_ok=True)
        if self.file.is_file():
            self.found = json.loads(self.file.read_text(encoding="utf-8"))
            if self.found["settings"] != settings:
                raise SystemExit(f"{self.file} is of other settings; choose another --output")

    def good(self, part: str, name: str) -> bool:
        """Whether a row is there, and has numbers."""
        return "fault" not in self.found.get(part, {}).get(name, {"fault": ""})

    def row(self, part: str, name: str, minutes: float, function: Callable[..., Row], *arguments: Any) -> bool:
        """Make a row unless it is there; one with a fault is made anew. Whether it is there now, with numbers.

        Args:
            part, name: of the row.
            minutes: it may need.
            function: of a module, not of the main script; its row.
            arguments: of the function.
        """
        if self.good(part, name):
            return True
        left = (self.ends - time.perf_counter()) / 60
        if left < minutes:
            self.lack(f"{part}, {name}: left out, {left:.1f} minutes are left and it may need {minutes:.1f}")
            return False
        began = time.perf_counter()
        row = separately(name, function, *arguments)
        row["wall_seconds"] = time.perf_counter() - began
        self.found.setdefault(part, {})[name] = row
        self._save()
        numbers = {key: value for key, value in row.items() if not isinstance(value, dict)}
        print(f"{part}, {name}: {json.dumps(numbers)}", flush=True)
        if "fault" in row:
            self.lack(f"{part}, {name}: {row['fault']}")
        return self.good(part, name)

    def lack(self, line: str) -> None:
        """Note, and say, what is not there."""
        self.lacking.append(line)
        print(line, flush=True)

    def _save(self) -> None:
        part = self.file.with_name(self.file.name + ".part")
        part.write_text(json.dumps(self.found, indent=1) + "\n", encoding="utf-8")
        part.replace(self.file)
        self.tell(self.found)


def separately(name: str, function: Callable[..., Row], *arguments: Any) -> Row:
    """A row made in a process of its own; with `fault`, a line, in place of numbers where that failed.

    An error of CUDA spoils its process for good, and torch.compile remembers what it has compiled.
    """
    try:
        row: Row = in_own_process(name, attempt, function, *arguments)
    except LandmarksError as error:
        return {"fault": str(error)}
    return row


def attempt(function: Callable[..., Row], *arguments: Any) -> Row:
    """What a function gives, or its fault: not every error survives the way between processes, a text does."""
    try:
        return function(*arguments)
    except Exception as error:
        traceback.print_exc()
        return {"fault": f"{type(error).__name__}: {str(error).partition(chr(10))[0][:160]}"}


def about() -> Row:
    """What the numbers depend on besides the code."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    tracking = "MLflow" if find_spec("mlflow") else "none"
    return {"date": time.strftime("%Y-%m-%d"), "device": device, "tracking": tracking, **machine()}


def without_trackers(handlers: str) -> dict[str, bool]:
    """Config entries that leave out whatever tracks a training or an evaluation.

    Args:
        handlers: "train#handlers" or "validate#handlers".
    """
    configs = shipped_bundles()["label_augmentation"] / "configs"
    parser = ConfigParser()
    parser.read_config([str(configs / f"{name}.yaml") for name in ("train", "evaluate")])
    targets = [item["_target_"] if isinstance(item, dict) else "" for item in parser[handlers]]
    return {f"{handlers}#{n}#_disabled_": True for n, target in enumerate(targets) if target.startswith(TRACKERS)}


def untracked(handlers: str) -> dict[str, bool]:
    """`without_trackers` where MLflow is not installed: nothing can be tracked there."""
    return {} if find_spec("mlflow") else without_trackers(handlers)
