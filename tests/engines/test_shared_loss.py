"""A loss that learns, in two processes that see other data."""

import pytest
import torch
from torch import nn

from monai_landmarks.engines.workflow import shared_loss
from monai_landmarks.losses.coordinate import AdaptiveRobust, Wing


def a_step(rank, folder):
    """One step on differences of this process's own; what the loss has learned."""
    import torch.distributed as dist

    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    loss = AdaptiveRobust()
    optimizer = torch.optim.SGD(loss.parameters(), lr=0.1)
    # Held until the backward pass, as the trainer holds it.
    shared = shared_loss(loss)
    shared(torch.full((4, 2), 1.0 + 5 * rank)).mean().backward()
    optimizer.step()
    torch.save(loss.state_dict(), folder / f"{rank}.pt")
    del shared
    dist.destroy_process_group()


@pytest.mark.slow
def test_what_a_loss_learns_is_the_same_in_all_processes(tmp_path):
    torch.multiprocessing.spawn(a_step, (tmp_path,), nprocs=2)
    one, other = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["log_scale"], AdaptiveRobust().log_scale)


@pytest.mark.parametrize("loss", [Wing(), nn.MSELoss()])
def test_a_loss_that_learns_nothing_stays_as_it_is(loss):
    assert shared_loss(loss) is loss
