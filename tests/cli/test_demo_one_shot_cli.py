import importlib.util
import json

import pytest

from monai_landmarks.cli import demo_one_shot
from monai_landmarks.data.dataset import load_dataset

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("musculoskeletal") is None, reason="the extra `demo` is not installed"),
]


def test_the_whole_demo_shrunk(tmp_path, caller):
    numbers = {"--count": 12, "--epochs": 1, "--stage-epochs": 1, "--tpl-epochs": 1, "--longer-side": 64}
    output = tmp_path / "demo"
    result = caller(demo_one_shot)(output, *(part for pair in numbers.items() for part in pair))
    rows = json.loads((output / "one_shot.json").read_text())
    assert list(rows) == ["CC2D", "SLA", "ATD-Adapter", "TPL", "template copied", "mean shape"]
    better = min(rows["template copied"]["mre"], rows["mean shape"]["mre"])
    assert rows["CC2D"]["ratio"] == pytest.approx(rows["CC2D"]["mre"] / better)
    assert rows["ATD-Adapter"]["parameters"] > rows["CC2D"]["parameters"] > 1e6
    assert [rows[name]["models"] for name in ("CC2D", "SLA", "TPL")] == [1, 20, 1]
    assert all(rows[name]["memory_mb"] > 100 for name in ("CC2D", "TPL"))
    # What the U-Net learned from: the template's own annotation, and of all others the pseudo-labels alone.
    pseudo = load_dataset(output / "data" / "pseudo.json")
    readers = [[a.reader for a in case.annotations] for case in pseudo.select(["training", "validation"])]
    assert sorted(map(len, readers)) == [1] * (len(readers) - 1) + [2]
    assert all(one[-1] == "one_shot" for one in readers)
    assert not any(case.annotations for case in pseudo.select("test"))
    report = (output / "report.html").read_text()
    assert all(name in report for name in ("CC2D", "TPL", "mean shape", "template copied", "simulated"))
    assert "7 training images without annotations" in result.output
