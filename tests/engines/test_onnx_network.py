import csv
import sys

import onnx
import pytest
import torch
from torch import nn

from monai_landmarks.engines.backend import Backend
from monai_landmarks.engines.onnx_network import OnnxNetwork, onnx_network, onnx_region, weights_digest
from monai_landmarks.engines.predict import PredictSettings, predict_inputs
from monai_landmarks.engines.workflow import run_bundle
from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.two_pass import TwoPassNet
from monai_landmarks.sharing.bundles import copy_bundle
from monai_landmarks.sharing.export_formats import FORMATS
from monai_landmarks.sharing.exports import export_models


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """A folder with model.pt and its model.onnx, of one convolution."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models")
    network = nn.Conv2d(1, 2, 3, padding=1).eval()
    torch.save(network.state_dict(), folder / "model.pt")
    FORMATS["onnx"].write(network, folder / "model.onnx", weights_digest(folder / "model.pt"))
    return folder, network


def test_it_stands_in_for_the_network(models):
    folder, network = models
    runtime = onnx_network(nn.Conv2d(1, 2, 3, padding=1), folder).eval()
    image = torch.rand(3, 1, 64, 96).to(memory_format=torch.channels_last)
    logits = runtime(image)
    assert (logits.dtype, logits.shape, logits.requires_grad) == (torch.float32, (3, 2, 64, 96), False)
    assert torch.allclose(logits, network(image), atol=1e-6)
    assert torch.allclose(runtime(image.double()), logits)


def test_threads_follow_torch(models):
    folder, _ = models
    before = torch.get_num_threads()
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            runtime = OnnxNetwork(folder / "model.onnx", weights_digest(folder / "model.pt"))
            assert runtime.session.get_session_options().intra_op_num_threads == threads
    finally:
        torch.set_num_threads(before)


def test_both_passes_are_replaced_and_what_lies_between_stays(models, tmp_path):
    folder, network = models
    (tmp_path / "model.pt").write_bytes((folder / "model.pt").read_bytes())
    for name in ("model.coarse.onnx", "model.fine.onnx"):
        (tmp_path / name).write_bytes((folder / "model.onnx").read_bytes())
    codec = Middle()
    two = TwoPassNet(network, network, (64, 64), 32, codec)
    image = torch.rand(2, 1, 128, 96)
    expected = two(image)
    replaced = onnx_network(TwoPassNet(nn.Identity(), nn.Identity(), (64, 64), 32, codec), tmp_path)
    assert isinstance(replaced, TwoPassNet)
    assert isinstance(replaced.coarse, OnnxNetwork)
    assert replaced.fine.path.name == "model.fine.onnx"
    assert torch.allclose(replaced(image), expected, atol=1e-4)
    (tmp_path / "model.fine.onnx").unlink()
    with pytest.raises(ConfigError, match=r"no .*model\.fine\.onnx; make it with"):
        onnx_network(two, tmp_path)


def test_the_first_stage_is_run_from_a_file_of_its_own(models, tmp_path):
    folder, network = models
    (tmp_path / "roi.pt").write_bytes((folder / "model.pt").read_bytes())
    with pytest.raises(ConfigError, match=r"no .*roi\.onnx; make it with"):
        onnx_region(tmp_path)
    (tmp_path / "roi.onnx").write_bytes((folder / "model.onnx").read_bytes())
    image = torch.rand(2, 1, 64, 96)
    assert torch.allclose(onnx_region(tmp_path)(image), network(image), atol=1e-6)
    torch.save(nn.Conv2d(1, 5, 3).state_dict(), tmp_path / "roi.pt")
    with pytest.raises(ConfigError, match=r"roi\.onnx was not made from the roi\.pt beside it"):
        onnx_region(tmp_path)
    (tmp_path / "roi.pt").unlink()
    with pytest.raises(ConfigError, match=r"no trained weights at .*roi\.pt"):
        onnx_region(tmp_path)


class Middle:
    """Every landmark in the middle of the map, half believed."""

    def decode(self, logits):
        from monai_landmarks.codecs.decode import Decoded

        half = torch.full(logits.shape[:2], 0.5)
        return Decoded(torch.full((*logits.shape[:2], 2), 31.5), half, half)


def test_an_export_of_other_weights_is_refused(models, tmp_path):
    folder, _ = models
    (tmp_path / "model.onnx").write_bytes((folder / "model.onnx").read_bytes())
    with pytest.raises(ConfigError, match=r"no trained weights at .*model\.pt"):
        onnx_network(nn.Identity(), tmp_path)
    torch.save(nn.Conv2d(1, 5, 3).state_dict(), tmp_path / "model.pt")
    with pytest.raises(ConfigError, match=r"model\.onnx was not made from the model\.pt beside it.*convert BUNDLE"):
        onnx_network(nn.Identity(), tmp_path)
    silent = onnx.load(tmp_path / "model.onnx")
    del silent.metadata_props[:]
    onnx.save(silent, tmp_path / "model.onnx")
    with pytest.raises(ConfigError, match="it does not say from which"):
        onnx_network(nn.Identity(), tmp_path)


def test_missing_and_broken_files(models, tmp_path):
    with pytest.raises(ConfigError, match=r"no .*model\.onnx; make it with `monai-landmarks convert BUNDLE --to onnx`"):
        OnnxNetwork(tmp_path / "model.onnx", "")
    (tmp_path / "model.onnx").write_bytes((models[0] / "model.onnx").read_bytes()[:100])
    with pytest.raises(
        ConfigError, match=r"model\.onnx is no ONNX file this ONNX Runtime can run.*convert the model again"
    ):
        OnnxNetwork(tmp_path / "model.onnx", "")


def test_without_the_package_the_extra_is_named(models, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ConfigError, match=r'pip install "monai_landmarks\[export\]"'):
        OnnxNetwork(models[0] / "model.onnx", "")


def test_a_device_does_not_go_with_onnx_runtime(tmp_path):
    settings = PredictSettings(device="cuda", backend=Backend.ONNXRUNTIME)
    with pytest.raises(ConfigError, match="--backend onnxruntime runs on the cpu; leave --device out"):
        predict_inputs(tmp_path, [tmp_path], tmp_path / "out", settings)


def points(folder):
    with (folder / "predictions.csv").open(newline="") as file:
        return [(float(row["x"]), float(row["y"]), float(row["presence"])) for row in csv.DictReader(file)]


@pytest.mark.slow
@pytest.mark.parametrize("passes", [("train",), ("train", "second_pass")], ids=len)
def test_predictions_are_those_of_torch(passes, blobs, tmp_path):
    """A trained bundle over a folder of images: every coordinate within 0.01 pixel."""
    bundle = copy_bundle("label_augmentation", tmp_path / "bundle")
    small = {"dataset_file": str(blobs), "max_epochs": 2, "progress": False, "output_dir": str(tmp_path / "eval")}
    first = {"longer_side": 64, "decoder_channels": [16, 16, 8, 8, 8], "learning_rate": 3e-3}
    run_bundle(bundle, "training", ("train",), **small, **first)
    models = bundle / "models"
    if len(passes) == 2:
        models = models / "second_pass"
        run_bundle(bundle, "training", passes, **small, longer_side=128, window=64, jitter=4.0)
    done = export_models(bundle, models, ["onnx"], image=blobs.parent / "images" / "00.png")
    assert len(done) == len(passes)
    found = []
    for backend in Backend:
        out = tmp_path / backend
        settings = PredictSettings(models=models, overlays=False, backend=backend)
        outcome = predict_inputs(bundle, [blobs.parent / "images"], out, settings)
        assert outcome.predicted == 14
        found.append(torch.tensor(points(out)))
    assert found[0].shape == (14 * 3, 3)
    assert torch.equal(found[0].isnan(), found[1].isnan())
    difference = (found[0] - found[1]).nan_to_num().abs().amax(0)
    assert difference.tolist() == pytest.approx([0, 0, 0], abs=0.01)
