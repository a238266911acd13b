"""Inferers: how the network is run."""

from __future__ import annotations

from typing import Any

import torch
from monai.inferers import SimpleInferer
from torch import Tensor


def bfloat16_pays(device: str | torch.device) -> bool:
    """Whether mixed precision makes this device faster; the configs' default of `amp`.

    A CPU is left in float32, and so is a GPU that would only emulate bfloat16 (before compute capability 8.0).
    """
    if torch.device(device).type != "cuda" or not torch.cuda.is_available():
        return False
    return torch.cuda.is_bf16_supported(including_emulation=False)


class AutocastInferer(SimpleInferer):
    """Runs the network in bfloat16 mixed precision where asked, on CPU and GPU; bfloat16 needs no loss scaling.

    Args:
        amp: use bfloat16 where it is safe; False is plain float32.
    """

    def __init__(self, amp: bool = False) -> None:
        super().__init__()
        self.amp = amp

    def __call__(self, inputs: Tensor, network: Any, *args: Any, **kwargs: Any) -> Any:
        """Network output, float32."""
        with torch.autocast(inputs.device.type, dtype=torch.bfloat16, enabled=self.amp):
            output = super().__call__(inputs, network, *args, **kwargs)
        return output.float() if isinstance(output, Tensor) else output
