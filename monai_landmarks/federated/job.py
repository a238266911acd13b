"""A federated training as a job folder for NVFlare, and the bundle its result becomes."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow
from torch import Tensor

from monai_landmarks.data.dataset import load_dataset
from monai_landmarks.errors import ConfigError
from monai_landmarks.federated.plan import CONFIG, Plan, landmark_digest
from monai_landmarks.handlers.checkpoint import METADATA, MODEL, save_atomically
from monai_landmarks.sharing.bundles import describe_model, fit_size
from monai_landmarks.sharing.layout import BundleError
from monai_landmarks.sharing.safe_weights import read_weights

INITIAL = "initial.pt"
# What NVFlare builds at the server and at a hospital, each of which must allow it by this very name.
SERVER = "monai_landmarks.federated.server.WeightAverage"
CLIENT = "monai_landmarks.federated.executor.BundleExecutor"


def fitted(plan: Plan, dataset_file: Path, longer_side: int) -> Plan:
    """The plan with one hospital's landmarks, and an input size that suits its images, for all of them.

    Args:
        plan: whose `spatial_size`, where it has one, stays.
        dataset_file: of that hospital.
        longer_side: of the input, in pixels.
    """
    dataset = load_dataset(dataset_file)
    settings = {"spatial_size": fit_size(dataset, longer_side), **plan.settings}
    return replace(plan, settings=settings, landmarks=landmark_digest(dataset.names))


def write_bundle(plan: Plan, dataset_file: Path, bundle: Path) -> None:
    """The bundle the result becomes: its copy, the metadata, and the initial weights as models/initial.pt.

    Args:
        plan: as `fitted` leaves it.
        dataset_file: of the hospital that prepares the job; gives landmarks and scope, none of its images is read.
        bundle: folder to write.
    """
    plan.copy_bundle(bundle)
    workflow = ConfigWorkflow(
        config_file=[str(bundle / "configs" / f"{name}.yaml") for name in ("train", CONFIG)],
        workflow_type="train",
        logging_file=False,
        bundle_root=str(bundle.resolve()),
        dataset_file=str(dataset_file),
        **plan.expressions(),
    )
    workflow.initialize()
    content = workflow.parser.get_parsed_content
    metadata = describe_model(bundle, content("dataset"), content("spatial_size"), content("settings"))
    save_atomically(content("network_def").state_dict(), bundle / "models" / INITIAL)
    (bundle / "models" / METADATA).write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")


def write_job(plan: Plan, sites: int, bundle: Path, job: Path) -> None:
    """A job folder as `nvflare simulator` runs it and `nvflare job submit` sends it: names, numbers, initial weights.

    Args:
        plan: of the federation.
        sites: hospitals that take part.
        bundle: as `write_bundle` leaves it.
        job: folder to write.
    """
    app = job / "app" / "config"
    app.mkdir(parents=True, exist_ok=True)
    shutil.copy(bundle / "models" / INITIAL, app / INITIAL)
    server = {"id": "controller", "path": SERVER, "args": {"sites": sites, "rounds": plan.rounds}}
    client = {"tasks": ["train"], "executor": {"path": CLIENT, "args": {"plan": plan.as_json()}}}
    _write(
        job / "meta.json",
        {"name": job.parent.resolve().name, "min_clients": sites, "resource_spec": {}, "deploy_map": {"app": ["@ALL"]}},
    )
    _write(app / "config_fed_server.json", {"format_version": 2, "workflows": [server], "components": []})
    _write(app / "config_fed_client.json", {"format_version": 2, "executors": [client], "components": []})


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def collect(weights: Path, bundle: Path) -> Path:
    """Make a server's FL_global_model.pt the bundle's model.pt and return it.

    Raises:
        ConfigError: a file is missing or holds no weights, or the weights are not finite, or not those of this
            bundle's network.
    """
    start = _weights(bundle / "models" / INITIAL, "name the folder that `federated job` wrote")
    end = _weights(weights, "give the FL_global_model.pt that a finished job leaves in the server's folder of it")
    if start.keys() != end.keys() or any(start[name].numel() != end[name].numel() for name in start):
        raise ConfigError(f"{weights} holds weights of another network than {bundle}; use the bundle of that job")
    if broken := [name for name, weight in end.items() if not weight.isfinite().all()]:
        raise ConfigError(
            f"{weights}: {len(broken)} entries such as {broken[0]} are not finite: the training has diverged; prepare "
            "another job with a lower --set learning_rate=..."
        )
    # A mean of counters is no whole number, and a scalar may come back with an axis.
    model = {name: end[name].reshape(weight.shape).to(weight.dtype) for name, weight in start.items()}
    save_atomically(model, bundle / "models" / MODEL)
    return bundle / "models" / MODEL


def _weights(path: Path, remedy: str) -> dict[str, Tensor]:
    if not path.is_file():
        raise ConfigError(f"no {path}; {remedy}")
    try:
        return read_weights(path, str(path))
    except BundleError as error:
        raise ConfigError(f"{error}; {remedy}") from None
