"""A hospital's side of a federated training: NVFlare asks, MONAI's MonaiAlgo trains the bundle, weights go back."""

from __future__ import annotations

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
from nvflare.app_common.logging.constants import is_log_streaming_allowed
from nvflare.app_common.utils.fl_model_utils import FLModelUtils

from monai_landmarks.federated.plan import CONFIG, Plan, own_dataset

LOGS_WOULD_LEAVE = (
    "nothing is trained here: NVFlare may send logs to its server, and they tell losses, case counts and paths; set "
    '"allow_log_streaming": false in the local/resources.json of this site and start its client again'
)


class BundleExecutor(Executor):
    """Trains this hospital's copy of a bundle from the weights it is sent, and returns the weights it has then.

    Nothing else leaves: no image, point, path, metric or error message; where NVFlare may send a site's logs, which
    tell of those, nothing is trained. Optimiser, curriculum and learning rate go on from round to round.

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
        """Train a round, unless logs may leave; what goes wrong stands in this hospital's own log."""
        if task_name != AppConstants.TASK_TRAIN:
            return make_reply(ReturnCode.TASK_UNKNOWN)
        if is_log_streaming_allowed(fl_ctx):
            self.log_error(fl_ctx, LOGS_WOULD_LEAVE, fire_event=False)
            return make_reply(ReturnCode.EXECUTION_EXCEPTION)
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
        ConfigError: no data set is named, or it has not the federation's landmarks.
    """
    dataset_file = own_dataset(site)
    plan.check_landmarks(dataset_file)
    bundle = folder.resolve() / "bundle"
    plan.copy_bundle(bundle)
    options = {
        **plan.expressions(),
        "bundle_root": str(bundle),
        "dataset_file": str(dataset_file),
        "ckpt_dir": str(bundle / "models"),
        "output_dir": str(bundle / "eval"),
        "run_name": f"federated {site}",
        "encoder_weights": None,  # the server's are the ones to start from
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
