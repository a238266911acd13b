"""The self-test of a packed bundle: a simulated radiograph and the points its model gives there."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
import torch
from monai.bundle import ConfigWorkflow
from PIL import Image

from monai_landmarks.data.dataset import Side
from monai_landmarks.engines.inference import inference_workflow
from monai_landmarks.errors import ConfigError, LandmarksError, find_cause
from monai_landmarks.sharing.layout import BUNDLE_METADATA, INFERENCE, TEST_IMAGE, TEST_POINTS, BundleError
from monai_landmarks.sharing.manifest import canonical
from monai_landmarks.sharing.metadata import BundleMetadata
from monai_landmarks.sharing.model_settings import SidedSettings
from monai_landmarks.sharing.safe_files import read_json
from monai_landmarks.simulate.film import LEVELS
from monai_landmarks.simulate.presets import PRESETS, get_site
from monai_landmarks.simulate.radiograph import HOME
from monai_landmarks.simulate.shape_model import package_folder

FORMAT = "monai_landmarks.selftest"
# Pixels of the network's input, by whether the decoder finds sub-pixel places.
SUB_PIXEL, WHOLE_PIXEL = 0.1, 1.0
# Of 65535 grey levels: a thousand times what rounding differs by between two computers.
DISTURBANCE = 16
# mm per pixel that a radiograph may have.
SPACINGS = 0.01, 10.0
Points = dict[str, tuple[float, float]]


@dataclass(frozen=True)
class Told:
    """What a file of pixels does not say of itself.

    Attributes:
        spacing_mm: of its pixels.
        side: what it shows.
    """

    spacing_mm: float | None = None
    side: Side | None = None


def make_selftest(folder: Path, metadata: BundleMetadata) -> str:
    """Write the simulated radiograph and its points into a bundle's folder.

    The preset is the one with the model's landmarks; any other gives a valid numeric test too. Landmarks whose place
    hangs on a rounding error (two places equally good) are left out, and named.

    Returns:
        What was written, in words.

    Raises:
        ConfigError: the simulator's package is missing, or the model finds no landmark stably in any preset.
    """
    package_folder()
    names = set(metadata.monai_landmarks.predicted.names)
    # Sorting keeps the order of equals.
    presets = sorted(PRESETS.values(), key=lambda preset: -len(names & set(preset.scheme.names)))
    image = folder / TEST_IMAGE
    image.parent.mkdir()
    for preset in presets:
        radiograph = get_site(preset, HOME)(np.random.default_rng(0))
        pixels = radiograph.pixels.astype(np.uint16) * (65535 // (LEVELS - 1))
        told = Told(radiograph.spacing, radiograph.side)
        points = stable_points(folder, metadata, image, pixels, told)
        if points:
            document = {
                "format": FORMAT,
                "version": 1,
                "coordinates": "xy_pixel_centre",
                "size": list(pixels.shape),
                "preset": preset.name,
                "spacing_mm": told.spacing_mm,
                "side": told.side,
                "points": {name: list(point) for name, point in points.items()},
                "left_out": sorted(names - points.keys()),
            }
            (folder / TEST_POINTS).write_bytes(canonical(document))
            return f"{preset.name}, {len(points)} of {len(names)} landmarks"
    raise ConfigError(
        f"{folder.name}: the model finds no landmark stably on any simulated radiograph, so no self-test can be made; "
        "train it longer"
    )


def stable_points(folder: Path, metadata: BundleMetadata, image: Path, pixels: np.ndarray, told: Told) -> Points:
    """The points that stay where they are when every grey level changes a little; writes `image`."""
    noise = np.random.default_rng(1).integers(-DISTURBANCE, DISTURBANCE + 1, pixels.shape)
    _write_png(image, np.clip(pixels.astype(np.int64) + noise, 0, 65535).astype(np.uint16))
    disturbed = predict_points(folder, image, told)
    _write_png(image, pixels)
    points = predict_points(folder, image, told)
    limit = tolerance(metadata) / 2 / _scale(metadata, pixels.shape, told)
    return {name: point for name, point in points.items() if _distance(point, disturbed[name]) <= limit}


def check_selftest(folder: Path, metadata: BundleMetadata) -> str:
    """Run the model on the self-test's image and compare.

    Returns:
        The largest difference, in words.

    Raises:
        BundleError: a point is elsewhere, or the image cannot be predicted.
    """
    document = read_json(folder / TEST_POINTS, TEST_POINTS)
    expected, told = _expected(document, metadata), _told(document)
    found = predict_points(folder, folder / TEST_IMAGE, told)
    with Image.open(folder / TEST_IMAGE) as image:
        scale = _scale(metadata, (image.height, image.width), told)
    errors = {name: _distance(point, found[name]) * scale for name, point in expected.items()}
    worst = max(errors, key=lambda name: errors[name])
    allowed = tolerance(metadata)
    # Not "greater than": NaN fails too.
    if not errors[worst] <= allowed:
        raise BundleError(
            f"{TEST_POINTS}: {worst} is {errors[worst]:.3f} px of the network's input from where its sender found it "
            f"({allowed} px allowed): on this computer the model does not give what it was evaluated with"
        )
    return f"{len(errors)} of {len(found)} landmarks, largest difference {errors[worst]:.4f} px ({allowed} px allowed)"


def check_network(folder: Path, metadata: BundleMetadata) -> str:
    """Run the network once on zeros of the declared shape.

    Raises:
        BundleError: it cannot be built, its weights do not fit, or its output has another shape or type than declared.
    """
    formats = metadata.network_data_format
    inputs, outputs = formats.inputs.image, formats.outputs.pred
    with tempfile.TemporaryDirectory() as output:
        network = _resolve(_workflow(folder, folder / TEST_IMAGE, Path(output), Told()), "network")
    with torch.inference_mode():
        result = network.eval()(torch.zeros(1, inputs.num_channels, *inputs.spatial_shape))
    declared = (1, outputs.num_channels, *outputs.spatial_shape)
    if not isinstance(result, torch.Tensor) or tuple(result.shape) != declared or result.dtype != torch.float32:
        given = tuple(getattr(result, "shape", ()))
        raise BundleError(f"{BUNDLE_METADATA}: declares an output of {declared} float32, the network gives {given}")
    return f"{(1, inputs.num_channels, *inputs.spatial_shape)} to {declared}"


def tolerance(metadata: BundleMetadata) -> float:
    """How far a point may be off, in pixels of the network's input."""
    return WHOLE_PIXEL if metadata.monai_landmarks.settings.decoder.get("window") is None else SUB_PIXEL


def predict_points(folder: Path, image: Path, told: Told) -> Points:
    """(x, y) of every landmark, in float32 on the CPU, through the bundle's own inference.yaml.

    Raises:
        BundleError: it cannot be run.
    """
    with tempfile.TemporaryDirectory() as output:
        workflow = _workflow(folder, image, Path(output), told)
        evaluator = _resolve(workflow, "evaluator")
        try:
            evaluator.run()
        except Exception as error:
            raise _failure(error) from error
        document = json.loads((Path(output) / "predictions.json").read_text(encoding="utf-8"))
    if not document["images"]:
        raise BundleError(f"{TEST_IMAGE}: cannot be read: {document['failed'] or document['skipped']}")
    nowhere = (np.nan, np.nan)
    return {name: tuple(point["xy"] or nowhere) for name, point in document["images"][0]["points"].items()}


def _workflow(folder: Path, image: Path, output: Path, told: Told) -> ConfigWorkflow:
    """The bundle's inference, not yet run; only settings that it has are set."""
    workflow = inference_workflow(folder, meta_file=str(folder / BUNDLE_METADATA))
    settings: dict[str, Any] = {
        "bundle_root": str(folder),
        "inputs": [str(image)],
        "dataset_dir": str(image),
        "output_dir": str(output),
        "overlays": False,
        "out_of_scope": True,
        "amp": False,
        "device": torch.device("cpu"),
        "spacing_mm": None if told.spacing_mm is None else [told.spacing_mm, told.spacing_mm],
        "side": told.side,
    }
    workflow.parser.update({key: value for key, value in settings.items() if key in workflow.parser})
    try:
        workflow.initialize()
    except Exception as error:
        raise _failure(error) from error
    return workflow


def _resolve(workflow: ConfigWorkflow, name: str) -> Any:
    try:
        return workflow.parser.get_parsed_content(name)
    except Exception as error:
        raise _failure(error) from error


def _failure(error: Exception) -> LandmarksError:
    cause = find_cause(error)
    return BundleError(f"{INFERENCE}: {cause or error}")


def _expected(document: dict[str, Any], metadata: BundleMetadata) -> Points:
    points = document.get("points")
    names = metadata.monai_landmarks.predicted.names
    if document.get("format") != FORMAT or not isinstance(points, dict) or not points:
        raise BundleError(f"{TEST_POINTS}: is no list of expected points")
    for name, point in points.items():
        numbers = isinstance(point, list) and len(point) == 2 and all(isinstance(value, int | float) for value in point)
        if name not in names or not numbers:
            raise BundleError(f"{TEST_POINTS}, {name}: must be one of the model's landmarks, with x and y")
    return {name: (float(point[0]), float(point[1])) for name, point in points.items()}


def _told(document: dict[str, Any]) -> Told:
    spacing, side = document.get("spacing_mm"), document.get("side")
    if spacing is not None and not (isinstance(spacing, int | float) and SPACINGS[0] <= spacing <= SPACINGS[1]):
        raise BundleError(f"{TEST_POINTS}, spacing_mm: must be mm per pixel from {SPACINGS[0]} to {SPACINGS[1]}")
    if side is not None and side not in get_args(Side):
        raise BundleError(f"{TEST_POINTS}, side: must be one of {', '.join(get_args(Side))}")
    return Told(spacing, side)


def _scale(metadata: BundleMetadata, size: tuple[int, ...], told: Told) -> float:
    """Network pixels per image pixel: the image is padded to the input's shape and resized, or views have a spacing."""
    settings = metadata.monai_landmarks.settings
    if isinstance(settings, SidedSettings):
        return (told.spacing_mm or settings.sides.spacing_mm) / settings.sides.spacing_mm
    rows, columns = metadata.network_data_format.inputs.image.spatial_shape
    return min(rows / size[0], columns / size[1])


def _distance(one: tuple[float, float], other: tuple[float, float]) -> float:
    return float(np.hypot(one[0] - other[0], one[1] - other[1]))


def _write_png(path: Path, pixels: np.ndarray) -> None:
    Image.fromarray(pixels).save(path, format="PNG")
