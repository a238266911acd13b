"""Trainings to be compared: each with overrides of its own, the same data and budget, its result in one JSON file."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from monai.utils import path_to_sqlite_uri

from monai_landmarks.cores import available_cores
from monai_landmarks.engines.processes import end_with_the_parent
from monai_landmarks.engines.workflow import run_bundle
from monai_landmarks.handlers.checkpoint import CHECKPOINT
from monai_landmarks.sharing.bundles import copy_bundle, shipped_bundles

BUNDLE = "label_augmentation"
RESULT = "result.json"
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
# A data set file and one of its splits.
Held = tuple[Path, str]


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One row of a comparison.

    Attributes:
        name: of the row and its folder.
        configs: override files in the bundle's configs/, merged after train.yaml in this order.
        overrides: config entries by id.
        decoders: codecs (config dictionaries) by name: the same weights evaluated again with each.
        last: evaluate the last epoch's weights, so that nothing is selected on the images that are scored.
        bundle: which one is trained.
    """

    name: str
    configs: tuple[str, ...] = ()
    overrides: Mapping[str, Any] = field(default_factory=dict)
    decoders: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    last: bool = False
    bundle: str = BUNDLE

    def described(self) -> dict[str, Any]:
        """What makes the row what it is; results of before other bundles were compared say nothing of theirs."""
        described = asdict(self)
        if self.bundle == BUNDLE:
            del described["bundle"]
        return described


def parameters(weights: Path) -> int:
    """Numbers a state dict's network has learned; what normalisation keeps of the images is not counted."""
    state = torch.load(weights, map_location="cpu", weights_only=True)
    return sum(v.numel() for key, v in state.items() if "running_" not in key and "num_batches" not in key)


def run_experiment(
    experiment: Experiment, folder: Path, *, dataset_file: Path, evaluations: Mapping[str, Held], **common: Any
) -> dict[str, Any]:
    """Train and evaluate into `folder`/<name>; a finished one is read back, an interrupted one goes on.

    Args:
        experiment: the row.
        folder: of the whole comparison.
        dataset_file: trains and validates.
        evaluations: what to evaluate, by label.
        common: config entries that hold for every row.

    Returns:
        result.json: experiment, train_seconds, and metrics.json by label ("label, decoder" for other decoders).
    """
    home = folder / experiment.name
    result_file = home / RESULT
    wanted = json.loads(
        json.dumps({**experiment.described(), "common": common, "recipe": recipe(experiment)}, default=str)
    )
    if result_file.is_file():
        result: dict[str, Any] = json.loads(result_file.read_text(encoding="utf-8"))
        if result["experiment"] != wanted:
            raise SystemExit(f"{result_file} is of other settings; delete {home} or choose another folder")
        return result
    bundle = home / "bundle"
    if bundle.exists() and not (home / wanted["recipe"]).is_file():
        raise SystemExit(f"{home} holds a half-done run of another recipe; delete it or choose another folder")
    if not (bundle / "configs").is_dir():
        copy_bundle(experiment.bundle, bundle)
        (home / wanted["recipe"]).touch()
    options: dict[str, Any] = {
        "dataset_file": str(dataset_file),
        "output_dir": str(home),
        "ckpt_dir": str(bundle / "models"),
        "run_name": experiment.name,
        "progress": False,
        "tracking_uri": path_to_sqlite_uri((folder / "mlflow.db").resolve()),
        **common,
        **experiment.overrides,
    }
    began = time.perf_counter()
    run_bundle(bundle, "training", ("train", *experiment.configs), **options)
    seconds = time.perf_counter() - began
    if experiment.last:
        options["checkpoint"] = str(bundle / "models" / CHECKPOINT)
    metrics = {}
    for label, (file, split) in evaluations.items():
        for decoder, codec in {"": None, **experiment.decoders}.items():
            name = f"{label}, {decoder}" if decoder else label
            own = {**options, "dataset_file": str(file), "validate#split": split, "output_dir": str(home / name)}
            if codec is not None:
                own["codec"] = dict(codec)
            run_bundle(bundle, "evaluate", ("train", *experiment.configs, "evaluate"), **own, title=name)
            metrics[name] = json.loads((home / name / "metrics.json").read_text(encoding="utf-8"))
    result = {"experiment": wanted, "train_seconds": seconds, "metrics": metrics}
    temporary = result_file.with_suffix(".part")
    temporary.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    temporary.replace(result_file)
    return result


def recipe(experiment: Experiment) -> str:
    """Digest of the configs the row starts from: a changed recipe is another experiment."""
    configs = shipped_bundles()[experiment.bundle] / "configs"
    names = ("train", *experiment.configs, "evaluate")
    return sha256(b"".join((configs / f"{name}.yaml").read_bytes() for name in names)).hexdigest()[:12]


def run_experiments(
    experiments: Sequence[Experiment], folder: Path, *, jobs: int = 1, **options: Any
) -> dict[str, dict[str, Any]]:
    """`run_experiment` for each, `jobs` at a time (each then with its share of the cores); results by name."""
    folder.mkdir(parents=True, exist_ok=True)
    if jobs == 1:
        return {row.name: run_experiment(row, folder, **options) for row in experiments}
    _make_store(folder)
    results = {}
    with _threads(max(1, available_cores() // jobs)):
        context = multiprocessing.get_context("spawn")
        # A process for each: whatever one leaves behind ends with it.
        with ProcessPoolExecutor(
            jobs, mp_context=context, max_tasks_per_child=1, initializer=end_with_the_parent
        ) as pool:
            tasks = {pool.submit(run_experiment, row, folder, **options): row.name for row in experiments}
            for task in as_completed(tasks):
                results[tasks[task]] = task.result()
                print(f"{time.strftime('%H:%M:%S')} done: {tasks[task]}", flush=True)
    return {row.name: results[row.name] for row in experiments}


def _make_store(folder: Path) -> None:
    """MLflow's tables, made before several processes would make them at once."""
    from mlflow import MlflowClient

    for chatty in ("alembic", "mlflow.store.db.utils"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    client = MlflowClient(path_to_sqlite_uri((folder / "mlflow.db").resolve()))
    if client.get_experiment_by_name(BUNDLE) is None:
        client.create_experiment(BUNDLE)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, str(count)))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
