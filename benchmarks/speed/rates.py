"""What bounds training: the matrix rate of the machine, and the operations of one image."""

import time
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from hashquant.machine.hardware import BF16_FLAGS, cpu_model

#: Rows of the square matrices whose product is timed: about L2 on a CPU, a full card on CUDA.
SIDE = {"cpu": 512, "cuda": 8192}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def wait(device: torch.device) -> None:
    """Wait for the device; a CPU has nothing to wait for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def matrix_rate(device: torch.device, dtype: torch.dtype, repeats: int = 50) -> float:
    """Return the best rate of a square matrix product in operations a second."""
    side = SIDE[device.type]
    one = torch.randn(side, side, device=device).to(dtype)
    best = float("inf")
    for _ in range(repeats + 1):  # the first one warms up and loses
        wait(device)
        began = time.perf_counter()
        one @ one
        wait(device)
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best


def training_flops(network: nn.Module, image_size: int, images: int = 8) -> float:
    """Return the operations of one image's forward and backward pass, products alone."""
    device = next(network.parameters()).device
    pixels = torch.randn(images, 3, image_size, image_size, device=device)
    with FlopCounterMode(display=False) as counter:
        network(pixels).square().mean().backward()
    for parameter in network.parameters():
        parameter.grad = None
    return float(counter.get_total_flops()) / images


def bf16_note() -> str:
    """Say whether this CPU multiplies in bf16, by the flags that Linux lists."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    flags = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    found = sorted(BF16_FLAGS & set(flags.split()))
    has = f"has {', '.join(found)}" if found else f"has none of {', '.join(sorted(BF16_FLAGS))}"
    return f"{cpu_model()} {has}"
