"""The benchmark of the annotate-correct-retrain loop: who is chosen, what counts as enough, and all of it shrunk."""

import importlib.util
import json
from dataclasses import replace

import correct_retrain
import pytest
from correct_retrain import COUNTS, Demo, corrected, enough, finished_demo, run, table, verdicts

from monai_landmarks.cli.demo_one_shot import DEFAULTS
from monai_landmarks.data.dataset import load_dataset


def test_larger_sets_hold_the_smaller_ones_and_the_template(blobs):
    dataset = load_dataset(blobs)
    sets = [{case.id for case in corrected(dataset, "case03", count, seed=1).cases} for count in (1, 3, 8)]
    assert [len(chosen) for chosen in sets] == [1, 3, 8]
    assert sets[0] == {"case03"}
    assert sets[0] < sets[1] < sets[2] == {case.id for case in dataset.select("training")}
    assert corrected(dataset, "case03", 3, seed=2).cases != corrected(dataset, "case03", 3, seed=1).cases
    with pytest.raises(SystemExit, match="there are 8 training images"):
        corrected(dataset, "case03", 9, seed=1)


@pytest.mark.parametrize(
    ("better", "least"),
    [
        ({1: [False], 5: [False], 10: [True], 20: [True]}, 10),
        # Not from 5 on: chance made it better there, but not at 10.
        ({1: [False], 5: [True], 10: [False], 20: [True]}, 20),
        ({1: [True, True], 5: [True, True]}, 1),
        ({5: [True, False], 10: [True, True]}, 10),
        ({1: [False], 5: [False]}, None),
    ],
)
def test_enough_is_where_every_row_from_there_on_is_better(better, least):
    rows = {"TPL": {"annotated": 1}}
    for count, seeds in better.items():
        rows |= {f"{count} {n}": {"annotated": count, "against": {"TPL": {"better": b}}} for n, b in enumerate(seeds)}
    assert enough(rows, "TPL") == least


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("musculoskeletal") is None, reason="the extra `demo` is not installed")
def test_all_of_it_shrunk(tmp_path, monkeypatch):
    small = {"epochs": 1, "sla_epochs": 1, "adapter_epochs": 1, "tpl_epochs": 1, "longer_side": 64, "copies": 20}
    demo = finished_demo(tmp_path / "demo", 12, replace(DEFAULTS, **small))
    result = run(demo, tmp_path / "out", (1, 3), (0,))
    names = ["CC2D", "ATD-Adapter", "TPL", "supervised, 1 corrected, seed 0", "supervised, 3 corrected, seed 0"]
    assert list(result["rows"]) == names
    assert json.loads((tmp_path / "out" / "result.json").read_text())["rows"].keys() == result["rows"].keys()
    rows = json.loads((tmp_path / "demo" / "one_shot.json").read_text())
    assert all(result["rows"][name]["mre"] == pytest.approx(rows[name]["mre"]) for name in names[:3])
    row = result["rows"][names[-1]]
    against = row["against"]["TPL"]
    assert against["difference"] == pytest.approx(row["mre"] - result["rows"]["TPL"]["mre"], abs=1e-6)
    assert against["ci95"][0] <= against["difference"] <= against["ci95"][1]
    # What it learned from: three annotated images, each seen as often as makes one epoch of TPL's.
    few = load_dataset(tmp_path / "out" / "data" / "3_0.json")
    assert len(few.cases) == 3
    assert all(case.split == "training" and case.annotations for case in few.cases)
    lines = [*table(result["rows"]), *verdicts(result, COUNTS)]
    assert len(lines) == 2 + 5 + 2
    # Finished rows are read back, and a finished demo is not run again.
    monkeypatch.setattr(correct_retrain, "run_demo_one_shot", None)
    assert isinstance(finished_demo(tmp_path / "demo"), Demo)
    before = (tmp_path / "out" / names[-1].removeprefix("supervised, ") / "result.json").stat().st_mtime_ns
    run(demo, tmp_path / "out", (1, 3), (0,))
    assert (tmp_path / "out" / names[-1].removeprefix("supervised, ") / "result.json").stat().st_mtime_ns == before
