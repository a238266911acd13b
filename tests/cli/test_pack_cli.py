"""keygen, pack and predict on a packed bundle, as they are typed."""

import json

import pytest
from tiny_bundle import write_run
from typer.testing import CliRunner

from monai_landmarks.cli.main import build_app
from monai_landmarks.errors import ConfigError
from monai_landmarks.sharing.layout import BundleError


def command(*arguments):
    return CliRunner().invoke(build_app(), [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def place(tmp_path_factory, blobs):
    """A folder with a run, a pair of keys and the packed bundle hip-1.0.zip."""
    folder = tmp_path_factory.mktemp("place")
    write_run(folder / "run", blobs)
    made = command("keygen", folder / "clinic")
    assert made.exit_code == 0, made.output
    assert "fingerprint" in made.output
    done = command(
        "pack", folder / "run", "--output", folder / "hip-1.0.zip", "--name", "hip", "--version", "1.0",
        "--data-licence", "Invented.", "--sign", folder / "clinic.key.pem", "--dataset", blobs,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "hip-1.0.zip" in done.output
    assert "signed" in done.output
    return folder


def test_predict_gives_the_same_from_the_file_as_from_the_folder(place, blobs, tmp_path):
    images = blobs.parent / "images"
    packed = command("predict", place / "hip-1.0.zip", images, "-o", tmp_path / "a", "--key", place / "clinic.pub.pem")
    assert packed.exit_code == 0, packed.output
    folder = command("predict", place / "run" / "bundle", images, "-o", tmp_path / "b")
    assert folder.exit_code == 0, folder.output
    assert (tmp_path / "a" / "predictions.csv").read_text() == (tmp_path / "b" / "predictions.csv").read_text()
    model = json.loads((tmp_path / "a" / "predictions.json").read_text())["model"]
    assert (model["bundle"], model["version"]) == ("hip", "1.0")


def test_predict_refuses_a_bundle_that_was_changed(place, blobs, tmp_path):
    content = bytearray((place / "hip-1.0.zip").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "hip.zip").write_bytes(content)
    done = command("predict", tmp_path / "hip.zip", blobs.parent / "images", "-o", tmp_path / "out")
    assert isinstance(done.exception, BundleError)
    assert not (tmp_path / "out").exists()


def test_a_key_for_a_folder_is_a_mistake(place, blobs, tmp_path):
    bundle = place / "run" / "bundle"
    done = command("predict", bundle, blobs.parent, "-o", tmp_path / "out", "--key", place / "clinic.pub.pem")
    assert isinstance(done.exception, ConfigError)
    assert "has no signature to check" in str(done.exception)


def test_pack_says_what_is_missing(place, tmp_path):
    done = command("pack", place / "run", "-o", tmp_path / "out.zip")
    assert isinstance(done.exception, ConfigError)
    assert "--data-licence" in str(done.exception)
