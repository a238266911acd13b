"""`verify`: the list of checks, what depends on what, and that only a sound bundle is run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny_bundle import changed
from typer.testing import CliRunner

from monai_landmarks.cli.main import build_app
from monai_landmarks.sharing.verify import verify_bundle

NAMES = ["archive", "manifest", "signature", "configs", "metadata", "versions", "weights"]
NAMES += ["network", "self-test", "onnx"]
ROOT = Path(__file__).parents[2]


def states(path, key=None):
    return {check.name: (check.state, check.text) for check in verify_bundle(path, key)}


def edit_json(name, change):
    def edit(bundle):
        document = json.loads((bundle / name).read_text())
        change(document)
        (bundle / name).write_text(json.dumps(document))

    return edit


def test_a_whole_bundle_passes_every_check(packed, keys):
    found = states(packed, keys[1])
    assert list(found) == NAMES
    assert {state for state, _ in found.values()} == {"ok"}
    assert found["signature"][1].startswith("signed with the given key")
    assert found["network"][1] == "(1, 1, 64, 64) to (1, 3, 64, 64)"
    assert found["self-test"][1].endswith("(0.1 px allowed)")


def test_without_a_key_it_is_integrity_only(packed, unsigned):
    assert states(packed)["signature"][1].endswith("integrity only, origin unknown")
    assert states(unsigned)["signature"] == ("ok", "not signed: integrity only, origin unknown")


def test_nothing_runs_when_anything_is_wrong(packed, tmp_path):
    path = changed(packed, tmp_path, lambda bundle: (bundle / "docs" / "README.md").write_text("x"), renew=False)
    found = states(path)
    assert found["manifest"][0] == "failed"
    assert found["weights"][0] == "ok"
    assert found["network"] == ("not run", "rests on what failed: manifest")
    assert found["self-test"][0] == "not run"


def test_a_broken_archive_leaves_the_rest_alone(tmp_path):
    (tmp_path / "a.zip").write_bytes(b"none")
    found = states(tmp_path / "a.zip")
    assert found.pop("archive")[0] == "failed"
    assert {state for state, _ in found.values()} == {"not run"}


def test_other_weights_fail_the_self_test(packed, tmp_path):
    """A model of the right form that was not the one evaluated."""

    def edit(bundle):
        path = bundle / "models" / "model.pt"
        state = torch.load(path, weights_only=True)
        torch.save({key: value.flip(0) if value.ndim else value for key, value in state.items()}, path)

    state, text = states(changed(packed, tmp_path, edit))["self-test"]
    assert state == "failed"
    assert "px of the network's input from where its sender found it (0.1 px allowed)" in text


@pytest.mark.parametrize(("off", "window", "state"), [(0.6, 8.0, "failed"), (0.05, 8.0, "ok")])
def test_the_tolerance_is_in_pixels_of_the_networks_input(packed, tmp_path, off, window, state):
    def move(document):
        rows, columns = document["size"]
        scale = min(64 / rows, 64 / columns)
        document["points"] = {name: [x + off / scale, y] for name, (x, y) in document["points"].items()}

    found = states(changed(packed, tmp_path, edit_json("selftest/expected.json", move)))["self-test"]
    assert found[0] == state, found


@pytest.mark.parametrize(
    "points", [{}, {"nobody": [1, 2]}, {"middle": [1]}, {"middle": ["1", 2]}, [], {"middle": [1e999, 0]}]
)
def test_a_self_test_that_tests_nothing_fails(packed, tmp_path, points):
    path = changed(packed, tmp_path, edit_json("selftest/expected.json", lambda d: d.update(points=points)))
    assert states(path)["self-test"][0] == "failed"


def test_an_image_that_is_none_fails_the_self_test(packed, tmp_path):
    path = changed(packed, tmp_path, lambda bundle: (bundle / "selftest" / "radiograph.png").write_bytes(b"none"))
    state, text = states(path)["self-test"]
    assert state == "failed"
    assert "selftest/radiograph.png" in text


def test_an_output_of_another_shape_than_declared_fails(packed, tmp_path):
    def other(document):
        document["network_data_format"]["outputs"]["pred"]["spatial_shape"] = [32, 32]

    state, text = states(changed(packed, tmp_path, edit_json("configs/metadata.json", other)))["network"]
    assert state == "failed"
    assert "declares an output of (1, 3, 32, 32) float32, the network gives (1, 3, 64, 64)" in text


def test_a_shape_the_network_cannot_take_fails(packed, tmp_path):
    def other(document):
        for part in (
            document["network_data_format"]["inputs"]["image"],
            document["network_data_format"]["outputs"]["pred"],
        ):
            part["spatial_shape"] = [65, 64]

    path = changed(packed, tmp_path, edit_json("configs/metadata.json", other))
    assert states(path)["network"][0] == "failed"


def test_an_inference_that_cannot_be_built_fails_without_a_traceback(packed, tmp_path):
    def edit(bundle):
        path = bundle / "configs" / "inference.yaml"
        path.write_text(
            path.read_text().replace("network_def: $build.network_from(@settings,", "network_def: $build.network_from(")
        )

    state, text = states(changed(packed, tmp_path, edit))["network"]
    assert state == "failed"
    assert text.startswith("configs/inference.yaml: ")


def test_a_strangers_text_cannot_draw_over_the_report(packed, tmp_path):
    """A landmark whose name moves the cursor up and writes that the signature is well."""
    name = "x\x1b[6A\nok      signature  signed with the given key"
    path = changed(packed, tmp_path, edit_json("selftest/expected.json", lambda d: d.update(points={name: [1, 2]})))
    text = states(path)["self-test"][1]
    assert text.isprintable()
    assert "x?[6A ok signature" in text


def test_models_that_run_code_are_named_where_the_origin_is_unknown(packed, tmp_path):
    path = changed(packed, tmp_path, lambda bundle: (bundle / "models" / "model.ts").write_bytes(b"any"))
    assert "models/model.ts are not loaded from a bundle of unknown origin" in states(path)["weights"][1]


def with_onnx(packed, tmp_path):
    return changed(packed, tmp_path, lambda bundle: (bundle / "models" / "model.onnx").write_bytes(b"any"))


def test_an_onnx_file_is_compared_with_the_weights(packed, tmp_path):
    found = states(with_onnx(packed, tmp_path))
    assert found["self-test"][0] == "ok"
    assert found["onnx"][0] == "failed"
    assert found["onnx"][1].startswith("models/model.onnx: ")


def test_without_onnx_runtime_an_onnx_file_is_said_not_to_be_compared(packed, tmp_path, monkeypatch):
    monkeypatch.setattr("monai_landmarks.sharing.safe_onnx.find_spec", lambda name: None)
    done = CliRunner().invoke(build_app(), ["verify", str(with_onnx(packed, tmp_path))])
    assert done.exit_code == 0, done.output
    assert "not run onnx       models/model.onnx cannot be compared" in done.output
    assert "no check failed, one was not run" in done.output
    assert "all checks passed" not in done.output


def test_two_names_for_one_bundle_are_said(packed, tmp_path):
    path = changed(packed, tmp_path, edit_json("configs/metadata.json", lambda d: d.update(name="tall")))
    state, text = states(path)["metadata"]
    assert (state, text.split(";")[0]) == (
        "failed",
        "configs/metadata.json: says the bundle is tall 1.0, manifest.json says tiny 1.0",
    )


@pytest.mark.slow
def test_the_light_core_imports_without_the_extras(tmp_path):
    """What verify, pack and predict import must be there in a plain installation."""
    blocked = ("mlflow", "matplotlib", "highdicom", "onnx", "onnxscript", "onnxruntime", "jsonschema", "tqdm")
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({blocked!r}))\n"
        "import monai_landmarks.cli.main as m\n"
        "import monai_landmarks.sharing.verify, monai_landmarks.sharing.pack, monai_landmarks.engines.predict\n"
        "import monai_landmarks.export.writer, monai_landmarks.engines.augmented, monai_landmarks.transforms.post\n"
        "for verb in ('verify', 'predict', 'pack', 'keygen'): __import__(f'monai_landmarks.cli.{verb}')\n"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.mark.slow
def test_in_a_second_fresh_environment_with_only_the_wheel(packed, keys, tmp_path):
    """A collaborator's computer: Python, the wheel, the bundle and the key."""
    index = subprocess.run([sys.executable, "-m", "pip", "download", "--no-deps", "-q", "-d", tmp_path, "filelock"])
    if index.returncode:
        pytest.skip("no package index answers, from which the environment could be made")
    fresh = tmp_path / "fresh" / "bin"

    def sh(*command):
        done = subprocess.run(
            [str(part) for part in command],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"} | pip_settings(),
        )
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
        return done.stdout

    pip = (fresh / "python", "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt")
    sh(sys.executable, "-m", "venv", tmp_path / "fresh")
    sh(*pip, "torch==2.13.0")
    sh(fresh / "python", "-m", "pip", "wheel", "-q", "--no-deps", "-w", tmp_path / "dist", ROOT)
    sh(*pip, next((tmp_path / "dist").glob("monai_landmarks-*.whl")))
    assert "mlflow" not in sh(fresh / "python", "-m", "pip", "list")
    shutil.copy(packed, tmp_path / "hip-1.0.zip")
    report = sh(fresh / "monai-landmarks", "verify", "hip-1.0.zip", "--key", keys[1])
    assert "all checks passed" in report
    assert "self-test" in report
    Image.new("L", (80, 90), 90).save(tmp_path / "x.png")
    sh(fresh / "monai-landmarks", "predict", "hip-1.0.zip", "x.png", "-o", "out", "--key", keys[1])
    assert (tmp_path / "out" / "predictions.csv").is_file()


def pip_settings():
    return {name: value for name, value in os.environ.items() if name.startswith("PIP_")}


def test_the_exit_status_tells(packed, keys, tmp_path):
    good = CliRunner().invoke(build_app(), ["verify", str(packed), "--key", str(keys[1])])
    assert good.exit_code == 0, good.output
    assert good.output.count("\nok ") == len(NAMES) - 1
    assert "all checks passed" in good.output
    path = changed(packed, tmp_path, lambda bundle: (bundle / "LICENSE").write_text("x"), renew=False)
    bad = CliRunner().invoke(build_app(), ["verify", str(path)])
    assert bad.exit_code == 1
    assert "failed  manifest   LICENSE: was changed" in bad.output
    assert "do not use it, 1 of its checks failed" in bad.output
