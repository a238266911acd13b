import pytest
import torch
from ignite.engine import Engine, Events

from monai_landmarks.errors import ConfigError
from monai_landmarks.handlers.checkpoint import ResumeHandler, RunState, SaveHandler, load_model, save_atomically


class State:
    best_metric = -1.0
    best_metric_epoch = -1


class Evaluator:
    def __init__(self):
        self.state = State()


def build(folder, errors, stop_after=None, resume=True, **signature):
    """A trainer whose network's weight is the epoch, validated with the given errors."""
    network = torch.nn.Linear(1, 1)
    optimizer = torch.optim.Adam(network.parameters())
    evaluator = Evaluator()

    def step(engine, batch):
        with torch.no_grad():
            network.weight.fill_(engine.state.epoch)

    engine = Engine(step)
    engine.state.rank, engine.state.device = 0, torch.device("cpu")
    state = RunState(folder, network, evaluator, {"optimizer": optimizer}, {"seed": 0, **signature})
    ResumeHandler(state, resume).attach(engine)

    @engine.on(Events.EPOCH_COMPLETED)
    def validate(engine):
        error = errors[engine.state.epoch - 1]
        if evaluator.state.best_metric_epoch == -1 or error < evaluator.state.best_metric:
            evaluator.state.best_metric, evaluator.state.best_metric_epoch = error, engine.state.epoch

    SaveHandler(state).attach(engine)
    if stop_after:
        engine.add_event_handler(Events.EPOCH_COMPLETED(once=stop_after), lambda engine: engine.terminate())
    return engine, network, evaluator


ERRORS = [5.0, 2.0, 3.0, 4.0, 2.5]


def best_weight(folder):
    return float(load_model(torch.nn.Linear(1, 1), folder / "model.pt").weight.detach())


def test_the_best_checkpoint_is_the_best(tmp_path):
    build(tmp_path, ERRORS)[0].run([0], max_epochs=5)
    assert best_weight(tmp_path) == 2


def test_a_resumed_run_knows_the_earlier_best(tmp_path):
    build(tmp_path, ERRORS, stop_after=3)[0].run([0], max_epochs=5)
    engine, _, evaluator = build(tmp_path, ERRORS)
    epochs = []
    engine.add_event_handler(Events.EPOCH_STARTED, lambda engine: epochs.append(engine.state.epoch))
    engine.run([0], max_epochs=5)
    assert epochs == [4, 5]
    assert evaluator.state.best_metric_epoch == 2
    assert best_weight(tmp_path) == 2
    assert engine.state.iteration == 5


def test_resume_false_starts_anew(tmp_path):
    build(tmp_path, ERRORS, stop_after=3)[0].run([0], max_epochs=5)
    engine = build(tmp_path, ERRORS, resume=False)[0]
    epochs = []
    engine.add_event_handler(Events.EPOCH_STARTED, lambda engine: epochs.append(engine.state.epoch))
    engine.run([0], max_epochs=2)
    assert epochs == [1, 2]


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    build(tmp_path, ERRORS, learning_rate=0.1)[0].run([0], max_epochs=1)
    engine = build(tmp_path, ERRORS, learning_rate=0.2)[0]
    with pytest.raises(ConfigError, match=r"learning_rate 0.1 -> 0.2.*--resume False"):
        engine.run([0], max_epochs=2)


def test_other_ranks_save_nothing(tmp_path):
    engine = build(tmp_path, ERRORS)[0]
    engine.state.rank = 1
    engine.run([0], max_epochs=1)
    assert not list(tmp_path.iterdir())


def test_an_interrupted_save_leaves_the_old_file(tmp_path):
    class Unpicklable:
        def __reduce__(self):
            raise RuntimeError("killed")

    save_atomically({"a": 1}, tmp_path / "x.pt")
    with pytest.raises(RuntimeError, match="killed"):
        save_atomically({"a": Unpicklable()}, tmp_path / "x.pt")
    assert torch.load(tmp_path / "x.pt", weights_only=True) == {"a": 1}


def test_loading_tells_what_is_wrong(tmp_path):
    with pytest.raises(ConfigError, match="no trained weights"):
        load_model(torch.nn.Linear(1, 1), tmp_path / "model.pt")
    torch.save(torch.nn.Linear(2, 1).state_dict(), tmp_path / "model.pt")
    with pytest.raises(ConfigError, match="does not fit"):
        load_model(torch.nn.Linear(1, 1), tmp_path / "model.pt")
