"""What runs the network in a prediction, and what inference.yaml becomes for it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any


class Backend(StrEnum):
    """What runs the network."""

    TORCH = "torch"
    ONNXRUNTIME = "onnxruntime"


# Entries of inference.yaml that are replaced. ONNX Runtime runs on the CPU, in float32.
OVERRIDES: Mapping[Backend, Mapping[str, Any]] = {
    Backend.TORCH: {},
    Backend.ONNXRUNTIME: {
        "network": {
            "_target_": "monai_landmarks.engines.onnx_network.onnx_network",
            "network": "@network_def",
            "models": "@ckpt_dir",
        },
        # Of a two-stage model; in the others nothing refers to it.
        "region_network": {
            "_target_": "monai_landmarks.engines.onnx_network.onnx_region",
            "models": "@ckpt_dir",
        },
        "device": "cpu",
        "amp": False,
    },
}
