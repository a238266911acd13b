"""A federation on one machine, in NVFlare's simulator: a process a hospital; and what it is worth, in one table."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from monai.utils import path_to_sqlite_uri

from monai_landmarks.engines.processes import in_own_process
from monai_landmarks.engines.workflow import run_bundle
from monai_landmarks.errors import ConfigError, LandmarksError
from monai_landmarks.federated.hospitals import ATTRIBUTE
from monai_landmarks.federated.job import CLIENT, SERVER
from monai_landmarks.federated.plan import CONFIG, DATASET_VARIABLE, Plan
from monai_landmarks.metrics.evaluation import METRICS

LOG = "simulator.log"


def check_installed() -> None:
    """Refuse early.

    Raises:
        ConfigError: NVFlare is not installed.
    """
    if find_spec("nvflare") is None:
        raise ConfigError('nvflare is missing: pip install "monai_landmarks[train,federated]"')


def simulate_federation(plan: Plan, job: Path, sites: Mapping[str, Path], folder: Path) -> Path:
    """Run a job in NVFlare's simulator and return the global model.

    Args:
        plan: of the federation.
        job: as `write_job` leaves it.
        sites: data set file of each hospital; all lie in a folder with the hospital's name.
        folder: NVFlare's workspace; is emptied, then gets what server and hospitals write; simulator.log is
            left beside it.

    Raises:
        ConfigError: the folder's path has a space.
        LandmarksError: the simulator failed, or ended before the last round.
    """
    from monai_landmarks.federated.server import GLOBAL, ROUNDS

    if any(character.isspace() for character in str(folder.resolve())):
        raise ConfigError(f"{folder.resolve()}: NVFlare's simulator takes no folder with a space in its path")
    shutil.rmtree(folder, ignore_errors=True)
    set_site_policy(folder)
    files = {file.parent.parent.resolve() for file in sites.values()}
    template = files.pop() / "{site}" / "dataset.json"
    environment = {"OMP_NUM_THREADS": "1", **os.environ, DATASET_VARIABLE: str(template)}
    arguments = [str(job), "-w", str(folder), "-c", ",".join(sites), "-t", str(len(sites))]
    status = _run_simulator(arguments, environment, folder.with_name(LOG))
    for model in folder.glob(f"server/**/{GLOBAL}"):
        if json.loads(model.with_name(ROUNDS).read_text(encoding="utf-8"))["rounds"] == plan.rounds:
            return model
    raise LandmarksError(
        f"the simulator ended with status {status} before round {plan.rounds}; {folder.with_name(LOG)} and "
        f"log.txt of each hospital in {folder} tell why"
    )


def _run_simulator(arguments: list[str], environment: Mapping[str, str], log: Path) -> int:
    command = [sys.executable, "-m", "monai_landmarks.federated.nvflare_simulator", "simulator", *arguments]
    with (
        log.open("w", encoding="utf-8") as told,
        # The pipe tells it that this process lives.
        subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=told, stderr=subprocess.STDOUT
        ) as simulator,
    ):
        return simulator.wait()


def set_site_policy(folder: Path) -> None:
    """What administrators set in resources.json: no log is sent, and two classes of ours are allowed, nothing beside.

    A package's name there would let a server call whatever its modules import.

    Args:
        folder: NVFlare's workspace, here that of the server and all hospitals; gets local/resources.json.
    """
    from nvflare.app_common.default_component_policy import DEFAULT_CLASS_ALLOW_LIST

    allowed = [*DEFAULT_CLASS_ALLOW_LIST, SERVER, CLIENT]
    policy = {"format_version": 2, "allow_log_streaming": False, "class_allow_list": allowed}
    local = folder / "local"
    local.mkdir(parents=True, exist_ok=True)
    (local / "resources.json").write_text(json.dumps(policy, indent=1) + "\n", encoding="utf-8")


def train_and_evaluate(plan: Plan, bundle: Path, dataset_file: Path, together: Path, folder: Path) -> dict[str, Any]:
    """metrics.json of the same recipe, trained for as many epochs on one data set file; an interrupted one goes on.

    Args:
        plan: of the federation.
        bundle: whose configs are run, in a process of their own.
        dataset_file: to train on.
        together: data set of all hospitals (`hospitals.pooled`), on whose test split every row is evaluated.
        folder: gets models/, history and evaluation.
    """
    if not (folder / METRICS).is_file():
        in_own_process(folder.name, _train_and_evaluate, plan, bundle, dataset_file, together, folder)
    return _metrics(folder)


def evaluate_federated(plan: Plan, bundle: Path, together: Path, folder: Path) -> dict[str, Any]:
    """metrics.json of the bundle's own model, likewise."""
    if not (folder / METRICS).is_file():
        in_own_process(folder.name, _evaluate, plan, bundle, together, folder, bundle / "models")
    return _metrics(folder)


def _train_and_evaluate(plan: Plan, bundle: Path, dataset_file: Path, together: Path, folder: Path) -> None:
    models = folder / "models"
    run_bundle(bundle, "training", ("train", CONFIG), plan.expressions(), **_options(dataset_file, folder, models))
    _evaluate(plan, bundle, together, folder, models)


def _evaluate(plan: Plan, bundle: Path, together: Path, folder: Path, models: Path) -> None:
    options = {**_options(together, folder, models), "title": folder.name, "group_by": ATTRIBUTE}
    run_bundle(bundle, "evaluate", ("train", CONFIG, "evaluate"), plan.expressions(), **options)


def _options(dataset_file: Path, folder: Path, models: Path) -> dict[str, Any]:
    return {
        "dataset_file": str(dataset_file),
        "ckpt_dir": str(models),
        "output_dir": str(folder),
        "run_name": folder.name,
        "tracking_uri": path_to_sqlite_uri((folder.parent / "mlflow.db").resolve()),
    }


def _metrics(folder: Path) -> dict[str, Any]:
    metrics: dict[str, Any] = json.loads((folder / METRICS).read_text(encoding="utf-8"))
    return metrics


def comparison(rows: Mapping[str, Mapping[str, Any]]) -> list[list[str]]:
    """The table, its heading first: a row a model, its mean radial error at each hospital's test split and at all.

    Args:
        rows: metrics.json by name of the model.
    """
    unit = "mm" if all(metrics["mm"] for metrics in rows.values()) else "px"
    sites = list(next(iter(rows.values()))["attributes"][ATTRIBUTE])
    table = [["trained on", *(f"{site}, MRE {unit}" for site in sites), f"all, MRE {unit}", f"all, SDR < 2 {unit}"]]
    for name, metrics in rows.items():
        parts = [metrics["attributes"][ATTRIBUTE][site][unit] for site in sites]
        errors = [_error(block) for block in (*parts, metrics[unit])]
        table.append([name, *errors, f"{100 * metrics[unit]['sdr']['2.0']:.1f} %"])
    return table


def _error(block: Mapping[str, Any]) -> str:
    return "–" if not block or block["mre"] is None else f"{block['mre']:.2f}"


def markdown(table: list[list[str]]) -> str:
    """The table as Markdown."""
    head, *rows = ["| " + " | ".join(row) + " |" for row in table]
    return "\n".join([head, "|" + "---|" * len(table[0]), *rows]) + "\n"
