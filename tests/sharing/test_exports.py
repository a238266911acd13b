import json
import logging
import math

import onnx
import pytest
import torch
from torch import nn

from monai_landmarks.engines.onnx_network import DIGEST, exported_parts, weights_digest
from monai_landmarks.errors import ConfigError
from monai_landmarks.networks.two_pass import TwoPassNet
from monai_landmarks.networks.unet import LandmarkUNet
from monai_landmarks.sharing import exports
from monai_landmarks.sharing.bundles import copy_bundle
from monai_landmarks.sharing.export_formats import FORMATS, OPSET
from monai_landmarks.sharing.exports import TOLERANCE, _export, differences, export_models, prepared_image, probes

DIGITS = "0" * 64


class Halves(nn.Module):
    """Half the size and back, as a U-Net does: small, but with the same constraint on its input."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(4, 3, 2, stride=2)

    def forward(self, image):
        return self.up(torch.relu(self.down(image)))


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return Halves().eval()


@pytest.fixture(scope="module")
def inputs():
    return probes(torch.rand(1, 1, 96, 64, generator=torch.Generator().manual_seed(0)))


def test_the_probes_are_two_batches_of_two_sizes(inputs):
    assert [tuple(image.shape) for image in inputs] == [(1, 1, 96, 64), (2, 1, 128, 128)]
    assert torch.equal(inputs[1][1], inputs[1][0].flip(-1))


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_gives_what_the_network_gives(network, inputs, tmp_path, name):
    done = _export(network, tmp_path / "model", name, DIGITS, inputs)
    assert done.path == tmp_path / f"model{FORMATS[name].suffix}"
    assert done.relative <= done.difference <= TOLERANCE
    assert done.megabytes == pytest.approx(done.path.stat().st_size / 1e6)
    again = FORMATS[name].read(done.path, DIGITS)
    image = torch.rand(3, 1, 64, 160)
    with torch.no_grad():
        assert torch.allclose(again(image), network(image), atol=1e-5)


def test_the_onnx_file_describes_itself(network, tmp_path):
    path = tmp_path / "model.onnx"
    FORMATS["onnx"].write(network, path, DIGITS)
    assert logging.getLogger("torch.onnx").level == logging.NOTSET
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    assert {entry.key: entry.value for entry in model.metadata_props}[DIGEST] == DIGITS
    assert [entry.version for entry in model.opset_import if entry.domain == ""] == [OPSET]
    sizes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert sizes == {"image": ["batch", 1, "rows", "columns"], "logits": ["batch", 3, "rows", "columns"]}


@pytest.mark.parametrize(("name", "load"), [("pt2", torch.export.load), ("torchscript", torch.jit.load)])
def test_the_others_carry_the_digest(network, tmp_path, name, load):
    path = tmp_path / "model"
    FORMATS[name].write(network, path, DIGITS)
    extra = {DIGEST: ""}
    load(path, **{"extra_files" if name == "pt2" else "_extra_files": extra})
    value = extra[DIGEST]
    assert (value.decode() if isinstance(value, bytes) else value) == DIGITS


def test_differences_are_relative_to_large_logits_only(network, inputs):
    with torch.no_grad():
        largest = max(float(network(image).abs().amax()) for image in inputs)
    assert largest <= 1
    assert differences(lambda image: network(image) + 0.5, network, inputs) == pytest.approx((0.5, 0.5), abs=1e-6)
    assert differences(lambda image: network(image)[:1], network, inputs) == (math.inf, math.inf)
    large = nn.Sequential(network, Times(1000.0))
    absolute, relative = differences(lambda image: large(image) + 0.5, large, inputs)
    assert absolute == pytest.approx(0.5, abs=1e-3)
    assert 0.5 / 1000 < relative < 0.5


class Times(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, value):
        return value * self.factor


@pytest.mark.parametrize("wrong", [lambda a: a + 1e-3, lambda a: a * torch.nan], ids=["off", "nan"])
def test_a_file_that_differs_is_deleted(network, inputs, tmp_path, monkeypatch, wrong):
    kind = FORMATS["torchscript"]
    other = type(kind)(kind.suffix, kind.write, lambda path, digest: lambda image: wrong(network(image)))
    monkeypatch.setitem(FORMATS, "torchscript", other)
    (tmp_path / "model.ts").write_text("an older export")
    with pytest.raises(ConfigError, match=r"model\.ts computes something else.*deleted"):
        _export(network, tmp_path / "model", "torchscript", DIGITS, inputs)
    assert list(tmp_path.iterdir()) == []


class Branches(nn.Module):
    """What it does depends on what it sees."""

    def forward(self, image):
        return image if image.mean() > 0 else -image


class FixedBatch(nn.Module):
    """Takes its batch size from the example, as the shortcuts of MONAI's resnets do."""

    def forward(self, image):
        return torch.cat((image, torch.zeros(int(image.shape[0]), 1, *image.shape[2:])), 1)


@pytest.mark.parametrize(
    ("name", "network"), [("onnx", Branches()), ("pt2", Branches()), ("torchscript", FixedBatch())], ids=str
)
def test_a_network_that_cannot_be_exported(inputs, tmp_path, name, network):
    (tmp_path / f"model{FORMATS[name].suffix}").write_text("an older export")
    with pytest.raises(ConfigError, match=r"this network cannot be exported: .*efficientnet"):
        _export(network, tmp_path / "model", name, DIGITS, inputs)
    assert list(tmp_path.iterdir()) == []


def test_each_pass_is_a_part():
    coarse, fine = nn.Identity(), nn.Identity()
    assert exported_parts(coarse) == {"model": coarse}
    parts = exported_parts(TwoPassNet(coarse, fine, (64, 64), 32, codec=None))
    assert list(parts.items()) == [("model.coarse", coarse), ("model.fine", fine)]


def test_wrong_arguments(tmp_path):
    bundle = copy_bundle("label_augmentation", tmp_path / "bundle")
    with pytest.raises(ConfigError, match="--to coreml: there is no such format; choose among onnx, pt2, torchscript"):
        export_models(bundle, bundle / "models", ["onnx", "coreml"])
    with pytest.raises(ConfigError, match=r"no trained weights at .*model\.pt"):
        export_models(bundle, bundle / "models", ["onnx"])
    (bundle / "models").mkdir()
    torch.save(nn.Conv2d(1, 1, 1).state_dict(), bundle / "models" / "model.pt")
    with pytest.raises(ConfigError, match="does not fit this bundle's network"):
        export_models(bundle, bundle / "models", ["onnx"])


def test_the_image_goes_through_the_bundles_preprocessing(tmp_path, blobs):
    bundle = copy_bundle("label_augmentation", tmp_path / "bundle")
    image = prepared_image(bundle, bundle / "models", blobs.parent / "images" / "00.png", "blobs")
    assert (image.shape, image.dtype) == ((1, 1, 320, 320), torch.float32)
    assert type(image) is torch.Tensor
    assert (float(image.min()), float(image.max())) == pytest.approx((0, 1), abs=0.05)


@pytest.mark.slow
def test_a_real_model_in_every_format_on_a_simulated_radiograph(tmp_path):
    """The shipped bundle's own network with random weights; no image is given."""
    bundle = copy_bundle("label_augmentation", tmp_path / "bundle")
    models = bundle / "models"
    models.mkdir()
    metadata = json.loads((bundle / "configs" / "metadata.json").read_text())
    settings = {
        "backbone": "efficientnet-lite0",
        "decoder_channels": [16, 16, 8, 8, 8],
        "test_time_mirror": True,
        "decoder": {"likelihood": "Categorical", "window": 8.0},
    }
    metadata["monai_landmarks"]["settings"] = settings
    (models / "metadata.json").write_text(json.dumps(metadata))
    torch.manual_seed(0)
    network = LandmarkUNet(20, encoder_weights="package", decoder_channels=(16, 16, 8, 8, 8))
    torch.save(network.state_dict(), models / "model.pt")
    done = export_models(bundle, models, list(FORMATS))
    assert {path.name for path in models.iterdir()} == {
        "model.pt",
        "metadata.json",
        "model.onnx",
        "model.pt2",
        "model.ts",
    }
    assert all(entry.relative <= exports.TOLERANCE for entry in done)
    noted = {entry.key: entry.value for entry in onnx.load(models / "model.onnx").metadata_props}
    assert noted[DIGEST] == weights_digest(models / "model.pt")
