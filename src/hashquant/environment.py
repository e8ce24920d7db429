"""The machine: devices, memory, versions, commit, clocks. All contact with it is here."""

import functools
import os
import platform
import resource
import subprocess
import time
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType

import torch

from hashquant import __version__, compiled
from hashquant.hardware import choose_device, cpu_model
from hashquant.record import Provenance

PACKAGES = ("torch", "torchvision", "numpy", "faiss-cpu", "faiss-gpu")
#: What decides a number: a change here makes a checkout dirty; new results do not.
SOURCES = ("src", "methods", "datasets", "benchmarks", "run_bench.py", "pyproject.toml")
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


def provenance(device: torch.device, *, deterministic: bool = True) -> Provenance:
    """Return where a record is made; `deterministic`: whether `seeds.repeatable` was in force."""
    commit, dirty = _checkout()
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return Provenance(
        commit, dirty, versions(), name, cpu_model(), torch.get_num_threads(), deterministic
    )


def versions() -> dict[str, str]:
    """Return the versions of Python, HashQuant and the installed packages that compute.

    numba is among them where this process has counted with its kernels.
    """
    found = {"python": platform.python_version(), "hashquant": __version__}
    for package in (*PACKAGES, "numba") if compiled.used() else PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


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


@functools.cache
def _checkout() -> tuple[str, bool]:
    """Return commit and dirty flag of the checkout this package runs from ("unknown" if none).

    Read once: the code in memory is what stood there when the process began.
    """
    package = Path(__file__).resolve().parent
    top = _git(package, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() / "src" / package.name != package:
        return "unknown", False  # installed, perhaps inside somebody else's checkout
    commit = _git(package, "rev-parse", "--verify", "HEAD") or "unknown"
    changed = _git(Path(top), "status", "--porcelain", "--", *SOURCES)
    return commit, changed != ""


def _git(folder: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
