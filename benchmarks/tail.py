"""The largest errors of a trained model, and what a shape prior, test-time augmentation and an ensemble do to them.

    python benchmarks/tail.py BUNDLE DATASET --split validation --output runs/tail/validation

Prints a table, writes tail.json and, for the errors of the plain model above --gross mm, pictures: truth blue,
prediction red, the network's other candidates orange, the shape prior's place green. Without --models the bundle's own
folder `models` is used; several make an ensemble. "+/-" counts points that became more than 1 mm better or worse; the
seconds are those of one image, network and decoder, on whatever else the machine is doing.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from monai.bundle import ConfigParser
from rich.console import Console
from rich.table import Table
from tail_pictures import draw_gross_errors
from torch import Tensor, nn

from monai_landmarks.codecs.decode import PeakCodec, codec_from, likelihood_of
from monai_landmarks.codecs.likelihood import Likelihood
from monai_landmarks.codecs.shape_codec import ShapePriorCodec, with_prior
from monai_landmarks.codecs.shape_prior import training_prior
from monai_landmarks.data.dataset import LandmarkDataset, load_dataset
from monai_landmarks.data.loading import split_items
from monai_landmarks.engines.augmented import AugmentedInferer
from monai_landmarks.engines.inferer import AutocastInferer
from monai_landmarks.errors import ConfigError
from monai_landmarks.metrics import points as statistics
from monai_landmarks.networks.ensemble import LandmarkEnsemble
from monai_landmarks.sharing import bundles
from monai_landmarks.transforms.geometry import move_points
from monai_landmarks.transforms.views import View, standard_views

THRESHOLDS = (2.0, 2.5, 3.0, 4.0)


@dataclass
class Model:
    """Trained networks as one, with what goes before and after."""

    network: nn.Module
    preprocessing: Callable[[dict[str, Any]], dict[str, Any]]
    codec: PeakCodec
    likelihood: Likelihood
    prior: ShapePriorCodec | None


@dataclass
class Outcome:
    """Predictions (N, K, 2), their errors in mm and confidences (N, K), and seconds an image."""

    predicted: np.ndarray
    errors: np.ndarray
    confidence: np.ndarray
    seconds: float


def load(bundle: Path, models: list[Path], dataset: LandmarkDataset, options: dict[str, float]) -> Model:
    """The networks of several model folders behind one bundle's preprocessing; shapes of the training split."""
    networks, sizes, settings = [], set(), {}
    for folder in models:
        metadata = bundles.check_landmarks(bundles.load_metadata(bundle, folder), dataset)
        settings = bundles.settings_of(metadata)["decoder"]
        sizes.add(tuple(bundles.spatial_size_of(metadata)))
        parser = ConfigParser()
        parser.read_config(str(bundle / "configs" / "inference.yaml"))
        parser.update({"bundle_root": str(bundle), "ckpt_dir": str(folder), "device": "$torch.device('cpu')"})
        networks.append(parser.get_parsed_content("network").eval().to(memory_format=torch.channels_last))
    if len(sizes) > 1:
        raise ConfigError(f"the models have inputs of {sizes}; an ensemble needs one size")
    codec = cast(PeakCodec, codec_from({key: settings[key] for key in ("likelihood", "window")}))
    network = networks[0] if len(networks) == 1 else LandmarkEnsemble(networks, likelihood_of(settings))
    wrapped = with_prior(codec, training_prior(dataset), **options)
    prior = wrapped if isinstance(wrapped, ShapePriorCodec) else None
    return Model(network, parser.get_parsed_content("preprocessing"), codec, likelihood_of(settings), prior)


def logits_of_split(model: Model, inferer: AutocastInferer, items: list[dict[str, Any]]) -> tuple[list[Tensor], float]:
    """Each image's logits (K, rows, columns), and the seconds one takes."""
    start = time.perf_counter()
    with torch.inference_mode():
        logits = [inferer(item["image"].as_tensor()[None], model.network)[0] for item in items]
    return logits, (time.perf_counter() - start) / len(items)


def outcome_of(codec: Any, logits: list[Tensor], seconds: float, items: list[dict[str, Any]]) -> Outcome:
    """Decoded points against the truth."""
    start = time.perf_counter()
    decoded = [codec.decode(one) for one in logits]
    seconds += (time.perf_counter() - start) / len(items)
    predicted = np.stack([move_points(d.points.double(), i["to_original"]).numpy() for d, i in zip(decoded, items)])
    truth = np.concatenate([np.asarray(item["points"]) for item in items])
    spacing = np.stack([np.asarray(item["spacing"]) for item in items])
    state = np.stack([np.asarray(item["state"]) for item in items])
    errors = statistics.distances(predicted, truth, state, spacing)
    confidence = np.stack([d.confidence.numpy() for d in decoded])
    return Outcome(predicted, errors, confidence, seconds)


def row_of(outcome: Outcome, plain: Outcome) -> dict[str, Any]:
    """The numbers of a row of the table."""
    errors = outcome.errors
    known = errors[np.isfinite(errors)]
    apart = errors - plain.errors
    return {
        "mre": statistics.mre(errors),
        "median": statistics.median(errors),
        "rmse": statistics.rmse(errors),
        "sdr": statistics.sdr(errors, THRESHOLDS),
        "over_10": statistics.outliers(errors, 10.0),
        "largest": sorted(known.tolist(), reverse=True)[:5],
        "points": len(known),
        "better_by_1mm": int((apart < -1).sum()),
        "worse_by_1mm": int((apart > 1).sum()),
        "seconds": outcome.seconds,
    }


def inferers(model: Model, dataset: LandmarkDataset) -> dict[str, AutocastInferer]:
    """The ways to look at an image that are compared."""
    likelihood, mirror = model.likelihood, dataset.scheme.mirror
    views = {
        "turn": standard_views(5.0, 0.0),
        "scale": standard_views(0.0, 0.05),
        "turn, scale": standard_views(5.0, 0.05),
        "turn, scale, shift": standard_views(5.0, 0.05, 0.03),
        "turn and scale at once": (View(), View(5.0, 1.05), View(-5.0, 1.05), View(5.0, 0.95), View(-5.0, 0.95)),
    }
    if any(landmark.pair for landmark in dataset.scheme.landmarks):
        views["mirror"] = standard_views(mirror=True)
        views["turn, scale, mirror"] = standard_views(5.0, 0.05, mirror=True)
    chosen = {f"views: {name}": AugmentedInferer(likelihood, view, mirror) for name, view in views.items()}
    return {"plain": AutocastInferer(), **chosen}


def show(rows: dict[str, dict[str, Any]]) -> None:
    """Print the table."""
    table = Table("", "MRE mm", "median", "RMSE", *(f"<{r:g}" for r in THRESHOLDS), ">10 mm", "largest", "+/-", "s")
    for name, row in rows.items():
        shares = [f"{100 * share:.1f}" for share in row["sdr"].values()]
        largest = " ".join(f"{value:.1f}" for value in row["largest"])
        changed = f"{row['better_by_1mm']}/{row['worse_by_1mm']}"
        means = [f"{row[key]:.3f}" for key in ("mre", "median", "rmse")]
        table.add_row(name, *means, *shares, str(row["over_10"]), largest, changed, f"{row['seconds']:.3f}")
    Console(width=170).print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--models", type=Path, nargs="+", help="folders with model.pt and metadata.json")
    parser.add_argument("--split", default="validation", choices=("training", "validation", "test"))
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--gross", type=float, default=10.0, help="mm; errors above are drawn")
    parser.add_argument("--only", nargs="*", help="rows to compute besides the plain one, such as 'views: turn'")
    for name in ("level", "noise", "least", "trust"):
        parser.add_argument(f"--{name}", type=float, help="of the shape prior")
    given = parser.parse_args()
    dataset = load_dataset(given.dataset)
    options = {name: getattr(given, name) for name in ("level", "noise", "least", "trust")}
    options = {name: value for name, value in options.items() if value is not None}
    models = given.models or [given.bundle / "models"]
    model = load(given.bundle, models, dataset, options)
    items = [model.preprocessing(item) for item in split_items(dataset, given.split, "mean")]
    rows: dict[str, dict[str, Any]] = {}
    for name, inferer in inferers(model, dataset).items():
        if given.only is not None and name not in ("plain", *given.only):
            continue
        logits, seconds = logits_of_split(model, inferer, items)
        outcome = outcome_of(model.codec, logits, seconds, items)
        if name == "plain":
            plain, plain_logits = outcome, logits
        rows[name] = row_of(outcome, plain)
        if model.prior is not None:
            rows[f"{name} + prior"] = row_of(outcome_of(model.prior, logits, seconds, items), plain)
    show(rows)
    given.output.mkdir(parents=True, exist_ok=True)
    gross = draw_gross_errors(
        model.codec, model.prior, plain_logits, plain.errors, items, dataset.names, given.output, given.gross
    )
    models_named = [str(folder) for folder in models]
    result = {"split": given.split, "models": models_named, "options": options, "rows": rows, "gross": gross}
    (given.output / "tail.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
