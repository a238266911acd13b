"""What goes into a packed bundle, and what stops it."""

import json
import shutil
import zipfile

import pytest
import torch
import yaml
from monai.bundle import ConfigWorkflow
from tiny_bundle import SETTINGS, write_run

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.errors import ConfigError
from monai_landmarks.handlers.checkpoint import state_digest
from monai_landmarks.networks.build import network_from
from monai_landmarks.sharing.bundles import shipped_bundles
from monai_landmarks.sharing.export_formats import FORMATS
from monai_landmarks.sharing.exports import export_models
from monai_landmarks.sharing.layout import BundleError
from monai_landmarks.sharing.metadata import check_metadata
from monai_landmarks.sharing.pack import Labels, pack_bundle
from monai_landmarks.sharing.privacy import check_binary
from monai_landmarks.sharing.verify import verify_bundle

LABELS = Labels("Invented blobs.", name="tiny", version="1.0")


def content(packed):
    with zipfile.ZipFile(packed) as archive:
        return {name.removeprefix("tiny/"): archive.read(name) for name in archive.namelist()}


@pytest.fixture
def copy(run, tmp_path):
    """A run a test may change."""
    return shutil.copytree(run, tmp_path / "copy")


def pack(run, tmp_path, **options):
    return pack_bundle(run, tmp_path / "out.zip", options.pop("labels", LABELS), **options)


def test_it_has_the_standard_layout_and_nothing_of_the_data(packed):
    found = content(packed)
    assert {name for name in found if not name.startswith("configs/")} == {
        "LICENSE", "docs/README.md", "docs/data_license.txt", "manifest.json", "manifest.sig", "models/model.pt",
        "selftest/radiograph.png", "selftest/expected.json",
    }  # fmt: skip
    assert {"train.yaml", "evaluate.yaml", "inference.yaml", "metadata.json", "logging.conf"} <= {
        name.removeprefix("configs/") for name in found if name.startswith("configs/")
    }
    with zipfile.ZipFile(packed) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_packing_twice_gives_equal_bytes(run, keys, packed, tmp_path):
    pack(run, tmp_path, sign=keys[0])
    assert (tmp_path / "out.zip").read_bytes() == packed.read_bytes()


def test_the_metadata_are_the_models_own(packed, blobs):
    metadata = json.loads(content(packed)["configs/metadata.json"])
    assert (metadata["name"], metadata["version"]) == ("tiny", "1.0")
    formats = metadata["network_data_format"]
    assert formats["inputs"]["image"]["spatial_shape"] == [64, 64]
    assert list(formats["outputs"]["pred"]["channel_def"].values()) == list(load_dataset(blobs).names)
    assert metadata["eval_metrics"]["mre_mm_ci95_low"] < metadata["eval_metrics"]["mre_mm"]
    assert "mlflow" not in metadata["required_packages_version"]


def test_it_carries_the_errors_that_measurements_get_their_uncertainty_from(packed, run):
    own = json.loads(content(packed)["configs/metadata.json"])["monai_landmarks"]
    landmarks = json.loads((run / "metrics.json").read_text())["landmarks"]
    assert own["errors_mm"].keys() == landmarks.keys()
    for name, error in own["errors_mm"].items():
        assert error == pytest.approx(landmarks[name]["mm"]["rmse"] / 2**0.5, abs=1e-4)


def test_the_card_is_filled_from_the_evaluation(packed, run):
    card = content(packed)["docs/README.md"].decode()
    metrics = json.loads((run / "metrics.json").read_text())
    low, high = metrics["mm"]["ci95"]["mre"]
    assert f"| **all** | {metrics['points']} | {metrics['mm']['mre']:.2f} ({low:.2f} to {high:.2f}) |" in card
    assert f"{metrics['cases']} images of {metrics['patients']} patients" in card
    assert "the data set it was trained on" in card
    for words in ("Not a medical device", "Invented blobs.", "bright_left", "no restriction is noted"):
        assert words in card


def test_inference_stands_alone_in_the_unpacked_folder(packed, tmp_path, blobs):
    """A plain unzip, and MONAI: no part of this package's own opening."""
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(tmp_path)
    workflow = ConfigWorkflow(
        config_file=str(tmp_path / "tiny" / "configs" / "inference.yaml"),
        logging_file=False,
        workflow_type="inference",
        bundle_root=str(tmp_path / "tiny"),
        dataset_dir=str(blobs.parent / "images"),
    )
    workflow.initialize()
    assert workflow.check_properties() == []
    workflow.run()
    assert (tmp_path / "tiny" / "predictions" / "predictions.csv").is_file()


@pytest.mark.slow
def test_exported_models_go_with_it(copy, tmp_path, blobs):
    export_models(copy / "bundle", copy / "bundle" / "models", ["onnx"], image=blobs.parent / "images" / "00.png")
    (copy / "bundle" / "models" / "checkpoint.pt").write_bytes(b"stays")
    pack(copy, tmp_path)
    assert {name for name in content(tmp_path / "out.zip") if name.startswith("models/")} == {
        "models/model.pt",
        "models/model.onnx",
    }
    found = {check.name: (check.state, check.text) for check in verify_bundle(tmp_path / "out.zip")}
    assert {state for state, _ in found.values()} == {"ok"}
    assert found["onnx"][1].startswith("models/model.onnx as models/model.pt, logits differ by ")
    assert found["onnx"][1].endswith("; predict uses it with --key alone")


def test_an_onnx_file_of_other_weights_stops_it(copy, tmp_path):
    (copy / "bundle" / "models" / "model.onnx").write_bytes(b"any")
    with pytest.raises(BundleError, match=r"models/model.onnx: "):
        pack(copy, tmp_path)


def test_configs_that_name_files_outside_the_bundle_stop_it(copy, tmp_path):
    path = copy / "bundle" / "configs" / "inference.yaml"
    path.write_text(path.read_text().replace("$@ckpt_dir + '/model.pt'", "other/model.pt"))
    with pytest.raises(BundleError, match=r"configs/inference.yaml, top level: checkpoint must be "):
        pack(copy, tmp_path)


@pytest.mark.parametrize(
    ("where", "text", "message"),
    [
        ("configs/train.yaml", "extra: /home/maria/hips/dataset.json", r"configs/train.yaml, extra: holds a path"),
        ("configs/train.yaml", "# see /mnt/hospital/hips", r"configs/train.yaml, line \d+: holds a path of this"),
        ("configs/train.yaml", "extra: C:\\Users\\maria", r"configs/train.yaml, extra: holds a path"),
        ("configs/train.yaml", "extra: ~/hips", r"configs/train.yaml, extra: holds a path"),
        ("configs/refit.yaml", "reader: Dr Smith", r"configs/refit.yaml, reader: 'Dr Smith' tells of your people"),
        ("configs/refit.yaml", "run_name: Marias run", r"configs/refit.yaml, run_name: .*null"),
        ("configs/refit.yaml", "note: case11", r"configs/refit.yaml, note: holds 'case11'"),
        ("configs/refit.yaml", "# P0012 was odd", r"configs/refit.yaml, line \d+: holds 'P0012'"),
        ("LICENSE", "for /srv/radiology/share", r"LICENSE, line \d+: holds a path"),
    ],
)
def test_paths_and_identifiers_stop_it(copy, tmp_path, where, text, message):
    with (copy / "bundle" / where).open("a") as file:
        file.write(f"\n{text}\n")
    with pytest.raises(BundleError, match=message):
        pack(copy, tmp_path)
    assert not (tmp_path / "out.zip").exists()


def test_names_of_the_data_set_file_are_looked_for_too(copy, tmp_path, blobs):
    document = json.loads(blobs.read_text())
    document["cases"][0]["annotations"][0]["reader"] = "Mueller"
    dataset = tmp_path / "dataset.json"
    dataset.write_text(json.dumps(document))
    (tmp_path / "images").symlink_to(blobs.parent / "images")
    labels = Labels("Annotated by Mueller.", name="tiny")
    with pytest.raises(BundleError, match=r"docs/README.md, line \d+: holds 'Mueller'"):
        pack(copy, tmp_path, labels=labels, dataset=dataset)


def test_a_table_without_readers_can_be_packed(copy, tmp_path, blobs):
    """`import` calls the reader "reader" then, and the configs have that word."""
    dataset = tmp_path / "dataset.json"
    dataset.write_text(blobs.read_text().replace('"maker"', '"reader"'))
    (tmp_path / "images").symlink_to(blobs.parent / "images")
    assert load_dataset(dataset).readers == ["reader"]
    pack(copy, tmp_path, dataset=dataset)
    assert (tmp_path / "out.zip").is_file()


def test_a_path_inside_an_exported_model_stops_it(copy, tmp_path):
    (copy / "bundle" / "models" / "model.pt2").write_bytes(b"\0\1/home/maria/net.py\0")
    with pytest.raises(BundleError, match=r"models/model.pt2: holds a path of this computer, /home/maria/"):
        pack(copy, tmp_path)


@pytest.mark.slow
def test_our_own_exports_hold_no_path(tmp_path):
    network = network_from(SETTINGS, 3).eval()
    for name, kind in FORMATS.items():
        path = tmp_path / f"model.{name}"
        kind.write(network, path, "digest")
        check_binary(path, path.name)


def test_what_a_receiver_would_refuse_is_not_packed(copy, tmp_path):
    with (copy / "bundle" / "configs" / "train.yaml").open("a") as file:
        file.write("\nextra: $torch.hub.load('a', 'b')\n")
    with pytest.raises(BundleError, match=r"configs/train.yaml, extra: .*torch.hub.load"):
        pack(copy, tmp_path)


def test_what_is_missing_is_named(copy, tmp_path):
    with pytest.raises(ConfigError, match="--data-licence"):
        pack(copy, tmp_path, labels=Labels())
    with pytest.raises(ConfigError, match="--name my hip"):
        pack(copy, tmp_path, labels=Labels("any", name="my hip"))
    with pytest.raises(ConfigError, match="is no private key"):
        pack(copy, tmp_path, sign=copy / "metrics.json")
    with pytest.raises(ConfigError, match="is no bundle"):
        pack(tmp_path / "nowhere", tmp_path)
    (copy / "bundle" / "models" / "model.pt").unlink()
    with pytest.raises(ConfigError, match=r"model.pt: train the bundle first"):
        pack(copy, tmp_path)
    (copy / "bundle" / "models" / "metadata.json").unlink()
    with pytest.raises(ConfigError, match=r"metadata.json: train the bundle first"):
        pack(copy, tmp_path)
    (copy / "metrics.json").unlink()
    with pytest.raises(ConfigError, match="--evaluation"):
        pack(copy, tmp_path)


def test_an_evaluation_of_another_model_is_refused(copy, tmp_path):
    metrics = json.loads((copy / "metrics.json").read_text())
    metrics["landmarks"]["knee"] = metrics["landmarks"].pop("middle")
    (copy / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(ConfigError, match=r"the evaluation is of .*knee; the model finds"):
        pack(copy, tmp_path)


def test_errors_of_other_weights_are_not_told_of_these(copy, tmp_path):
    """As of another stage's model, or of one trained on since."""
    weights = copy / "bundle" / "models" / "model.pt"
    state = torch.load(weights, weights_only=True)
    record = json.loads((copy / "evaluation.json").read_text())
    (copy / "evaluation.json").write_text(json.dumps({**record, "weights": {"model.pt": state_digest(state)}}))
    pack(copy, tmp_path)
    name = next(iter(state))
    torch.save({**state, name: state[name] + 1}, weights)
    with pytest.raises(ConfigError, match=r"evaluation of another model than model\.pt, or it was trained on since"):
        pack(copy, tmp_path)


def test_an_older_file_stays_where_packing_fails(copy, tmp_path):
    (tmp_path / "out.zip").write_text("older")
    (copy / "bundle" / "models" / "model.pt").write_bytes(b"no weights")
    with pytest.raises(BundleError, match=r"models/model.pt"):
        pack(copy, tmp_path)
    assert (tmp_path / "out.zip").read_text() == "older"


def test_the_weights_must_fit_the_metadata(copy, tmp_path):
    torch.save({"other": torch.zeros(1)}, copy / "bundle" / "models" / "model.pt")
    with pytest.raises(BundleError, match="does not fit this bundle's network"):
        pack(copy, tmp_path)


@pytest.mark.slow
def test_an_argmax_model_has_the_wider_tolerance(blobs, tmp_path):
    settings = SETTINGS | {"decoder": {"likelihood": "Bernoulli", "window": None}}
    run = write_run(tmp_path / "run", blobs, settings)
    assert "landmarks" in pack(run, tmp_path)


def test_the_packed_configs_are_the_runs_own(packed, run):
    found = content(packed)["configs/train.yaml"]
    assert yaml.safe_load(found) == yaml.safe_load((run / "bundle" / "configs" / "train.yaml").read_text())


@pytest.mark.parametrize("name", shipped_bundles())
def test_the_shipped_metadata_pass_once_there_is_a_model(name):
    document = json.loads((shipped_bundles()[name] / "configs" / "metadata.json").read_text())
    document["monai_landmarks"]["dataset"] = {"name": "any", "digest": "any", "cases": 3}
    again = json.loads(check_metadata(document).model_dump_json())
    assert check_metadata(again) == check_metadata(document)
