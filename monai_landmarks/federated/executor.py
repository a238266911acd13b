"""A hospital's side of a federated training: NVFlare asks, MONAI's MonaiAlgo trains the bundle, weights go back."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monai.fl.client import MonaiAlgo
from monai.fl.utils.constants import ExtraItems, FlStatistics
from monai.fl.utils.exchange_object import ExchangeObject
from nvflare.apis.event_type import EventType
from nvflare.apis.executor import Executor
from nvflare.apis.fl_constant import FLMetaKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable, make_reply
from nvflare.apis.signal import Signal
from nvflare.app_common.abstract.fl_model import FLModel, ParamsType
from nvflare.app_common.app_constant import AppConstants
from nvflare.app_common.utils.fl_model_utils import FLModelUtils

from monai_landmarks.federated.plan import CONFIG, Plan, own_dataset


class BundleExecutor(Executor):
    """Trains this hospital's copy of a bundle from the weights it is sent, and returns the weights it has then.

    Nothing else leaves: no image, point, path, metric or error message. Optimiser, curriculum and learning rate go on
    from round to round. A site's class_allow_list must hold `monai_landmarks.federated.`.

    Args:
        plan: fields of `Plan`, checked before anything is done with them.
    """

    def __init__(self, plan: Mapping[str, Any]) -> None:
        super().__init__()
        self.plan = Plan(**plan)
        self.algo: MonaiAlgo | None = None

    def handle_event(self, event_type: str, fl_ctx: FLContext) -> None:
        """End what runs when the job is ended."""
        if self.algo is not None and event_type == EventType.ABORT_TASK:
            self.algo.abort()
        if self.algo is not None and event_type == EventType.END_RUN:
            self.algo.finalize()

    def execute(self, task_name: str, shareable: Shareable, fl_ctx: FLContext, abort_signal: Signal) -> Shareable:
        """Train a round; what goes wrong stands in this hospital's own log."""
        if task_name != AppConstants.TASK_TRAIN:
            return make_reply(ReturnCode.TASK_UNKNOWN)
        try:
            if self.algo is None:
                folder = Path(fl_ctx.get_workspace().get_run_dir(fl_ctx.get_job_id()))
                self.algo = local_training(self.plan, fl_ctx.get_identity_name(), folder)
            model = train_round(self.algo, FLModelUtils.from_shareable(shareable))
        except Exception:
            self.log_exception(fl_ctx, "this hospital's training failed")
            return make_reply(ReturnCode.EXECUTION_EXCEPTION)
        return FLModelUtils.to_shareable(model)


def local_training(plan: Plan, site: str, folder: Path) -> MonaiAlgo:
    """The bundle, ready to train on a hospital's own data set.

    Args:
        plan: of the federation.
        site: this hospital's name in it.
        folder: gets the bundle's copy, its local model, history and MLflow run.

    Raises:
        ConfigError: no data set is named.
    """
    bundle = folder.resolve() / "bundle"
    if not bundle.is_dir():
        shutil.copytree(plan.source(), bundle, ignore=shutil.ignore_patterns("models", "eval", "predictions"))
    options = {
        **plan.expressions(),
        "bundle_root": str(bundle),
        "dataset_file": str(own_dataset(site)),
        "ckpt_dir": str(bundle / "models"),
        "output_dir": str(bundle / "eval"),
        "run_name": f"federated {site}",
        # The server's weights are the ones to start from.
        "encoder_weights": None,
        "resume": False,
    }
    algo = MonaiAlgo(
        bundle_root=str(bundle),
        local_epochs=plan.local_epochs,
        send_weight_diff=False,
        config_train_filename=["configs/train.yaml", f"configs/{CONFIG}.yaml"],
        train_kwargs=options,
        config_evaluate_filename=None,
    )
    algo.initialize({ExtraItems.CLIENT_NAME: site})
    return algo


def train_round(algo: MonaiAlgo, model: FLModel) -> FLModel:
    """Train from a model's weights; the new weights as arrays, and the number of steps, by which they are averaged."""
    algo.train(ExchangeObject(weights=model.params))
    trained = algo.get_weights()
    steps = int(trained.statistics[FlStatistics.NUM_EXECUTED_ITERATIONS])
    return FLModel(
        params_type=ParamsType.FULL,
        params={name: weight.numpy() for name, weight in trained.weights.items()},
        meta={FLMetaKey.NUM_STEPS_CURRENT_ROUND: steps},
    )
