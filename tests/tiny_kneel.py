"""KNEEL's bundles with random weights and an invented evaluation: what packing needs, without a training."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path

import torch
from tiny_bundle import write_evaluation

from monai_landmarks.data.dataset import Annotation, Case, LandmarkDataset
from monai_landmarks.data.limbs import only_landmarks
from monai_landmarks.networks.build import network_from
from monai_landmarks.sharing.bundles import copy_bundle, describe_model
from monai_landmarks.simulate.presets import PRESETS

HOURGLASS = {"width": 4, "depth": 2, "block": "hmp", "dropout": 0.25, "upsampling": "nearest", "intensity": [0.5, 0.25]}
DECODER = {"likelihood": "Categorical", "window": 8.0, "soft_argmax": {"stride": 4, "beta": 1.0}}
NETWORK = {"hourglass": HOURGLASS, "test_time_mirror": False, "decoder": DECODER}
REGION = {"hourglass": HOURGLASS, "decoder": DECODER, "spacing_mm": 4.0, "spatial_size": [128, 64]}
CENTRE = "tibia_4"
ONE_STAGE = {**NETWORK, "sides": {"spacing_mm": 4.0, "mirror": False, "centre": CENTRE, "region": None}}
TWO_STAGES = {**NETWORK, "sides": {"spacing_mm": 2.0, "mirror": True, "centre": CENTRE, "region": REGION}}


def knees_dataset() -> LandmarkDataset:
    """The simulator's scheme and scope, and a few cases without images."""
    preset = PRESETS["knees-radiograph"]
    points = {name: (10.0 * number, 20.0) for number, name in enumerate(preset.scheme.names, start=1)}
    cases = [
        Case(
            id=f"knees{number:02}",
            image=f"images/knees{number:02}.dcm",
            patient=f"K{number:04}",
            split="test" if number > 1 else "training",
            side="both",
            annotations=[Annotation(reader="simulator", points=points)],
        )
        for number in range(4)
    ]
    scope = {"modality": ["DX", "CR"], "body_part": ["KNEE"], "view": ["AP", "PA"]}
    return LandmarkDataset(scope=scope, scheme=preset.scheme, cases=cases)


def random_weights(settings: dict, landmarks: int, seed: int) -> dict:
    """Weights whose maps have hills, and whose landmarks are present."""
    torch.manual_seed(seed)
    weights = network_from(settings, landmarks).state_dict()
    for key in weights:
        if key.endswith("output.weight"):
            weights[key] *= 20
        if key.endswith("output.bias"):
            weights[key].zero_()
        if key.endswith("presence.bias"):
            weights[key].fill_(4.0)
    return weights


def write_kneel_run(folder: Path, name: str = "kneel_landmarks", settings: dict = TWO_STAGES) -> Path:
    """A run: bundle/ with models/, and the evaluation's files beside it."""
    settings = deepcopy(settings)
    dataset = knees_dataset()
    if name == "kneel_roi":
        dataset = only_landmarks(dataset, CENTRE)
    bundle = copy_bundle(name, folder / "bundle")
    models = bundle / "models"
    models.mkdir()
    size = REGION["spatial_size"] if name == "kneel_roi" else [64, 64]
    metadata = describe_model(bundle, dataset, size, settings)
    landmarks = len(metadata["monai_landmarks"]["scheme"]["landmarks"])
    torch.save(random_weights(settings, landmarks, 0), models / "model.pt")
    region = settings["sides"]["region"]
    if region is not None:
        torch.save(random_weights(region, 1, 1), models / "roi.pt")
    (models / "metadata.json").write_text(json.dumps(metadata, indent=2))
    write_evaluation(folder, dataset)
    return folder
