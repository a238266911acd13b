"""Exporting a trained model for other programs, each file compared with the network it was made from."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_landmarks.engines.inference import inference_workflow
from monai_landmarks.engines.onnx_network import MODEL, exported_parts, weights_digest
from monai_landmarks.engines.workflow import refuse_special_paths
from monai_landmarks.errors import ConfigError, LandmarksError
from monai_landmarks.networks.build import network_from
from monai_landmarks.sharing.bundles import load_metadata, scheme_of, settings_of
from monai_landmarks.sharing.export_formats import FORMATS, MULTIPLE
from monai_landmarks.sharing.weights import trained_network
from monai_landmarks.simulate.dataset import simulate_case
from monai_landmarks.simulate.presets import PRESETS

# Largest difference between the logits of an exported file and of the network, as a share of the largest logit where
# that exceeds 1. The network's own float32 logits are off by a few 1e-6 of the largest one from its float64 ones.
TOLERANCE = 1e-4
PRESET = "pelvis-radiograph"


@dataclass(frozen=True)
class Exported:
    """A written file: its format, and how far its logits a are from the network's b.

    Attributes:
        format: name in `FORMATS`.
        path: the file.
        difference: largest |a - b|.
        relative: the same as a share of the largest |b|, of 1 where that is smaller; at most `TOLERANCE`.
    """

    format: str
    path: Path
    difference: float
    relative: float

    @property
    def megabytes(self) -> float:
        """Size of the file."""
        return self.path.stat().st_size / 1e6


def export_models(bundle: Path, models: Path, formats: Sequence[str], *, image: Path | None = None) -> list[Exported]:
    """Write model.onnx, model.pt2 and model.ts beside model.pt; two-pass models give a file for each pass.

    Each file takes any batch size and any rows and columns that are multiples of 32. It is loaded again and compared
    with the network on a radiograph, in two batch sizes and two sizes; a file that differs is deleted.

    Args:
        bundle: folder of a trained bundle. Its preprocessing is executed: use only bundles you trust.
        models: folder of model.pt.
        formats: names in `FORMATS`.
        image: the radiograph; by default a simulated one, of the model's own preset where it has one.

    Raises:
        ConfigError: unknown format; no or unfit weights; a network that cannot be exported, or a file that computes
            something else than the network.
        ReadError: `image` cannot be read.
    """
    if unknown := sorted(set(formats) - set(FORMATS)):
        raise ConfigError(f"--to {', '.join(unknown)}: there is no such format; choose among {', '.join(FORMATS)}")
    metadata = load_metadata(bundle, models)
    digest = weights_digest(models / MODEL)
    network = network_from(settings_of(metadata), len(scheme_of(metadata).names))
    network = trained_network(network, models / MODEL, metadata).eval()
    inputs = probes(prepared_image(bundle, models, image, scheme_of(metadata).name))
    return [
        _export(part, models / stem, name, digest, inputs)
        for name in dict.fromkeys(formats)
        for stem, part in exported_parts(network).items()
    ]


def prepared_image(bundle: Path, models: Path, image: Path | None, preset: str) -> Tensor:
    """A radiograph after the bundle's preprocessing, (1, 1, rows, columns)."""
    with tempfile.TemporaryDirectory() as folder:
        if image is None:
            case = simulate_case(Path(folder), preset if preset in PRESETS else PRESET, seed=0, index=0)
            image = Path(folder) / Path(case.image).name
        refuse_special_paths([bundle, models, image])
        workflow = inference_workflow(bundle, bundle_root=str(bundle.resolve()), ckpt_dir=str(models))
        item = workflow.parser.get_parsed_content("preprocessing")({"image": str(image)})
    return torch.as_tensor(item["image"].as_tensor(), dtype=torch.float32)[None]


def probes(image: Tensor) -> list[Tensor]:
    """Two inputs from one: alone as it is, and with its mirror image at another size."""
    rows, columns = (side + MULTIPLE * steps for side, steps in zip(image.shape[-2:], (1, 2)))
    other = F.interpolate(image, (rows, columns), mode="bilinear")
    return [image, torch.cat((other, other.flip(-1)))]


def differences(
    function: Callable[[Tensor], Tensor], network: nn.Module, inputs: Sequence[Tensor]
) -> tuple[float, float]:
    """Largest |a - b| over all logits a of `function` and b of `network`, and its share of max(1, largest |b|).

    Both are not a number where a logit is none, and infinite where the shapes differ.
    """
    with torch.no_grad():
        pairs = [(function(image), network(image)) for image in inputs]
    if any(a.shape != b.shape for a, b in pairs):
        return math.inf, math.inf
    found = torch.stack([(a - b).abs().amax() for a, b in pairs])
    scale = torch.stack([b.abs().amax() for _, b in pairs]).clamp(min=1)
    return float(found.amax()), float((found / scale).amax())


def _export(network: nn.Module, stem: Path, name: str, digest: str, inputs: Sequence[Tensor]) -> Exported:
    """One file, written and compared; nothing is left where that fails."""
    kind = FORMATS[name]
    path = stem.with_name(stem.name + kind.suffix)
    path.unlink(missing_ok=True)
    try:
        kind.write(network, path, digest)
        found, relative = differences(kind.read(path, digest), network, inputs)
        if not relative <= TOLERANCE:
            raise ConfigError(
                f"{path.name} computes something else than {MODEL}: its logits differ by {found:.2g}, {relative:.2g} "
                f"of the largest one, and {TOLERANCE:g} is allowed; it was deleted. Use {MODEL} itself, or another "
                "format"
            )
    except (LandmarksError, OSError):
        path.unlink(missing_ok=True)
        raise
    except Exception as error:
        path.unlink(missing_ok=True)
        # torch and ONNX Runtime fail in many ways, with pages of text.
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise ConfigError(
            f"{path.name}: this network cannot be exported: {reason}. Hourglasses and networks with an efficientnet "
            f"backbone can; others are used as {MODEL}"
        ) from error
    return Exported(name, path, found, relative)
