"""Runs a bundle as a user does, in a process of its own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SMALL = {"longer_side": 64, "decoder_channels": "[16,16,8,8,8]", "progress": False, "max_epochs": 2}


class Runner:
    """Runs a bundle as a user does, in a process of its own."""

    def __init__(self, root, dataset, small=SMALL):
        self.root = Path(root)
        self.dataset = dataset
        self.small = small

    def command(self, run_id, configs=("train",), folder=None, **options):
        base = self.root / "configs" if folder is None else folder
        files = [f"{base}/{name}.yaml" for name in configs]
        given = {**self.small, "dataset_file": str(self.dataset), **options} if "inference" not in configs else options
        arguments = [part for key, value in given.items() for part in (f"--{key}", str(value))]
        listed = files[0] if len(files) == 1 else str(files).replace(" ", "")
        return [sys.executable, "-m", "monai.bundle", "run", run_id, "--config_file", listed, *arguments]

    def environment(self):
        return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}

    def __call__(self, run_id, configs=("train",), cwd=None, folder=None, **options):
        done = subprocess.run(
            self.command(run_id, configs, folder, **options),
            cwd=cwd or self.root,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def kill_during(self, epoch, configs=("train",), **options):
        """Start a training and SIGKILL it after it has said that `epoch` is over."""
        process = subprocess.Popen(
            self.command("training", configs, **options),
            cwd=self.root,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for line in process.stdout:
            if f"epoch {epoch}/" in line:
                time.sleep(0.3)
                process.send_signal(signal.SIGKILL)
                break
        else:
            pytest.fail("the training ended before it could be killed")
        process.stdout.close()
        assert process.wait() == -signal.SIGKILL
