"""Train one recipe of `landmarker` for a time and write its predictions; run by the interpreter of its environment.

    ENV/bin/python benchmarks/peer_landmarker/peer_train.py DATASET.json --recipe scn --size 256 192 --minutes 5 \
        --output runs/peer/scn
    ENV/bin/python benchmarks/peer_landmarker/peer_train.py --check

DATASET is a data set file of monai_landmarks. Writes predictions.csv (split, case_id, landmark, row, column: points in
pixels of the original image), and run.json: epochs, minutes, seconds of an epoch, peak memory, parameters.
"""

from __future__ import annotations

import argparse
import csv
import importlib
import json
import math
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

MODULES = ("models", "heatmap", "losses", "metrics", "utils", "data", "datasets")


def check() -> None:
    """Which modules of the peer can be used here."""
    for name in MODULES:
        try:
            importlib.import_module(f"landmarker.{name}")
            print(f"landmarker.{name}: works")
        except Exception as error:
            print(f"landmarker.{name}: cannot be imported ({type(error).__name__}: {error})")


def train(split: Any, recipe: Any, size: tuple[int, int], minutes: float) -> tuple[nn.Module, dict[str, Any]]:
    """Epoch after epoch until the time is over, at least one; the network and what it took."""
    from peer_data import augmentation, augmented

    landmarks = split.landmarks.shape[1]
    network, heatmaps = recipe.network(landmarks), recipe.targets(landmarks, size)
    optimizer, transform = recipe.optimizer(network, heatmaps), augmentation(size)
    rates = [group["lr"] for group in optimizer.param_groups]
    network.train()
    began, seconds, epochs = time.perf_counter(), 60 * minutes, 0
    while epochs == 0 or time.perf_counter() - began < seconds:
        for batch in torch.randperm(len(split.ids)).split(recipe.batch_size):
            samples = [augmented(split.images[i], split.landmarks[i], transform) for i in batch.tolist()]
            images, points = (torch.stack(values) for values in zip(*samples))
            if recipe.anneal:
                share = min((time.perf_counter() - began) / max(seconds, 1e-6), 1.0)
                for group, rate in zip(optimizer.param_groups, rates):
                    group["lr"] = rate * 0.5 * (1 + math.cos(math.pi * share))
            optimizer.zero_grad()
            loss = heatmaps(network(images), points)
            loss.backward()
            optimizer.step()
            if epochs and time.perf_counter() - began >= seconds:
                break
        epochs += 1
        print(f"epoch {epochs}  loss {float(loss):.4f}  {time.perf_counter() - began:.0f} s", flush=True)
    taken = time.perf_counter() - began
    return network, {"epochs": epochs, "minutes": taken / 60, "epoch_seconds": taken / epochs}


@torch.no_grad()
def predict(network: nn.Module, split: Any, decoder: Any, size: tuple[int, int]) -> Tensor:
    """(N, K, 2) row and column in the original images."""
    from peer_data import plain

    network.eval()
    found = [decoder(network(plain(image[None]))) for image in split.images]
    points: Tensor = split.to_original(torch.cat(found), size)
    return points


def write(path: Path, names: list[str], predictions: dict[str, tuple[list[str], Tensor]]) -> None:
    """predictions.csv."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("split", "case_id", "landmark", "row", "column"))
        for split, (ids, points) in predictions.items():
            for case, located in zip(ids, points.tolist()):
                writer.writerows((split, case, name, *point) for name, point in zip(names, located))


def peak_memory() -> int:
    """Largest resident memory of this process in bytes, as our rows' is taken."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path, nargs="?")
    parser.add_argument("--recipe", default="scn")
    parser.add_argument("--size", type=int, nargs=2, default=(256, 256), help="rows and columns of the input")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--check", action="store_true", help="say which modules of the peer can be used here")
    given = parser.parse_args()
    if given.check:
        check()
        return
    sys.path.insert(0, str(Path(__file__).parent))
    from monai.utils import set_determinism
    from peer_data import read_split
    from peer_recipes import RECIPES

    set_determinism(given.seed)
    size = (given.size[0], given.size[1])
    document = json.loads(given.dataset.read_text(encoding="utf-8"))
    names = [landmark["name"] for landmark in document["scheme"]["landmarks"]]
    recipe = RECIPES[given.recipe]
    network, run = train(read_split(given.dataset, "training", size), recipe, size, given.minutes)
    run["parameters"] = sum(parameter.numel() for parameter in network.parameters())
    predictions = {}
    for name in sorted({case["split"] for case in document["cases"]} - {"training"}):
        split = read_split(given.dataset, name, size)
        predictions[name] = (split.ids, predict(network, split, recipe.decoder, size))
    run["peak_mb"] = peak_memory() / 1e6
    given.output.mkdir(parents=True, exist_ok=True)
    write(given.output / "predictions.csv", names, predictions)
    (given.output / "run.json").write_text(json.dumps(run) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
