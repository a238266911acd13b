"""model.onnx and roi.onnx of a packed bundle: do they compute what model.pt and roi.pt compute?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
from monai_landmarks.sharing.layout import ONNX_MODELS, REGION_WEIGHTS, TEST_IMAGE, WEIGHTS, BundleError
from monai_landmarks.sharing.metadata import BundleMetadata
from monai_landmarks.sharing.model_settings import region_of

# ONNX keeps the name of a file with weights outside the model under this key, however the key is encoded.
EXTERNAL = b"location"


class NotComparedError(ConfigError):
    """ONNX Runtime is not here, so nothing can be said of an ONNX file."""


def check_onnx(folder: Path, metadata: BundleMetadata) -> str:
    """Compare the ONNX files of an unpacked bundle with its weights, on the self-test's radiograph.

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
            f"{', '.join(found)} cannot be compared with the weights nor used without ONNX Runtime: "
            'pip install "monai_landmarks[export]"'
        )
    parts = _parts(folder, metadata)
    worst, sources = 0.0, []
    for name in found:
        part = parts.get(Path(name).stem)
        if part is None:
            raise BundleError(f"{name}: {WEIGHTS} is another kind of network; leave the file out")
        worst = max(worst, compare_onnx(folder / name, name, part))
        sources.append(part.weights)
    weights = " and ".join(dict.fromkeys(sources))
    return f"{', '.join(found)} as {weights}, logits differ by {worst:.1e} of the largest ({TOLERANCE:g} allowed)"


@dataclass(frozen=True)
class _Original:
    """What an ONNX file must compute: a network, the file its weights are in, and the size it was trained at."""

    network: nn.Module
    folder: Path
    weights: str
    size: Sequence[int]


def _parts(folder: Path, metadata: BundleMetadata) -> dict[str, _Original]:
    """By the stem of the ONNX file."""
    own = metadata.monai_landmarks
    size = metadata.network_data_format.inputs.image.spatial_shape
    network = network_from(own.settings.model_dump(), len(own.scheme.names))
    parts = {
        stem: _Original(part, folder, WEIGHTS, size)
        for stem, part in exported_parts(load_model(network, folder / WEIGHTS).eval()).items()
    }
    region = region_of(own.settings)
    if region is not None:
        first = load_model(network_from(region.model_dump(), 1), folder / REGION_WEIGHTS).eval()
        parts[Path(REGION_WEIGHTS).stem] = _Original(first, folder, REGION_WEIGHTS, region.spatial_size)
    return parts


def compare_onnx(path: Path, name: str, original: _Original) -> float:
    """Largest difference of the logits of one file and the network, as a share of max(1, the largest logit).

    Args:
        path: the file.
        name: what it is called in the bundle.
        original: what it was made from.

    Raises:
        BundleError: more than `TOLERANCE`; weights in other files; no file that can be run, or of other weights.
    """
    if EXTERNAL in path.read_bytes():
        raise BundleError(f"{name}: may name other files to read weights from; it must hold its own")
    try:
        weights = original.folder / original.weights
        runtime = OnnxNetwork(path, weights_digest(weights), weights.name)
        _, relative = differences(runtime, original.network, probes(_test_input(original.folder, original.size)))
    except LandmarksError as error:
        raise BundleError(f"{name}: {error}") from None
    except Exception as error:  # ONNX Runtime fails in many ways, with pages of text
        raise BundleError(f"{name}: cannot be run: {str(error)[:200]}") from None
    # Not "greater than": NaN fails too.
    if not relative <= TOLERANCE:
        raise BundleError(
            f"{name}: computes something else than {original.weights}: its logits differ by {relative:.2g} of the "
            f"largest one ({TOLERANCE:g} allowed); make it again with `monai-landmarks convert`"
        )
    return relative


def _test_input(folder: Path, shape: Sequence[int]) -> Tensor:
    """The self-test's radiograph as the network's input, (1, 1, rows, columns) in [0, 1]."""
    pixels = torch.as_tensor(read_radiograph(folder / TEST_IMAGE).pixels, dtype=torch.float32)
    pixels = pixels.reshape(1, 1, *pixels.shape[-2:])
    pixels = (pixels - pixels.amin()) / (pixels.amax() - pixels.amin()).clamp(min=1e-6)
    return F.interpolate(pixels, tuple(shape), mode="bilinear")
