"""A trained network run by ONNX Runtime on the CPU, in the place of the network itself."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from monai_landmarks.errors import ConfigError
from monai_landmarks.handlers.checkpoint import MODEL, ROI
from monai_landmarks.networks.two_pass import TwoPassNet

if TYPE_CHECKING:
    import onnxruntime

ONNX = ".onnx"
INPUT, OUTPUT = "image", "logits"
# The SHA-256 of the file of weights an exported file was made from, under this name in every format.
DIGEST = "model_sha256"


class OnnxNetwork(nn.Module):
    """Runs an exported file with ONNX Runtime on the CPU.

    It uses as many threads as PyTorch does when it is made (`torch.get_num_threads`).

    Args:
        path: the .onnx file, `image` to `logits`.
        digest: SHA-256 of the weights it must have been made from (`weights_digest`).
        weights: name of their file.

    Shapes: as the network's, (B, 1, rows, columns) to logits (B, K, ...), float32, on the image's device.

    Raises:
        ConfigError: ONNX Runtime or the file is missing, the file is broken, or made from other weights.
    """

    def __init__(self, path: str | Path, digest: str, weights: str = MODEL) -> None:
        super().__init__()
        self.path = Path(path)
        if not self.path.is_file():
            raise ConfigError(
                f"there is no {self.path}; make it with `monai-landmarks convert BUNDLE --to onnx`, or predict with "
                "--backend torch. The one in a packed bundle is used with the --key it is signed with alone"
            )
        self.session = _session(self.path)
        noted = self.session.get_modelmeta().custom_metadata_map.get(DIGEST)
        if noted != digest:
            raise ConfigError(
                f"{self.path} was not made from the {weights} beside it ({noted or 'it does not say from which'}); "
                "make it again with `monai-landmarks convert BUNDLE --to onnx`"
            )

    def forward(self, image: Tensor) -> Tensor:
        """Logits of each landmark at each pixel."""
        pixels = image.detach().to("cpu", torch.float32).contiguous().numpy()
        return torch.from_numpy(self.session.run([OUTPUT], {INPUT: pixels})[0]).to(image.device)


def onnx_network(network: nn.Module, models: str | Path) -> nn.Module:
    """A model's network, run by ONNX Runtime; `network` in inference.yaml becomes this under --backend onnxruntime.

    Args:
        network: the model's (`network_from`); its weights do not matter. What a two-pass network does between its two
            passes stays in PyTorch.
        models: folder of model.pt and what `monai-landmarks convert` made of it.

    Raises:
        ConfigError: as `OnnxNetwork`; no model.pt.
    """
    digest = weights_digest(Path(models) / MODEL)
    runtimes = {name: OnnxNetwork(Path(models) / (name + ONNX), digest) for name in exported_parts(network)}
    if isinstance(network, TwoPassNet):
        network.coarse, network.fine = runtimes.values()
        return network
    (runtime,) = runtimes.values()
    return runtime


def onnx_region(models: str | Path) -> nn.Module:
    """The first stage of a two-stage model, run by ONNX Runtime; `region_network` in inference.yaml becomes this.

    Args:
        models: folder of roi.pt and what `monai-landmarks convert` made of it.

    Raises:
        ConfigError: as `OnnxNetwork`; no roi.pt.
    """
    weights = Path(models) / ROI
    return OnnxNetwork(weights.with_suffix(ONNX), weights_digest(weights), ROI)


def exported_parts(network: nn.Module) -> dict[str, nn.Module]:
    """The networks that are exported for a model, by the stem of their files.

    Where the windows of a two-pass network lie depends on the first pass's answer and the shape prior, which no
    exported graph can hold: each pass becomes a file of its own, the first one first.
    """
    stem = Path(MODEL).stem
    if isinstance(network, TwoPassNet):
        return {f"{stem}.coarse": network.coarse, f"{stem}.fine": network.fine}
    return {stem: network}


def weights_digest(path: Path) -> str:
    """SHA-256 of a file of weights, in hexadecimal.

    Raises:
        ConfigError: no such file.
    """
    if not path.is_file():
        raise ConfigError(f"no trained weights at {path}; run the bundle's training first, or name their folder")
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _session(path: Path) -> onnxruntime.InferenceSession:
    try:
        import onnxruntime
    except ImportError:
        raise ConfigError('ONNX Runtime is not installed; run `pip install "monai_landmarks[export]"`') from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.inter_op_num_threads = 1
    # Its threads would go on spinning after a run, on the cores that reading and decoding need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ConfigError(
            f"{path} is no ONNX file this ONNX Runtime can run: {error}; convert the model again"
        ) from None
