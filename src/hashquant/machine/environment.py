"""The machine: its devices, memory and clocks."""

import os
import platform
import resource
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

import torch

from hashquant.machine.hardware import choose_device

#: cuBLAS repeats itself only with a fixed workspace, chosen before its first use.
CUBLAS_WORKSPACE = ("CUBLAS_WORKSPACE_CONFIG", ":4096:8")


def resolve_device(name: str) -> torch.device:
    """Return the device called "auto", "cpu", "cuda" or "cuda:N".

    Raises:
        UsageError: if the name is unknown, or a CUDA device is asked for that is not there.
    """
    index = choose_device(name, torch.cuda.device_count() if torch.cuda.is_available() else 0)
    if index is None:
        return torch.device("cpu")
    os.environ.setdefault(*CUBLAS_WORKSPACE)
    return torch.device("cuda", index)


def free_bytes(device: torch.device) -> int:
    """Return the bytes of memory that are free on `device` now."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    try:
        for line in Path("/proc/meminfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def peak_bytes(device: torch.device) -> int:
    """Return the most memory this process has held: on the device, or resident on the CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024  # macOS counts bytes


def reserved_bytes(device: torch.device) -> int:
    """Return the most memory this process has kept from others on the device, or on the CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_reserved(device))
    return peak_bytes(device)


def utc_now() -> str:
    """Return the time in UTC, to the second, as ISO 8601 writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Timer:
    """Measure the seconds of a `with` block, waiting for the device at both ends."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds = 0.0
        self._began = 0.0

    def __enter__(self) -> "Timer":
        self._wait()
        self._began = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._wait()
        self.seconds = time.perf_counter() - self._began

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
