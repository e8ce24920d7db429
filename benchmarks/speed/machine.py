"""What ratios are measured on: the machine's name, its limits, and a process's memory."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from hashquant.machine.hardware import cpu_model
from hashquant.records.provenance import versions

#: Said of what a process did not load.
UNUSED = "not used"


def described(threads: int) -> dict[str, str]:
    """Name the machine and the versions that compute."""
    known = versions()
    shown = ("python", "torch", "numpy", "numba")
    return {
        "cpu": cpu_model(),
        "threads": str(threads),
        **{name: known.get(name, UNUSED) for name in shown},
    }


def limits(repeats: int = 5) -> dict[str, float]:
    """Return what one thread reaches here: bytes copied, and counters raised, in 10^9 a second.

    Counters are raised by numpy's count of random numbers below 2^12, all in the first cache.
    """
    values = np.random.default_rng(0).integers(0, 1 << 12, 1 << 22)
    source, target = np.ones(1 << 26, np.uint8), np.empty(1 << 26, np.uint8)
    copied, counted = (
        min(_seconds(call) for _ in range(repeats))
        for call in (lambda: np.copyto(target, source), lambda: np.bincount(values))
    )
    return {"copy": 2 * len(source) / copied / 1e9, "count": len(values) / counted / 1e9}


def resident_bytes(field: str) -> int:
    """Return this process's resident memory, now (VmRSS) or at its peak (VmHWM), on Linux."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def restart_peak() -> int:
    """Let the peak of resident memory start anew, and return what is resident now."""
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")
    return resident_bytes("VmRSS")


def _seconds(call: Callable[[], object]) -> float:
    began = time.thread_time()  # of a busy machine too: both calls keep to this thread
    call()
    return time.thread_time() - began
