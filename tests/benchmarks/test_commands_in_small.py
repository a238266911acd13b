"""Every benchmark as a user starts it, in small: its table is printed, its numbers are numbers."""

import importlib.util
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from speed_data import make_dataset

SCRIPTS = Path(__file__).parents[2] / "benchmarks"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("musculoskeletal") is None, reason="the extra `demo` is not installed"),
]


def typed(folder, script, *arguments):
    """What `python benchmarks/SCRIPT ...` prints, run in a folder of its own."""
    command = [sys.executable, str(SCRIPTS / f"{script}.py"), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def rows_of(markdown):
    """First cells of a markdown table's rows."""
    return [line.split("|")[1].strip() for line in markdown.splitlines() if line.startswith("| ")]


@pytest.mark.parametrize(
    ("script", "arguments", "key"),
    [
        ("training_step", ("--pairs", 4, "--longer-side", 64, "--batch-size", 2), "ratio"),
        ("regions", ("--images", 2, "--pairs", 2), "rows"),
        ("simulation", ("--count", 1), "presets"),
        ("latency", ("--images", 1, "--pairs", 2), "rows"),
        ("one_shot_memory", ("--size", 64, "--landmarks", 3), "rows"),
    ],
)
def test_a_measurement_is_printed_and_written(tmp_path, script, arguments, key):
    printed = typed(tmp_path, script, *arguments)
    file = tmp_path / "runs" / "benchmarks" / f"{script}.json"
    assert str(file.relative_to(tmp_path)) in printed
    result = json.loads(file.read_text())
    assert result[key]
    assert result["machine"]["cores"] >= 1


def test_the_bias_of_measurements(tmp_path):
    page = tmp_path / "page.md"
    page.write_text((SCRIPTS.parent / "docs" / "reference" / "measurements.md").read_text())
    before = page.read_text().count("\n| ")
    typed(tmp_path, "measurements", "--cases", 2, "--json", "found.json", "--markdown", page)
    tables = json.loads((tmp_path / "found.json").read_text())
    assert all(table["bias"] for table in tables.values())
    assert page.read_text().count("\n| ") == before


def test_the_ablation_and_the_tail_of_its_model(tmp_path):
    file = make_dataset(tmp_path / "data", 6, 4, (64, 64))
    options = ("--epochs", 2, "--longer-side", 64, "--jobs", 2)
    typed(tmp_path, "ablation", file, "--output", "ablation", *options, "--rows", "default", "one pixel")
    assert {"default", "one pixel"} < set(rows_of((tmp_path / "ablation" / "table.md").read_text()))
    (bundle,) = (tmp_path / "ablation").glob("default*/bundle")
    typed(tmp_path, "tail", bundle, file, "--output", "tail", "--gross", 1.0, "--only")
    found = json.loads((tmp_path / "tail" / "tail.json").read_text())
    assert "plain" in found["rows"]
    assert found["split"] == "validation"


def test_the_two_tables_of_kneel(tmp_path):
    sizes = ("--count", 8, "--epochs", 1, "--region-epochs", 1, "--batch-size", 2, "--spacing", 2.1, "--width", 8)
    typed(tmp_path, "kneel_ablation", "--output", "kneel", *sizes, "--region-spacing", 4, "--only", "L1")
    knees, models = tmp_path / "kneel" / "data" / "dataset.json", tmp_path / "kneel" / "stage 1" / "bundle" / "models"
    whole = make_dataset(tmp_path / "data", 6, 4, (64, 64))
    own = ("--minutes", 0.01, "--knees", knees, "--region-models", models, "--spacing", 2.1, "--width", 8)
    printed = typed(tmp_path, "hourglass_unet", "--output", "both", *own, "--whole", whole, "--longer-side", 64)
    lines = [line for line in printed.splitlines() if line.startswith("| ")]
    assert sum("hourglass" in line.lower() for line in lines) == 2
    errors = [line.split("|")[2].strip() for line in lines if "MRE" not in line]
    assert len(errors) == 4
    assert all(math.isfinite(float(error)) or error == "inf" for error in errors)
