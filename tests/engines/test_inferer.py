import pytest
import torch

from monai_landmarks.engines.inferer import bfloat16_pays


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu"), "mps"])
@pytest.mark.parametrize("there", [False, True])
def test_only_a_gpu_is_run_in_bfloat16_whatever_else_the_machine_has(monkeypatch, device, there):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert bfloat16_pays(device) is False


def test_a_gpu_that_would_emulate_it_is_not(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)
    assert bfloat16_pays("cuda:1") is False
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert bfloat16_pays("cuda:1") is True


def test_without_a_gpu_it_is_not_asked(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert bfloat16_pays("cuda") is False
