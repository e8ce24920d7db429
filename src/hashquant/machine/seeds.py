"""Reproducibility: one child seed per stage of a run, and kernels that repeat themselves."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

CPU = torch.device("cpu")


def child_seed(seed: int, *stage: str | int) -> int:
    """Return the seed of one stage of a run: 63 bits of the SHA-256 of seed and stage names.

    >>> child_seed(0, "shuffle", 1) == child_seed(0, "shuffle", 1) != child_seed(0, "shuffle", 2)
    True
    """
    text = json.dumps([seed, *stage])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *stage: str | int, device: torch.device = CPU) -> torch.Generator:
    """Return a generator of its own for one stage, on `device`.

    >>> int(torch.randperm(1000, generator=generator(0, "shuffle", 3))[0])
    403
    """
    return torch.Generator(device=device).manual_seed(child_seed(seed, *stage))


@contextmanager
def seeded(seed: int, *stage: str | int, device: torch.device = CPU) -> Iterator[None]:
    """Seed torch's global generators for one stage, and give them back as they were.

    For draws that take no generator: dropout, weight initialisation, a method's own.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(child_seed(seed, *stage))
        yield


@contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Choose kernels that give the same bits on every run, and fp32 that is fp32.

    On CUDA the deterministic kernels are asked for (an operation without one warns) and cuDNN's
    autotuner and TF32 convolutions are off; on the CPU the kernels already repeat themselves.
    """
    if device.type != "cuda":
        yield
        return
    before = torch.are_deterministic_algorithms_enabled()
    warned = torch.is_deterministic_algorithms_warn_only_enabled()
    debugging: Any = torch.utils.deterministic  # Any: its attributes carry no types
    filled = debugging.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    debugging.fill_uninitialized_memory = False  # costs time, and mends nothing
    try:
        with torch.backends.cudnn.flags(
            enabled=True,
            benchmark=False,
            deterministic=True,
            allow_tf32=False,
            fp32_precision="ieee",
        ):
            yield
    finally:
        torch.use_deterministic_algorithms(before, warn_only=warned)
        debugging.fill_uninitialized_memory = filled
