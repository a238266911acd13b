import math

import pytest
import torch
from ignite.engine import Engine, Events
from monai.engines.utils import IterationEvents

from monai_landmarks.curriculum import paper
from monai_landmarks.handlers.training import (
    CurriculumHandler,
    EarlyStopping,
    EpochSeedHandler,
    FiniteLossHandler,
    GradientClipping,
    TrainingError,
    lower_is_better,
)
from monai_landmarks.transforms.regions import ScheduledRegionsd


def engine_of(step=lambda engine, batch: None):
    engine = Engine(step)
    engine.register_events(*IterationEvents)
    return engine


class Evaluator:
    """Only what EarlyStopping reads."""

    class state:
        best_metric_epoch = -1
        epoch = 0


def test_the_curriculum_follows_the_epoch_after_a_resume_too():
    transform = ScheduledRegionsd("points", paper())
    seen = []
    engine = engine_of(lambda engine, batch: seen.append(transform.radius))
    CurriculumHandler([object(), transform]).attach(engine)
    engine.run([0], max_epochs=51)
    assert seen == [65] * 50 + [55]
    engine.load_state_dict({"epoch": 299, "max_epochs": 301, "epoch_length": 1})
    seen.clear()
    engine.run([0])
    assert seen == [15, 5]


def test_draws_depend_on_seed_and_epoch_alone():
    def draws(seed):
        drawn = []
        engine = engine_of(lambda engine, batch: drawn.append(torch.rand(1)))
        EpochSeedHandler(seed).attach(engine)
        engine.run([0], max_epochs=2)
        return drawn

    first = draws(0)
    torch.rand(17)
    assert first == draws(0)
    assert first[0] != first[1]
    assert first[0] != draws(1)[0]


def test_each_process_of_a_distributed_run_draws_its_own(monkeypatch):
    drawn = []
    for rank in (None, 0, 1, 2):
        monkeypatch.setattr(torch.distributed, "is_initialized", lambda rank=rank: rank is not None)
        monkeypatch.setattr(torch.distributed, "get_rank", lambda rank=rank: rank)
        engine = engine_of(lambda engine, batch: drawn.append(float(torch.rand(()))))
        EpochSeedHandler(0).attach(engine)
        engine.run([0])
    assert drawn[0] == drawn[1]
    assert len(set(drawn)) == 3


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("bad", [2, 3, 7])
@pytest.mark.parametrize("interval", [1, 2, 20])
def test_a_loss_that_is_no_number_stops_the_training_before_anything_is_saved(value, bad, interval):
    def step(engine, batch):
        engine.state.output = {"loss": torch.tensor(value if engine.state.iteration == bad else 1.0)}
        engine.fire_event(IterationEvents.LOSS_COMPLETED)

    saved = []
    engine = engine_of(step)
    FiniteLossHandler(interval).attach(engine)
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: saved.append(engine.state.epoch))
    with pytest.raises(TrainingError, match=f"{value} in iteration {bad}, epoch {(bad + 4) // 5};"):
        engine.run(range(5), max_epochs=3)
    assert saved == list(range(1, (bad + 4) // 5))
    assert engine.state.iteration < bad + interval


def in_two_processes(rank, folder):
    """The second process's last loss of the epoch is no number: what does the first one do?"""
    import torch.distributed as dist

    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)

    def step(engine, batch):
        engine.state.output = {"loss": torch.tensor(math.nan if rank == 1 and engine.state.iteration == 3 else 1.0)}
        engine.fire_event(IterationEvents.LOSS_COMPLETED)

    engine = engine_of(step)
    FiniteLossHandler().attach(engine)
    engine.add_event_handler(Events.EPOCH_COMPLETED, lambda engine: (folder / f"saved{rank}").touch())
    try:
        engine.run(range(3), max_epochs=1)
    except TrainingError as error:
        (folder / f"said{rank}").write_text(str(error))
    dist.destroy_process_group()


@pytest.mark.slow
def test_no_process_saves_what_another_ones_loss_has_spoilt(tmp_path):
    torch.multiprocessing.spawn(in_two_processes, (tmp_path,), nprocs=2)
    assert not list(tmp_path.glob("saved*"))
    assert "of another process, epoch 1" in (tmp_path / "said0").read_text()
    assert "nan in iteration 3, epoch 1" in (tmp_path / "said1").read_text()


def test_gradients_are_clipped():
    network = torch.nn.Linear(4, 1)

    def step(engine, batch):
        (1000 * network(torch.ones(1, 4))).sum().backward()
        engine.fire_event(IterationEvents.BACKWARD_COMPLETED)

    engine = engine_of(step)
    GradientClipping(network, 0.5).attach(engine)
    engine.run([0])
    norm = torch.cat([p.grad.flatten() for p in network.parameters()]).norm()
    assert float(norm) == pytest.approx(0.5, rel=1e-4)


@pytest.mark.parametrize(
    ("patience", "interval", "best", "epochs"),
    [(0, 1, 5, 20), (3, 1, 5, 8), (3, 4, 4, 8), (3, 4, 8, 12), (5, 4, 4, 12)],
)
def test_early_stopping_counts_from_the_best_epoch_and_waits_for_a_validation(patience, interval, best, epochs):
    evaluator = Evaluator()
    evaluator.state.best_metric_epoch = -1
    engine = engine_of()

    @engine.on(Events.EPOCH_COMPLETED)
    def validate(engine):
        if engine.state.epoch % interval == 0:
            evaluator.state.epoch = engine.state.epoch
            evaluator.state.best_metric_epoch = min(engine.state.epoch, best)

    EarlyStopping(evaluator, patience).attach(engine)
    engine.run([0], max_epochs=20)
    assert engine.state.epoch == epochs


def test_lower_is_better_and_a_number_beats_none():
    assert lower_is_better(1.0, 2.0)
    assert not lower_is_better(2.0, 2.0)
    assert lower_is_better(2.0, math.nan)
    assert not lower_is_better(math.nan, 1.0)
    assert not lower_is_better(math.nan, math.nan)
