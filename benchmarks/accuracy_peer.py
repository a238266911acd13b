"""The PyPI package `landmarker` on the same files, splits, input size and time: trained in its own environment, scored
by our evaluation."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from accuracy_run import Task, errors_of

from monai_landmarks.data.dataset import LandmarkDataset, load_dataset
from monai_landmarks.metrics import Results
from monai_landmarks.metrics.summary import summarise
from monai_landmarks.sharing.bundles import fit_size
from monai_landmarks.transforms.load import LoadRadiographd

HERE = Path(__file__).parent
ENVIRONMENT = Path(os.environ.get("PEER_LANDMARKER_ENV", "runs/peer_landmarker/env"))
BEST_PEER = "landmarker: our network with its ImageNet encoder, cross-entropy"
# The row's name: the recipe in peer_recipes.py.
RECIPES = {
    "landmarker: SCN, its notebook's settings": "scn",
    "landmarker: SCN, Adam": "scn-adam",
    "landmarker: SCN on MONAI's U-Net": "scn-monai",
    "landmarker: MONAI's U-Net": "unet",
    "landmarker: MONAI's U-Net, wide heat-maps": "unet-wide",
    "landmarker: MONAI's U-Net, cross-entropy": "unet-nll",
    "landmarker: MONAI's FlexibleUNet": "flexible-unet",
    "landmarker: our network with its ImageNet encoder": "our-network",
    BEST_PEER: "our-network-nll",
}
PEERS = tuple(RECIPES)


@cache
def available() -> bool:
    """Whether the environment is there; says so once where it is not."""
    found = (ENVIRONMENT / "bin" / "python").is_file()
    if not found:
        print(f"no {ENVIRONMENT}: the peer's rows are left out; make it with benchmarks/peer_landmarker/make_env.py")
    return found


def run_peer(task: Task, name: str) -> dict[str, Any]:
    """Train and score a row of the peer; a finished one is read back."""
    folder = task.folder / name.replace(":", "")
    dataset = load_dataset(task.file)
    size = fit_size(dataset, task.longer_side)
    wanted = {"recipe": RECIPES[name], "size": size, "minutes": task.minutes, "seed": task.seed}
    wanted["dataset"] = dataset.digest()
    if not (folder / "run.json").is_file():
        command: list[object] = [ENVIRONMENT / "bin" / "python", HERE / "peer_landmarker" / "peer_train.py", task.file]
        command += ["--recipe", RECIPES[name], "--size", *size, "--minutes", task.minutes, "--seed", task.seed]
        # The row with our network imports monai_landmarks from this checkout.
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "settings.json").write_text(json.dumps(wanted) + "\n", encoding="utf-8")
        subprocess.run([*map(str, command), "--output", str(folder)], check=True, env=environment)
    if json.loads((folder / "settings.json").read_text(encoding="utf-8")) != wanted:
        raise SystemExit(f"{folder} is of other settings; delete it or choose another --output")
    splits = {label: split for label, (_, split) in task.evaluations.items()}
    found = {label: results_of(dataset, split, folder / "predictions.csv", size) for label, split in splits.items()}
    metrics = {label: summarise(results, splits[label]) for label, results in found.items()}
    errors = {label: errors_of(results) for label, results in found.items()}
    return {"metrics": metrics, "errors": errors, **json.loads((folder / "run.json").read_text(encoding="utf-8"))}


def results_of(dataset: LandmarkDataset, split: str, predictions: Path, size: list[int]) -> Results:
    """Truth of a split beside points of a CSV file (split, case_id, landmark, row, column; original pixels).

    A point that the file lacks, or that is no number, was not predicted.
    """
    with predictions.open(newline="", encoding="utf-8") as file:
        found = {
            (line["case_id"], line["landmark"]): (float(line["row"]), float(line["column"]))
            for line in csv.DictReader(file)
            if line["split"] == split
        }
    cases = dataset.select(split)
    items = [_loaded(item) for item in dataset.datalist(split)]
    nowhere = (np.nan, np.nan)
    predicted = np.array([[found.get((case.id, name), nowhere) for name in dataset.names] for case in cases])
    scale = (np.array(size) / np.stack([item["size"] for item in items])).min(axis=1, keepdims=True)
    shape = predicted.shape[:2]
    return Results(
        names=dataset.names,
        groups={},
        case_ids=[case.id for case in cases],
        patients=[case.patient_key for case in cases],
        images=[item["file"] for item in items],
        truth=np.stack([item["points"][0] for item in items]),
        state=np.stack([item["state"] for item in items]),
        predicted=predicted,
        confidence=np.ones(shape),
        presence=np.ones(shape),
        spacing=np.stack([item["spacing"] for item in items]),
        planes=[item["spacing_plane"] for item in items],
        network_scale=np.repeat(scale, 2, axis=1),
    )


def _loaded(item: dict[str, Any]) -> dict[Any, Any]:
    """With size, spacing and its plane, as an evaluation of ours would read them; the path under `file`."""
    about: dict[Any, Any] = {**item, "file": item["image"]}
    return LoadRadiographd("image")(about)
