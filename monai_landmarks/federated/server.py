"""The server's side of a federated training: it averages weights and never sees an image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from nvflare.app_common.abstract.fl_model import FLModel
from nvflare.app_common.workflows.fedavg import FedAvg

from monai_landmarks.handlers.checkpoint import save_atomically

INITIAL, GLOBAL, ROUNDS = "initial.pt", "FL_global_model.pt", "FL_rounds.json"


class WeightAverage(FedAvg):
    """FedAvg over a plain state dict: it starts from the job's initial.pt and leaves FL_global_model.pt.

    Both are read with weights_only and travel as arrays. Each hospital counts by the steps it has made. A hospital that
    fails ends the job: an average of the others would be another experiment.

    Args:
        sites: hospitals, all of which take part in every round.
        rounds: of averaging.
    """

    def __init__(self, sites: int, rounds: int) -> None:
        super().__init__(
            num_clients=sites, num_rounds=rounds, persistor_id="", save_filename=GLOBAL, ignore_result_error=False
        )

    def load_model(self) -> FLModel:
        """The weights the job starts from."""
        folder = self.engine.get_workspace().get_app_config_dir(self.fl_ctx.get_job_id())
        weights: dict[str, torch.Tensor] = torch.load(Path(folder) / INITIAL, map_location="cpu", weights_only=True)
        return FLModel(params={name: weight.numpy() for name, weight in weights.items()})

    def save_model_file(self, model: FLModel, filepath: str) -> None:
        """Save the average of a round, and which round it was."""
        save_atomically({name: torch.as_tensor(weight) for name, weight in model.params.items()}, Path(filepath))
        done: dict[str, Any] = {"rounds": self.current_round + 1 - self.start_round}
        Path(filepath).with_name(ROUNDS).write_text(json.dumps(done) + "\n", encoding="utf-8")
