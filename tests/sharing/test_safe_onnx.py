"""Whether model.onnx computes what model.pt does: good and bad ONNX files, with a network of two layers."""

import json
import shutil
import zipfile

import onnx
import pytest
import torch
from torch import nn

from monai_landmarks.engines.onnx_network import weights_digest
from monai_landmarks.sharing import safe_onnx
from monai_landmarks.sharing.export_formats import FORMATS
from monai_landmarks.sharing.layout import BundleError
from monai_landmarks.sharing.metadata import check_metadata
from monai_landmarks.sharing.safe_onnx import NotComparedError, check_onnx


class Halves(nn.Module):
    """Half the size and back."""

    def __init__(self):
        super().__init__()
        self.down = nn.Conv2d(1, 4, 3, stride=2, padding=1)
        self.up = nn.ConvTranspose2d(4, 3, 2, stride=2)

    def forward(self, image):
        return self.up(torch.relu(self.down(image)))


@pytest.fixture(scope="module")
def whole(packed, tmp_path_factory):
    """An unpacked bundle whose network is `Halves`, with model.onnx. Do not change it."""
    place = tmp_path_factory.mktemp("onnx")
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(place)
    models = place / "tiny" / "models"
    torch.manual_seed(0)
    network = Halves().eval()
    torch.save(network.state_dict(), models / "model.pt")
    FORMATS["onnx"].write(network, models / "model.onnx", weights_digest(models / "model.pt"))
    return place / "tiny"


@pytest.fixture
def folder(whole, tmp_path, monkeypatch):
    """A copy a test may change."""
    monkeypatch.setattr(safe_onnx, "network_from", lambda settings, landmarks: Halves())
    return shutil.copytree(whole, tmp_path / "tiny")


def check(folder):
    return check_onnx(folder, check_metadata(json.loads((folder / "configs" / "metadata.json").read_text())))


def edit_model(folder, change):
    path = folder / "models" / "model.onnx"
    model = onnx.load(path)
    change(model)
    onnx.save(model, path)


def test_the_file_that_was_made_from_the_weights_passes(folder):
    found = check(folder)
    assert found.startswith("models/model.onnx as models/model.pt, logits differ by ")
    assert float(found.split(" by ")[1].split()[0]) < 1e-5


def test_a_bundle_without_one_has_nothing_to_compare(folder):
    (folder / "models" / "model.onnx").unlink()
    assert check(folder) == ""


def test_a_file_that_computes_something_else_is_refused_though_it_names_the_weights(folder):
    """Its digest is a text that anyone can copy."""

    def change(model):
        weights = next(entry for entry in model.graph.initializer if entry.dims[-1] == 2)
        values = onnx.numpy_helper.to_array(weights) * 1.01
        weights.CopyFrom(onnx.numpy_helper.from_array(values, weights.name))

    edit_model(folder, change)
    with pytest.raises(BundleError, match=r"models/model.onnx: computes something else than models/model.pt: .*0.0001"):
        check(folder)


def test_a_file_that_gives_no_numbers_is_refused(folder):
    def change(model):
        bias = next(entry for entry in model.graph.initializer if list(entry.dims) == [3])
        bias.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) * float("nan"), bias.name))

    edit_model(folder, change)
    with pytest.raises(BundleError, match="computes something else"):
        check(folder)


def test_a_file_of_other_weights_is_refused(folder):
    torch.manual_seed(1)
    torch.save(Halves().state_dict(), folder / "models" / "model.pt")
    with pytest.raises(BundleError, match=r"models/model.onnx: .*was not made from the model.pt beside it"):
        check(folder)


def test_weights_in_other_files_are_refused(folder):
    """ONNX Runtime would open the path that the file gives."""
    path = folder / "models" / "model.onnx"
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="weights", size_threshold=0)
    with pytest.raises(BundleError, match=r"models/model.onnx: may name other files"):
        check(folder)


def test_a_file_that_is_none_is_refused(folder):
    (folder / "models" / "model.onnx").write_bytes(b"any")
    with pytest.raises(BundleError, match=r"models/model.onnx: .*is no ONNX file"):
        check(folder)


def test_a_file_of_another_kind_of_network_is_refused(folder):
    (folder / "models" / "model.onnx").rename(folder / "models" / "model.fine.onnx")
    with pytest.raises(BundleError, match=r"models/model.fine.onnx: models/model.pt is another kind of network"):
        check(folder)


def test_without_onnx_runtime_it_says_so(folder, monkeypatch):
    monkeypatch.setattr(safe_onnx, "find_spec", lambda name: None)
    with pytest.raises(NotComparedError, match=r"cannot be compared .* pip install .monai_landmarks\[export\]"):
        check(folder)
