import sys

import pytest
from typer.testing import CliRunner

import monai_landmarks
from monai_landmarks.cli import main as cli
from monai_landmarks.errors import ConfigError, LandmarksError, find_cause


def run(monkeypatch, error):
    def fail():
        raise error

    monkeypatch.setattr(cli, "build_app", lambda: fail)
    monkeypatch.setattr(sys, "argv", ["monai-landmarks"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    return stop.value.code


def test_version_and_help():
    app = cli.build_app()
    assert monai_landmarks.__version__ in CliRunner().invoke(app, ["--version"]).output
    text = CliRunner().invoke(app, ["--help"]).output
    for verb in ("simulate", "import", "split", "check", "bundles", "predict", "report", "demo"):
        assert verb in text


def test_a_users_error_is_one_line(monkeypatch, capsys):
    assert run(monkeypatch, ConfigError("case [7]: broken")) == 2
    assert capsys.readouterr().err == "error: case [7]: broken\n"


def test_an_error_of_ours_inside_monais_is_found(monkeypatch, capsys):
    try:
        try:
            raise ConfigError("the remedy")
        except ConfigError as inner:
            raise RuntimeError("applying transform") from inner
    except RuntimeError as outer:
        error = outer
    assert isinstance(find_cause(error), LandmarksError)
    assert run(monkeypatch, error) == 2
    assert "the remedy" in capsys.readouterr().err


def test_the_unexpected_has_no_traceback_unless_asked(monkeypatch, capsys):
    assert run(monkeypatch, ValueError("odd")) == 3
    message = capsys.readouterr().err
    assert "unexpected ValueError: odd" in message
    assert "Traceback" not in message
    monkeypatch.setenv(cli.DEBUG_VARIABLE, "1")
    monkeypatch.setattr(cli, "build_app", lambda: (_ for _ in ()).throw(ValueError("odd")))
    with pytest.raises(ValueError, match="odd"):
        cli.main()


def test_interrupt(monkeypatch):
    assert run(monkeypatch, KeyboardInterrupt()) == 130


def test_bundles_list_and_copy(tmp_path):
    app = cli.build_app()
    assert "label_augmentation" in CliRunner().invoke(app, ["bundles", "list"]).output
    result = CliRunner().invoke(app, ["bundles", "copy", "label_augmentation", str(tmp_path / "mine")])
    assert (tmp_path / "mine" / "configs" / "train.yaml").is_file()
    assert "python -m monai.bundle run training" in result.output
