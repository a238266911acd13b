"""Exporting a trained model for other programs, each file compared with the network it was made from."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from monai_landmarks.engines.inference import inference_workflow
from monai_landmarks.engines.onnx_network import exported_parts, weights_digest
from monai_landmarks.engines.workflow import refuse_special_paths
from monai_landmarks.errors import ConfigError, LandmarksError
from monai_landmarks.handlers.checkpoint import MODEL, ROI
from monai_landmarks.networks.build import network_from
from monai_landmarks.sharing.bundles import (
    load_metadata,
    scheme_of,
    settings_of,
    spatial_size_of,
)
from monai_landmarks.sharing.export_formats import FORMATS, MULTIPLE
from monai_landmarks.sharing.regions import region_network
from monai_landmarks.sharing.weights import trained_network
from monai_landmarks.simulate.dataset import simulate_case
from monai_landmarks.simulate.presets import PRESETS
from monai_landmarks.transforms.limb_views import half_view

# Largest difference between the logits of an exported file and of the network, as a share of the largest logit where
# that exceeds 1. The network's own float32 logits are off by a few 1e-6 of the largest one from its float64 ones.
TOLERANCE = 1e-4
PRESET = "pelvis-radiograph"


# Rows, columns and mm per pixel of what a network is shown of a limb.
View = tuple[int, int, float]


@dataclass(frozen=True)
class Exportable:
    """A network that gets a file of its own.

    Attributes:
        stem: the file's path without its suffix.
        network: with its weights.
        weights: name of the file they are in.
        digest: SHA-256 of that file.
        view: what it is shown; None for whole images, as the bundle's preprocessing gives them.
    """

    stem: Path
    network: nn.Module
    weights: str
    digest: str
    view: View | None = None


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
    """Write model.onnx, model.pt2 and model.ts beside model.pt; two-pass models give a file for each pass, two-stage
    models roi.onnx and so on beside roi.pt too.

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
    parts = exportable_networks(models, metadata)
    preset = scheme_of(metadata).name
    inputs = {
        view: probes(prepared_image(bundle, models, image, preset, view)) for view in {part.view for part in parts}
    }
    return [
        _export(part.network, part.stem, name, part.digest, inputs[part.view], part.weights)
        for name in dict.fromkeys(formats)
        for part in parts
    ]


def exportable_networks(models: Path, metadata: dict[str, Any]) -> list[Exportable]:
    """The networks of a trained model, a file for each.

    Raises:
        ConfigError: no or unfit weights.
    """
    digest = weights_digest(models / MODEL)
    settings = settings_of(metadata)
    network = network_from(settings, len(scheme_of(metadata).names))
    network = trained_network(network, models / MODEL, metadata).eval()
    sides = settings.get("sides")
    view = _view(spatial_size_of(metadata), sides["spacing_mm"]) if sides else None
    parts = [Exportable(models / stem, part, MODEL, digest, view) for stem, part in exported_parts(network).items()]
    if sides and sides["region"]:
        region, weights = sides["region"], models / ROI
        digest, network = weights_digest(weights), region_network(metadata, weights).eval()
        view = _view(region["spatial_size"], region["spacing_mm"])
        parts.append(Exportable(weights.with_suffix(""), network, ROI, digest, view))
    return parts


def _view(size: Sequence[int], spacing_mm: float) -> View:
    rows, columns = size
    return rows, columns, spacing_mm


def prepared_image(bundle: Path, models: Path, image: Path | None, preset: str, view: View | None = None) -> Tensor:
    """What a network is shown of a radiograph, (1, 1, rows, columns): what the bundle's preprocessing makes of it.

    Args:
        bundle: its folder.
        models: folder of model.pt.
        image: the radiograph; None for a simulated one.
        preset: of the simulated one, where there is one of that name.
        view: what a network that sees one limb is shown: the left half. An image without spacing is cut as if it had
            the network's.

    Raises:
        ReadError: `image` cannot be read.
    """
    with tempfile.TemporaryDirectory() as folder:
        if image is None:
            case = simulate_case(Path(folder), preset if preset in PRESETS else PRESET, seed=0, index=0)
            image = Path(folder) / Path(case.image).name
        refuse_special_paths([bundle, models, image])
        workflow = inference_workflow(bundle, bundle_root=str(bundle.resolve()), ckpt_dir=str(models))
        item = workflow.parser.get_parsed_content("preprocessing")({"image": str(image), "side": "both"})
    shown = item["image"]
    if view is not None:
        rows, columns, spacing_mm = view
        spacing = torch.nan_to_num(item["spacing"], nan=spacing_mm)
        shown = half_view(shown, spacing, "R", False, (rows, columns), spacing_mm)
    return torch.as_tensor(shown.as_tensor(), dtype=torch.float32)[None]


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


def _export(
    network: nn.Module, stem: Path, name: str, digest: str, inputs: Sequence[Tensor], weights: str = MODEL
) -> Exported:
    """One file, written and compared; nothing is left where that fails."""
    kind = FORMATS[name]
    path = stem.with_name(stem.name + kind.suffix)
    path.unlink(missing_ok=True)
    try:
        kind.write(network, path, digest)
        found, relative = differences(kind.read(path, digest), network, inputs)
        if not relative <= TOLERANCE:
            raise ConfigError(
                f"{path.name} computes something else than {weights}: its logits differ by {found:.2g}, {relative:.2g} "
                f"of the largest one, and {TOLERANCE:g} is allowed; it was deleted. Use {weights} itself, or another "
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
            f"backbone can; others are used as {weights}"
        ) from error
    return Exported(name, path, found, relative)
