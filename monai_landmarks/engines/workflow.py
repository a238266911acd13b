"""Running a bundle's configs from Python, as `python -m monai.bundle run` does from a shell."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from monai_landmarks.errors import ConfigError


def run_bundle(
    bundle: Path,
    run_id: str,
    configs: Sequence[str] = ("train",),
    expressions: Mapping[str, Any] | None = None,
    prepare: Callable[[ConfigWorkflow], None] | None = None,
    **overrides: Any,
) -> ConfigWorkflow:
    """Run one of a bundle's run ids to its end.

    Args:
        bundle: the bundle's folder. Its configs are executed: use only bundles you trust.
        run_id: training, evaluate, ...
        configs: names of the config files, the later overriding the earlier.
        expressions: config entries by name, which may be references (@...) and code ($...).
        prepare: is given the workflow before it runs, to attach a handler to its trainer, say.
        overrides: config entries by name, which may not: paths and plain values.

    Returns:
        The workflow, for what it holds afterwards.
    """
    refuse_special_paths([bundle, *overrides.values()])
    workflow = ConfigWorkflow(
        config_file=[str(bundle / "configs" / f"{name}.yaml") for name in configs],
        run_id=run_id,
        workflow_type="train",
        bundle_root=str(bundle.resolve()),
        **{**(expressions or {}), **overrides},
    )
    workflow.initialize()
    if prepare is not None:
        prepare(workflow)
    workflow.run()
    workflow.finalize()
    return workflow


def check_switches(**switches: Any) -> None:
    """Refuse settings that must be True or False and are not.

    `--resume false` arrives as the text "false", which would count as true. The configs call this in `initialize`, the
    one list that is run before anything else is evaluated, from a shell and from Python alike.

    Raises:
        ConfigError: naming every such option and how to spell it.
    """
    wrong = [f"--{name} {value}" for name, value in switches.items() if not isinstance(value, bool)]
    if wrong:
        remedy = " or ".join(f"--{wrong[0].split()[0][2:]} {value}" for value in (True, False))
        raise ConfigError(f"{', '.join(wrong)}: must be True or False, spelled so; write {remedy}")


def quiet_other_ranks() -> None:
    """Of the processes of a distributed run the first alone tells how it goes; the others only what goes wrong."""
    import torch.distributed as dist

    if dist.get_rank() > 0:
        logging.disable(logging.INFO)


def shared_loss(loss: nn.Module) -> nn.Module:
    """A distributed run's loss: what it learns itself is averaged over the processes, as the network's weights are.

    Args:
        loss: on this process's device.
    """
    return DistributedDataParallel(loss) if any(value.requires_grad for value in loss.parameters()) else loss


def evaluate_comes_last() -> None:
    """What multi_gpu_train.yaml evaluates unless evaluate.yaml follows it: its network would be an untrained one.

    Raises:
        ConfigError: always.
    """
    raise ConfigError(
        "evaluate.yaml must be the last of the config files: train.yaml, multi_gpu_train.yaml, evaluate.yaml"
    )


def refuse_special_paths(values: Iterable[Any]) -> None:
    """MONAI's configs read "#" in a text as a reference, and a leading "$" or "@" as code.

    Raises:
        ConfigError: a path holds one of them.
    """
    for value in values:
        if isinstance(value, Path | str) and ("#" in str(value) or str(value)[:1] in ("$", "@")):
            raise ConfigError(f"{value}: a path with '#', or starting with '$' or '@', does not work here; rename it")
