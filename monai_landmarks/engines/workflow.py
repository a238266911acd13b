"""Running a bundle's configs from Python, as `python -m monai.bundle run` does from a shell."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow


def run_bundle(bundle: Path, run_id: str, configs: Sequence[str] = ("train",), **overrides: Any) -> ConfigWorkflow:
    """Run one of a bundle's run ids to its end.

    Args:
        bundle: the bundle's folder. Its configs are executed: use only bundles you trust.
        run_id: training, evaluate, ...
        configs: names of the config files, the later overriding the earlier.
        overrides: config entries by name.

    Returns:
        The workflow, for what it holds afterwards.
    """
    workflow = ConfigWorkflow(
        config_file=[str(bundle / "configs" / f"{name}.yaml") for name in configs],
        run_id=run_id,
        workflow_type="train",
        bundle_root=str(bundle.resolve()),
        **overrides,
    )
    workflow.initialize()
    workflow.run()
    workflow.finalize()
    return workflow
