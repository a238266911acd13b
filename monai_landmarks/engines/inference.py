"""A bundle's inference.yaml as a MONAI workflow."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from monai.bundle import ConfigWorkflow


def inference_workflow(bundle: Path, **options: Any) -> ConfigWorkflow:
    """The workflow, not yet initialised. A bundle's logging.conf is left alone: it is the caller who logs.

    Args:
        bundle: the bundle's folder. Its config is executed: use only bundles you trust.
        options: config entries by name, and what else `ConfigWorkflow` takes.
    """
    with _no_remark():
        return ConfigWorkflow(
            config_file=str(bundle / "configs" / "inference.yaml"),
            logging_file=False,
            workflow_type="inference",
            **options,
        )


@contextmanager
def _no_remark() -> Iterator[None]:
    """MONAI warns that no logging file is used, which is on purpose."""
    logger = logging.getLogger("monai.bundle.workflows")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
