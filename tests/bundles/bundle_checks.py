"""What a trained bundle leaves, and what must hold for each of them."""

import csv
import json

import mlflow
import torch
from monai.bundle import ConfigWorkflow, verify_net_in_out
from monai.utils import path_to_sqlite_uri

from monai_landmarks.handlers.checkpoint import state_digest
from monai_landmarks.handlers.history import read_history


def read_rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def read_metrics(folder):
    return json.loads((folder / "metrics.json").read_text())


def weights(path):
    return torch.load(path, weights_only=True)


def mlflow_runs(models):
    client = mlflow.MlflowClient(path_to_sqlite_uri(models / "mlflow.db"))
    return client.search_runs([e.experiment_id for e in client.search_experiments()])


def check_evaluation_notes_the_weights(models, folder, files=("model.pt",)):
    """By which `pack` knows whose errors they are."""
    noted = json.loads((folder / "evaluation.json").read_text())["weights"]
    assert noted == {name: state_digest(weights(models / name)) for name in files}


def check_same(one, other):
    """Two state dicts are the same to the last bit."""
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


def check_last_epoch_is_kept(models):
    check_same(weights(models / "model.pt"), weights(models / "checkpoint.pt")["network"])


def check_properties(root, configs, **options):
    """The workflow of these configs has every property MONAI asks of its kind."""
    workflow = ConfigWorkflow(
        config_file=[str(root / "configs" / f"{name}.yaml") for name in configs],
        logging_file=False,
        workflow_type=configs[0],
        bundle_root=str(root),
        **options,
    )
    workflow.initialize()
    assert workflow.check_properties() == []
    assert workflow.evaluator is not None
    assert workflow.network_def is not None


def check_network(root, metadata, **options):
    """The network of inference.yaml takes and gives what the metadata, a file below `root`, says."""
    verify_net_in_out(
        net_id="network_def",
        meta_file=str(root / metadata),
        config_file=str(root / "configs" / "inference.yaml"),
        device="cpu",
        bundle_root=str(root),
        **options,
    )


def check_resumes_to_the_same_end(runner, folder, configs=("train",), **options):
    """Four epochs, killed after two and continued, end as those of a training that nothing stops.

    Returns:
        The checkpoints of both, for what else they hold.
    """
    options["max_epochs"] = 4
    runner.kill_during(2, configs, **options)
    assert 2 <= len(read_history(runner.root / "eval" / "history.csv")) < 4
    assert [run.info.status for run in mlflow_runs(runner.root / "models")] == ["RUNNING"]
    assert "Continuing after epoch" in runner("training", configs, **options)
    assert [run.info.status for run in mlflow_runs(runner.root / "models")] == ["FINISHED"]
    runner("training", configs, **options, ckpt_dir=folder / "whole", output_dir=folder / "whole_eval")
    both = runner.root / "models", folder / "whole"
    check_same(*(weights(models / "model.pt") for models in both))
    resumed, straight = (weights(models / "checkpoint.pt") for models in both)
    assert resumed["epoch"] == straight["epoch"] == 4
    check_same(resumed["network"], straight["network"])
    check_same_history(runner.root / "eval", folder / "whole_eval")
    return resumed, straight


def check_same_history(one, other):
    """Each epoch's numbers are the same, but for the seconds it took."""
    columns = [
        [{key: str(value) for key, value in row.items() if key != "seconds"} for row in read_history(path)]
        for path in (one / "history.csv", other / "history.csv")
    ]
    assert columns[0] == columns[1]
