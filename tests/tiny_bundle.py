"""A bundle with random weights and an invented evaluation: what packing needs, without a training."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import torch

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.metrics import Results, summarise, write_metrics
from monai_landmarks.networks.build import network_from
from monai_landmarks.sharing.bundles import copy_bundle, describe_model
from monai_landmarks.sharing.manifest import write_manifest
from monai_landmarks.sharing.zipfiles import write_archive

SETTINGS = {
    "backbone": "efficientnet-lite0",
    "decoder_channels": [16, 16, 8, 8, 8],
    "test_time_mirror": False,
    "decoder": {"likelihood": "Categorical", "window": 8.0},
}


def write_run(folder: Path, dataset_file: Path, settings: dict = SETTINGS) -> Path:
    """A run: bundle/ with models/, and the evaluation's files beside it."""
    dataset = load_dataset(dataset_file)
    bundle = copy_bundle("label_augmentation", folder / "bundle")
    models = bundle / "models"
    models.mkdir()
    torch.manual_seed(0)
    torch.save(network_from(settings, len(dataset.names)).state_dict(), models / "model.pt")
    metadata = describe_model(bundle, dataset, [64, 64], settings)
    (models / "metadata.json").write_text(json.dumps(metadata, indent=2))
    write_evaluation(folder, dataset)
    return folder


def write_evaluation(folder: Path, dataset) -> None:
    rng = np.random.default_rng(0)
    cases, names = dataset.select("test"), dataset.names
    truth = rng.uniform(10, 60, (len(cases), len(names), 2))
    results = Results(
        names=tuple(names),
        groups={},
        case_ids=[case.id for case in cases],
        patients=[case.patient for case in cases],
        images=[str(folder / case.image) for case in cases],
        truth=truth,
        state=np.ones((len(cases), len(names)), dtype=int),
        predicted=truth + rng.normal(0, 2, truth.shape),
        confidence=np.full((len(cases), len(names)), 0.9),
        presence=np.full((len(cases), len(names)), 0.9),
        spacing=np.full((len(cases), 2), 0.5),
        planes=["user"] * len(cases),
        network_scale=np.full((len(cases), 2), 0.8),
    )
    write_metrics(summarise(results, "test", bootstrap=50), folder / "metrics.json")
    results.write_csv(folder / "cases.csv")
    record = {"dataset": dataset.scheme.name, "digest": dataset.digest(), "split": "test"}
    (folder / "evaluation.json").write_text(json.dumps(record))


def changed(packed: Path, folder: Path, edit, renew: bool = True) -> Path:
    """A copy of a packed bundle, unsigned, after `edit(bundle folder)`; `renew`: with a manifest that fits again."""
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder)
    bundle = next(path for path in folder.iterdir() if path.is_dir())
    manifest = json.loads((bundle / "manifest.json").read_text())
    edit(bundle)
    if renew:
        (bundle / "manifest.sig").unlink(missing_ok=True)
        write_manifest(bundle, manifest["name"], manifest["bundle_version"])
    target = folder / "changed.zip"
    write_archive(bundle, target)
    shutil.rmtree(bundle)
    return target
