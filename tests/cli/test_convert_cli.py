import pytest
import torch
from typer.testing import CliRunner

from monai_landmarks.cli.convert import bundle_of
from monai_landmarks.cli.main import build_app
from monai_landmarks.errors import ConfigError
from monai_landmarks.sharing import exports
from monai_landmarks.sharing.bundles import copy_bundle
from monai_landmarks.sharing.exports import Exported


def convert(*arguments):
    return CliRunner().invoke(build_app(), ["convert", *map(str, arguments)])


@pytest.fixture
def run(tmp_path):
    copy_bundle("label_augmentation", tmp_path / "run" / "bundle")
    return tmp_path / "run"


def test_a_run_or_its_bundle(run):
    assert bundle_of(run) == bundle_of(run / "bundle") == run / "bundle"
    with pytest.raises(ConfigError, match="is no bundle and no run"):
        bundle_of(run.parent)


def test_a_table_names_each_file(run, tmp_path, monkeypatch):
    """What is handed on, and what is printed; `tests/sharing/test_exports.py` exports for real."""
    asked = []

    def export_models(bundle, models, formats, *, image):
        asked.append((bundle, models, formats, image))
        models.mkdir(exist_ok=True)
        (models / "model.onnx").write_bytes(bytes(1_500_000))
        return [Exported("onnx", models / "model.onnx", 2.5e-5, 1.5e-6)]

    monkeypatch.setattr(exports, "export_models", export_models)
    result = convert(run, "--to", "onnx", "--to", "pt2")
    assert result.exit_code == 0, result.output
    for text in ("model.onnx", "1.5", "2.5e-05", "1.5e-06", str(run / "bundle" / "models")):
        assert text in result.output
    assert asked == [(run / "bundle", run / "bundle" / "models", ["onnx", "pt2"], None)]
    convert(run / "bundle", "--to", "onnx", "--models", tmp_path / "other", "--image", tmp_path / "a.dcm")
    assert asked[1] == (run / "bundle", tmp_path / "other", ["onnx"], tmp_path / "a.dcm")


def test_wrong_arguments_are_errors_with_a_remedy(run):
    assert "no trained weights" in str(convert(run, "--to", "onnx").exception)
    unknown = convert(run, "--to", "coreml").exception
    assert isinstance(unknown, ConfigError)
    assert "choose among onnx, pt2, torchscript" in str(unknown)
    assert convert(run).exit_code == 2
    assert isinstance(convert(run / "nowhere", "--to", "onnx").exception, ConfigError)


def test_broken_weights(run):
    models = run / "bundle" / "models"
    models.mkdir()
    torch.save({"weight": torch.zeros(1)}, models / "model.pt")
    assert "does not fit this bundle's network" in str(convert(run, "--to", "pt2").exception)
    assert [path.name for path in models.iterdir()] == ["model.pt"]
