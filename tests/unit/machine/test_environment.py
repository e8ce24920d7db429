"""The machine: device, memory, time."""

import time

import pytest
import torch

from hashquant.errors import UsageError
from hashquant.machine.environment import Timer, free_bytes, peak_bytes, resolve_device

CPU = torch.device("cpu")


@pytest.fixture
def no_cuda(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "kept")


@pytest.mark.usefixtures("no_cuda")
def test_without_cuda_auto_is_the_cpu_and_cuda_is_refused():
    assert resolve_device("auto") == resolve_device("CPU") == CPU
    for name in ("cuda", "cuda:0"):
        with pytest.raises(UsageError, match=f"got '{name}': this machine has 0 CUDA devices"):
            resolve_device(name)
    assert UsageError.exit_code == 2


@pytest.mark.usefixtures("two_gpus")
def test_with_cuda_the_index_is_checked():
    assert resolve_device("auto") == resolve_device("cuda") == torch.device("cuda", 0)
    assert resolve_device("cuda:1") == torch.device("cuda", 1)
    assert resolve_device("cpu") == CPU
    with pytest.raises(UsageError, match="this machine has 2 CUDA devices"):
        resolve_device("cuda:2")


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:0", ""])
def test_an_unknown_device_is_refused(name):
    with pytest.raises(UsageError, match="unknown device"):
        resolve_device(name)


def test_the_nearest_device_is_offered():
    with pytest.raises(UsageError, match="did you mean 'cuda'"):
        resolve_device("cud")


def test_memory_is_counted_in_bytes():
    assert 2**20 < free_bytes(CPU) < 2**50
    assert 2**24 < peak_bytes(CPU) < 2**50  # torch alone takes more than 16 MiB


def test_a_timer_measures_its_block():
    with Timer(CPU) as timer:
        time.sleep(0.02)
    assert 0.02 <= timer.seconds < 5
    with pytest.raises(KeyError), Timer(CPU) as timer:
        raise KeyError
    assert timer.seconds > 0
