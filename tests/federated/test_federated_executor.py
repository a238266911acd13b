"""A hospital's side alone: when it does not train, and what it then tells the server."""

import json
import logging
from types import SimpleNamespace

import pytest

from monai_landmarks.errors import ConfigError
from monai_landmarks.federated.plan import DATASET_VARIABLE, Plan
from monai_landmarks.federated.simulation import set_site_policy

pytest.importorskip("nvflare", reason="the extra `federated` is not installed")
from nvflare.apis.fl_constant import FLContextKey, ReservedKey, ReturnCode
from nvflare.apis.fl_context import FLContext
from nvflare.apis.shareable import Shareable
from nvflare.apis.signal import Signal
from nvflare.apis.workspace import Workspace

from monai_landmarks.federated import executor

PLAN = Plan(bundle="label_augmentation", rounds=1, local_epochs=1, settings={"spatial_size": [64, 64]})


@pytest.fixture
def site(tmp_path):
    """NVFlare's folder of a hospital whose administrator has done what docs/how-to/scale.md says."""
    set_site_policy(tmp_path)
    (tmp_path / "startup").mkdir()
    return tmp_path


@pytest.fixture
def trained(monkeypatch):
    """The hospitals whose training was started; each fails."""
    started = []

    def fail(plan, name, folder):
        started.append(name)
        raise ConfigError("images/secret.png is missing")

    monkeypatch.setattr(executor, "local_training", fail)
    return started


def asked_to_train(site):
    """What the hospital answers."""
    workspace, context = Workspace(str(site), "north"), FLContext()
    context.set_prop(ReservedKey.IDENTITY_NAME, "north")
    context.set_prop(ReservedKey.RUN_NUM, "job")
    context.set_prop(ReservedKey.ENGINE, SimpleNamespace(get_workspace=lambda: workspace))
    context.set_prop(FLContextKey.WORKSPACE_ROOT, str(site))
    return executor.BundleExecutor(PLAN.as_json()).execute("train", Shareable(), context, Signal())


@pytest.mark.parametrize("allowed", [{"allow_log_streaming": True}, {}], ids=["allowed", "unsaid"])
def test_nothing_is_trained_where_logs_may_leave(site, trained, caplog, allowed):
    policy = json.loads((site / "local" / "resources.json").read_text())
    del policy["allow_log_streaming"]
    (site / "local" / "resources.json").write_text(json.dumps({**policy, **allowed}))
    with caplog.at_level(logging.ERROR):
        reply = asked_to_train(site)
    assert reply.get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    assert trained == []
    assert '"allow_log_streaming": false' in caplog.text


def test_an_error_is_told_at_the_hospital_alone(site, trained, caplog):
    with caplog.at_level(logging.ERROR):
        reply = asked_to_train(site)
    assert reply.get_return_code() == ReturnCode.EXECUTION_EXCEPTION
    assert trained == ["north"]
    assert "secret.png" in caplog.text
    assert "secret.png" not in str(reply)


def test_a_hospital_with_other_landmarks_does_not_train(blobs, monkeypatch, tmp_path):
    monkeypatch.setenv(DATASET_VARIABLE, str(blobs))
    with pytest.raises(ConfigError, match="not those of this job"):
        executor.local_training(PLAN, "north", tmp_path)
    assert not (tmp_path / "bundle").exists()
