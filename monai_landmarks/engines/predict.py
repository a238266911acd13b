"""Running a bundle's inference on files and folders, as the command line and other programs do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from monai_landmarks.data.stream import RadiographStream
from monai_landmarks.engines.backend import OVERRIDES, Backend
from monai_landmarks.engines.inference import inference_workflow
from monai_landmarks.engines.workflow import refuse_special_paths
from monai_landmarks.errors import ConfigError


@dataclass(frozen=True)
class Outcome:
    """How many images were predicted, which were not, with the reason, and what to know of those that were."""

    predicted: int
    skipped: list[tuple[Path, str]]
    failed: list[tuple[Path, str]]
    notes: list[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class PredictSettings:
    """What may be chosen for a prediction.

    Attributes:
        models: folder of the trained model, the bundle's models/ by default.
        spacing_mm: (row, column) mm per pixel, for images that have none.
        magnification: for images whose spacing is not corrected for it.
        ball_spacing_mm: (row, column) mm per pixel in the plane of a marker ball, for images without spacing or one not
            corrected.
        side: "L", "R" or "both": what an image shows that does not say it, for models that look at one limb at a time.
        out_of_scope: accept images of a kind the model was not trained on.
        overlays: draw the images with their points.
        device: a torch device, the bundle's choice by default.
        dicom: DICOM results to write: "sr", "gsps", "sc".
        backend: what runs the network; ONNX Runtime needs `monai-landmarks convert --to onnx` first.
    """

    models: Path | None = None
    spacing_mm: tuple[float, float] | None = None
    magnification: float | None = None
    ball_spacing_mm: tuple[float, float] | None = None
    side: str | None = None
    out_of_scope: bool = False
    overlays: bool = True
    device: str | None = None
    dicom: Sequence[str] = ()
    backend: Backend = Backend.TORCH

    def overrides(self) -> dict[str, Any]:
        """The entries of inference.yaml that these settings replace.

        Raises:
            ConfigError: a device that is not there, or one for a backend that runs on its own.
        """
        entries: dict[str, Any] = {
            "spacing_mm": list(self.spacing_mm) if self.spacing_mm else None,
            "magnification": self.magnification,
            "ball_spacing_mm": list(self.ball_spacing_mm) if self.ball_spacing_mm else None,
            "out_of_scope": self.out_of_scope,
            "overlays": self.overlays,
            "dicom": [str(kind) for kind in self.dicom],
        }
        if self.models is not None:
            entries["ckpt_dir"] = str(self.models)
        backend = OVERRIDES[self.backend]
        if self.device is not None:
            if "device" in backend:
                raise ConfigError(f"--backend {self.backend} runs on the {backend['device']}; leave --device out")
            entries["device"] = usable_device(self.device)
        return {**entries, **backend}


def usable_device(name: str) -> torch.device:
    """A device of this machine by its name.

    Raises:
        ConfigError: there is none; those there are are named.
    """
    there = ["cpu"]
    if torch.cuda.is_available():
        there += ["cuda", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]
    if torch.backends.mps.is_available():
        there.append("mps")
    if name not in there:
        raise ConfigError(f"--device {name}: not a device PyTorch has here; choose from {', '.join(there)}")
    return torch.device(name)


def predict_inputs(bundle: Path, inputs: Sequence[Path], output: Path, settings: PredictSettings) -> Outcome:
    """Run a bundle's inference.yaml over files and folders.

    Args:
        bundle: folder of a trained bundle. Its config is executed: use only bundles you trust.
        inputs: radiographs and folders.
        output: where predictions.csv, measurements.csv, predictions.json, overlays and DICOM results go.
        settings: what may be chosen.

    Raises:
        ConfigError: a path or a setting that cannot work.
    """
    refuse_special_paths([bundle, output, *inputs, *([settings.models] if settings.models else [])])
    workflow = inference_workflow(
        bundle,
        bundle_root=str(bundle.resolve()),
        inputs=[str(path) for path in inputs],
        dataset_dir=str(inputs[0]),
        output_dir=str(output),
        **settings.overrides(),
    )
    if settings.side is not None:
        if "side" not in workflow.parser:
            raise ConfigError(f"--side {settings.side}: this model looks at whole images; leave it out")
        workflow.parser.update({"side": str(settings.side)})
    workflow.initialize()
    stream: RadiographStream = workflow.dataset
    evaluator = workflow.evaluator
    evaluator.run()
    return Outcome(evaluator.state.iteration, stream.skipped, stream.failed, getattr(evaluator.state, "notes", []))
