"""model.onnx of a packed bundle: does it compute what model.pt computes?"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_landmarks.data.reader import read_radiograph
from monai_landmarks.engines.onnx_network import OnnxNetwork, exported_parts, weights_digest
from monai_landmarks.errors import ConfigError, LandmarksError
from monai_landmarks.handlers.checkpoint import load_model
from monai_landmarks.networks.build import network_from
from monai_landmarks.sharing.exports import TOLERANCE, differences, probes
from monai_landmarks.sharing.layout import ONNX_MODELS, TEST_IMAGE, WEIGHTS, BundleError
from monai_landmarks.sharing.metadata import BundleMetadata

# ONNX keeps the name of a file with weights outside the model under this key, however the key is encoded.
EXTERNAL = b"location"


class NotComparedError(ConfigError):
    """ONNX Runtime is not here, so nothing can be said of an ONNX file."""


def check_onnx(folder: Path, metadata: BundleMetadata) -> str:
    """Compare the ONNX files of an unpacked bundle with its model.pt, on the self-test's radiograph.

    Returns:
        The largest difference, in words; nothing where there is no ONNX file.

    Raises:
        BundleError: a file that computes something else, was made from other weights, or cannot be run.
        NotComparedError: ONNX Runtime is missing.
    """
    found = [name for name in ONNX_MODELS if (folder / name).is_file()]
    if not found:
        return ""
    if find_spec("onnxruntime") is None:
        raise NotComparedError(
            f"{', '.join(found)} cannot be compared with {WEIGHTS} nor used without ONNX Runtime: "
            'pip install "monai_landmarks[export]"'
        )
    own = metadata.monai_landmarks
    network = network_from(own.settings.model_dump(), len(own.scheme.names))
    parts = exported_parts(load_model(network, folder / WEIGHTS).eval())
    inputs = probes(_test_input(folder, metadata.network_data_format.inputs.image.spatial_shape))
    digest = weights_digest(folder / WEIGHTS)
    worst = 0.0
    for name in found:
        part = parts.get(Path(name).stem)
        if part is None:
            raise BundleError(f"{name}: {WEIGHTS} is another kind of network; leave the file out")
        worst = max(worst, compare_onnx(folder / name, name, part, digest, inputs))
    return f"{', '.join(found)} as {WEIGHTS}, logits differ by {worst:.1e} of the largest ({TOLERANCE:g} allowed)"


def compare_onnx(path: Path, name: str, network: nn.Module, digest: str, inputs: Sequence[Tensor]) -> float:
    """Largest difference of the logits of one file and the network, as a share of max(1, the largest logit).

    Args:
        path: the file.
        name: what it is called in the bundle.
        network: what it was made from.
        digest: SHA-256 of that network's model.pt.
        inputs: images (B, 1, rows, columns).

    Raises:
        BundleError: more than `TOLERANCE`; weights in other files; no file that can be run, or of other weights.
    """
    if EXTERNAL in path.read_bytes():
        raise BundleError(f"{name}: may name other files to read weights from; it must hold its own")
    try:
        _, relative = differences(OnnxNetwork(path, digest), network, inputs)
    except LandmarksError as error:
        raise BundleError(f"{name}: {error}") from None
    except Exception as error:  # ONNX Runtime fails in many ways, with pages of text
        raise BundleError(f"{name}: cannot be run: {str(error)[:200]}") from None
    # Not "greater than": NaN fails too.
    if not relative <= TOLERANCE:
        raise BundleError(
            f"{name}: computes something else than {WEIGHTS}: its logits differ by {relative:.2g} of the largest one "
            f"({TOLERANCE:g} allowed); make it again with `monai-landmarks convert`"
        )
    return relative


def _test_input(folder: Path, shape: Sequence[int]) -> Tensor:
    """The self-test's radiograph as the network's input, (1, 1, rows, columns) in [0, 1]."""
    pixels = torch.as_tensor(read_radiograph(folder / TEST_IMAGE).pixels, dtype=torch.float32)
    pixels = pixels.reshape(1, 1, *pixels.shape[-2:])
    pixels = (pixels - pixels.amin()) / (pixels.amax() - pixels.amin()).clamp(min=1e-6)
    return F.interpolate(pixels, tuple(shape), mode="bilinear")
