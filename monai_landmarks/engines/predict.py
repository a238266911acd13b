"""Running a bundle's inference on files and folders, as the command line and other programs do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from monai.bundle import ConfigWorkflow

from monai_landmarks.data.stream import RadiographStream
from monai_landmarks.engines.backend import OVERRIDES, Backend
from monai_landmarks.engines.workflow import refuse_special_paths
from monai_landmarks.errors import ConfigError


@dataclass(frozen=True)
class Outcome:
    """How many images were predicted, which were not, with the reason, and what to know of those that were."""

    predicted: int
    skipped: list[tuple[Path, str]]
    failed: list[tuple[Path, str]]
    notes: list[tuple[str, str]]


def predict_inputs(
    bundle: Path,
    inputs: Sequence[Path],
    output: Path,
    *,
    models: Path | None = None,
    spacing_mm: tuple[float, float] | None = None,
    magnification: float | None = None,
    ball_spacing_mm: tuple[float, float] | None = None,
    out_of_scope: bool = False,
    overlays: bool = True,
    device: str | None = None,
    dicom: Sequence[str] = (),
    backend: Backend = Backend.TORCH,
) -> Outcome:
    """Run a bundle's inference.yaml over files and folders.

    Args:
        bundle: folder of a trained bundle. Its config is executed: use only bundles you trust.
        inputs: radiographs and folders.
        output: where predictions.csv, measurements.csv, predictions.json, overlays and DICOM results go.
        models: folder of the trained model, `bundle`/models by default.
        spacing_mm: (row, column) mm per pixel, for images that have none.
        magnification: for images whose spacing is not corrected for it.
        ball_spacing_mm: in the plane of a marker ball, for images without spacing or one not corrected.
        out_of_scope: accept images of a kind the model was not trained on.
        overlays: draw the images with their points.
        device: a torch device, the bundle's choice by default.
        dicom: DICOM results to write: "sr", "gsps", "sc".
        backend: what runs the network; ONNX Runtime needs `monai-landmarks convert --to onnx` first.

    Raises:
        ConfigError: a path or a setting that cannot work.
    """
    refuse_special_paths([bundle, output, *inputs, *([models] if models else [])])
    overrides: dict[str, Any] = {
        "bundle_root": str(bundle.resolve()),
        "inputs": [str(path) for path in inputs],
        "dataset_dir": str(inputs[0]),
        "output_dir": str(output),
        "spacing_mm": list(spacing_mm) if spacing_mm else None,
        "magnification": magnification,
        "ball_spacing_mm": list(ball_spacing_mm) if ball_spacing_mm else None,
        "out_of_scope": out_of_scope,
        "overlays": overlays,
        "dicom": [str(kind) for kind in dicom],
    }
    if models is not None:
        overrides["ckpt_dir"] = str(models)
    if device is not None:
        if "device" in OVERRIDES[backend]:
            raise ConfigError(f"--backend {backend} runs on the {OVERRIDES[backend]['device']}; leave --device out")
        overrides["device"] = torch.device(device)
    workflow = ConfigWorkflow(
        config_file=str(bundle / "configs" / "inference.yaml"),
        logging_file=False,
        workflow_type="inference",
        **overrides,
        **OVERRIDES[backend],
    )
    workflow.initialize()
    stream: RadiographStream = workflow.dataset
    evaluator = workflow.evaluator
    evaluator.run()
    return Outcome(evaluator.state.iteration, stream.skipped, stream.failed, getattr(evaluator.state, "notes", []))
