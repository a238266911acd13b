"""An error of ours under `python -m monai.bundle run`."""

import os
import subprocess
import sys

import pytest

from monai_landmarks import plain_errors
from monai_landmarks.errors import ConfigError
from monai_landmarks.sharing.bundles import shipped_bundles


def test_a_bundles_run_ends_with_the_sentence(tmp_path):
    config = shipped_bundles()["label_augmentation"] / "configs" / "train.yaml"
    command = [sys.executable, "-m", "monai.bundle", "run", "training", "--config_file", str(config)]
    missing = tmp_path / "nothing.json"
    done = subprocess.run(
        [*command, "--dataset_file", str(missing), "--ckpt_dir", str(tmp_path), "--output_dir", str(tmp_path)],
        env={**os.environ, "PYTHONWARNINGS": "ignore", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ") and "nothing.json" in line]


def test_other_processes_keep_their_hook(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    plain_errors.tell_bundle_errors_plainly()
    assert sys.excepthook is sys.__excepthook__


@pytest.mark.parametrize("ours", [True, False])
def test_errors_of_other_origin_keep_their_traceback(ours, capsys):
    try:
        try:
            raise ConfigError("longer_side: give a number") if ours else KeyError("longer_side")
        except Exception as error:
            raise RuntimeError("Failed to evaluate") from error
    except RuntimeError as error:
        plain_errors._tell(RuntimeError, error, error.__traceback__)
    said = capsys.readouterr().err
    assert (said == "error: longer_side: give a number\n") == ours
    assert ("Traceback" in said) != ours
