"""Runs a bundle as a user does, by MONAI's command line: in this process, or in one of its own where that matters."""

import contextlib
import io
import logging
import os
import runpy
import signal
import subprocess
import sys
import time
import traceback
import warnings
from pathlib import Path
from unittest import mock

import torch

SMALL = {"longer_side": 64, "decoder_channels": "[16,16,8,8,8]", "progress": False, "max_epochs": 2}
ONE_SHOT = {
    "longer_side": 64,
    "decoder_channels": "[8,8,8,8]",
    "embedding": 8,
    "batch_size": 4,
    "progress": False,
    "max_epochs": 2,
}
KNEEL = {
    "width": 4,
    "depth": 2,
    "batch_size": 4,
    "spatial_size": "[64,64]",
    "spacing_mm": 1.0,
    "progress": False,
    "max_epochs": 2,
}
# The stages in the order in which they are trained, and what differs.
STAGES = {"kneel_roi": {**KNEEL, "spacing_mm": 2.0}, "kneel_landmarks": KNEEL}
# For a launcher: two CPU processes (gloo).
TWO_PROCESSES = ("torch.distributed.run", "--nproc_per_node=2", "--standalone", "-m")


class Runner:
    """One bundle and one data set."""

    def __init__(self, root, dataset, small=SMALL):
        self.root = Path(root)
        self.dataset = dataset
        self.small = small

    def command(self, run_id, configs=("train",), folder=None, **options):
        """What a user types after `python -m`."""
        base = self.root / "configs" if folder is None else folder
        files = [f"{base}/{name}.yaml" for name in configs]
        given = {**self.small, "dataset_file": str(self.dataset), **options} if "inference" not in configs else options
        arguments = [part for key, value in given.items() for part in (f"--{key}", str(value))]
        listed = files[0] if len(files) == 1 else str(files).replace(" ", "")
        return ["monai.bundle", "run", run_id, "--config_file", listed, *arguments]

    def __call__(self, run_id, configs=("train",), cwd=None, **options):
        """Run it in this process, for another one takes longer to start than to train; what it has said.

        Raises:
            AssertionError: it fails; with what it has said, and the error and its causes.
        """
        typed = mock.patch.object(sys, "argv", self.command(run_id, configs, **options))
        said = io.StringIO()
        with typed, contextlib.chdir(cwd or self.root), contextlib.redirect_stdout(said), as_if_alone():
            try:
                runpy.run_module("monai.bundle", run_name="__main__")
            except Exception as error:
                raise AssertionError(said.getvalue()[-3000:] + "".join(traceback.format_exception(error))) from error
        return said.getvalue()

    def alone(self, run_id, configs=("train",), launcher=(), cwd=None, **options):
        """Run it in a process of its own, or in those a launcher starts; what it has said."""
        command = [sys.executable, "-m", *launcher, *self.command(run_id, configs, **options)]
        done = subprocess.run(
            command, cwd=cwd or self.root, env=environment(), capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def kill_during(self, epoch, configs=("train",), **options):
        """Start a training and SIGKILL it when it has saved `epoch`, or in the middle of the next one."""
        command = [sys.executable, "-m", *self.command("training", configs, **options)]
        kept = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        lines = []
        with subprocess.Popen(command, cwd=self.root, env=environment(), **kept) as process:
            for line in process.stdout:
                lines.append(line)
                if f"epoch {epoch}/" in line:
                    time.sleep(0.3)
                    process.send_signal(signal.SIGKILL)
        assert process.returncode == -signal.SIGKILL, "".join(lines)[-3000:]


@contextlib.contextmanager
def as_if_alone():
    """One thread, as in a process of its own, for sums of the same order; pytest's own logging afterwards.

    Warnings are errors, but for MONAI's that a config is code.
    """
    root, threads = logging.getLogger(), torch.get_num_threads()
    handlers, level = root.handlers[:], root.level
    torch.set_num_threads(1)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "parsing config_file", UserWarning)
            yield
    finally:
        torch.set_num_threads(threads)
        root.handlers[:] = handlers
        root.setLevel(level)


def environment():
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
