import importlib.util
import json

import pytest
from typer.testing import CliRunner

from monai_landmarks.cli.demo import DemoSettings, run_demo
from monai_landmarks.cli.main import build_app
from monai_landmarks.errors import ConfigError

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("musculoskeletal") is None, reason="the extra `demo` is not installed"
)


def test_the_whole_demo_shrunk(tmp_path, quick_tracking):
    arguments = ["demo", str(tmp_path / "demo"), "--count", "12", "--epochs", "1", "--longer-side", "64"]
    result = CliRunner().invoke(build_app(), arguments, catch_exceptions=False)
    assert result.exit_code == 0
    for name in ("metrics.json", "baseline/metrics.json"):
        metrics = json.loads((tmp_path / "demo" / name).read_text())
        assert metrics["split"] == "test"
        assert metrics["spacing_plane"] == "patient_plane"
    report = (tmp_path / "demo" / "report.html").read_text()
    assert "one-pixel baseline" in report
    assert "simulated" in report
    assert (tmp_path / "demo" / "bundle" / "models" / "model.pt").is_file()
    with pytest.raises(ConfigError, match="other count"):
        run_demo(tmp_path / "demo", DemoSettings(count=13))
