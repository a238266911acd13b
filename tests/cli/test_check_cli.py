import json

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from monai_landmarks.cli import check
from monai_landmarks.data.dataset import load_dataset


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    app = typer.Typer()
    check.register(app)

    def call(*arguments):
        result = CliRunner().invoke(app, [str(a) for a in arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
        return result

    return call


@pytest.fixture
def blobs_here(blobs, tmp_path):
    """A copy of the tiny data set that a test may spoil."""
    (tmp_path / "images").mkdir()
    for image in (blobs.parent / "images").iterdir():
        (tmp_path / "images" / image.name).write_bytes(image.read_bytes())
    path = tmp_path / "dataset.json"
    path.write_text(blobs.read_text())
    return path


def test_a_usable_data_set(run, blobs_here):
    folder = blobs_here.parent / "out"
    result = run(blobs_here, "--contact-sheet", folder / "s.png", "--json", folder / "f.json", "--limit", "4")
    assert result.exit_code == 0
    for part in ("8 cases, 8 patients", "80 x 64: 14", "0.5 x 0.5 mm: 14", "user: 14", "maker: 14", "no faults"):
        assert part in result.output
    row = next(line for line in result.output.splitlines() if "middle" in line)
    assert [int(word) for word in row.split() if word.isdigit()] == [12, 1, 1]
    found = json.loads((folder / "f.json").read_text())
    assert found["digest"] == load_dataset(blobs_here).digest()
    assert found["cases"] == {"training": 8, "validation": 3, "test": 3, "unassigned": 0}
    with Image.open(folder / "s.png") as sheet:
        assert np.asarray(sheet.convert("RGB")).std() > 10
        assert sheet.width > 4 * 300


def test_faults_and_warnings_end_with_status_one(run, blobs_here):
    document = json.loads(blobs_here.read_text())
    document["cases"][0]["annotations"][0]["points"]["middle"] = [64.0, 5.0]
    document["cases"][1]["size"] = [1, 2]
    document["cases"][2]["image"] = "images/[gone].png"
    document["cases"][3]["spacing_mm"] = None
    blobs_here.write_text(json.dumps(document))
    images = blobs_here.parent / "images"
    (images / "05.png").write_text("damaged")
    result = run(blobs_here, "--json", blobs_here.parent / "f.json")
    assert result.exit_code == 1
    assert "4 faults" in result.output
    assert "1 warning" in result.output
    for part in (
        "case case00: 1 point(s) outside the image: maker: middle (64, 5)",
        "case case01, field size: [1, 2] is recorded, the image has [80, 64]",
        "no file images/[gone].png",
        "05.png",
        "1 image(s) of unknown spacing",
    ):
        assert part in result.output
    assert "no faults" not in result.output
    assert len(json.loads((blobs_here.parent / "f.json").read_text())["faults"]) == 4


def test_a_file_that_is_no_data_set(run, tmp_path):
    path = tmp_path / "d.json"
    path.write_text("{}")
    result = run(path)
    assert result.exit_code == 1
    assert "3 faults" in result.output
    assert "field coordinates: must be 'xy_pixel_centre', is None" in result.output


def test_long_counts_are_shortened():
    text = check._most_frequent({str(i): 10 - i for i in range(9)})
    assert text.splitlines() == ["0: 10", "1: 9", "2: 8", "3: 7", "4: 6", "4 others: 14"]
    assert check._most_frequent({}) == "none"
