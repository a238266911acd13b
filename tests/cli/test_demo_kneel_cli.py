import json

import pytest

from monai_landmarks.cli.demo_kneel import ROWS, KneelSettings, run_demo_kneel


@pytest.mark.slow
def test_the_whole_job_ends_in_a_report(tmp_path, capsys):
    settings = KneelSettings(count=20, epochs=1, landmark_epochs=1, width=4, region_spacing=4.0, spacing=1.2)
    report = run_demo_kneel(tmp_path / "run", settings)
    page = report.read_text(encoding="utf-8")
    assert all(row in page for row in ROWS)
    assert "Lost regions:" in page
    assert "width 4 instead of 24" in page
    assert "Lost regions:" in capsys.readouterr().out
    stage1 = json.loads((tmp_path / "run" / "kneel_roi" / "eval" / "metrics.json").read_text())
    assert stage1["split"] == "test"
    assert (tmp_path / "run" / "kneel_landmarks" / "models" / "roi.pt").is_file()
